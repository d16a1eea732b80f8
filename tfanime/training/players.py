"""Checks that a generator and a discriminator fit together."""

from tfanime.inputs import NOISES


def require_players(generator, discriminator, latents=None, vocabulary=None):
    """Raises an error if networks do not fit together, or do not fit the latents or the tags.

    A discriminator's inputs and outputs are checked if Keras knows them, which is not so for subclassed models.

    Args:
        generator: Functional or sequential `keras.Model`, see `tfanime.training.GAN`.
        discriminator: `keras.Model`, see `tfanime.training.GAN`.
        latents: The `tfanime.latents.Latents`; None for those of the generator's first input.
        vocabulary: The `tfanime.tags.TagVocabulary` of a game with tags.

    Raises:
        ValueError: A network is not built, or its inputs or outputs are not those of the game.
    """
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not network.built:
            raise ValueError(f"{name} must be built: call it once, or give it an Input. Received: {network}")
    sizes = [each.shape[-1] for each in generator.inputs if each.name not in NOISES]
    wanted = [latents.size if latents else sizes[0], *([len(vocabulary)] if vocabulary else [])]
    if wanted != sizes:
        named = "latents.size and len(vocabulary)" if vocabulary else "latents.size"
        raise ValueError(f"{named} must be the generator's inputs, {sizes}. Received: {wanted}")
    if getattr(discriminator, "outputs", None):
        _require_pictures(discriminator, generator, vocabulary)
        _require_logits(discriminator, vocabulary)


def sees_tags(discriminator):
    """Whether a discriminator takes tags beside the pictures, as a second input."""
    return len(getattr(discriminator, "inputs", None) or ()) > 1


def predicts_tags(discriminator):
    """Whether a discriminator of a conditional GAN predicts tags. True if its outputs are not known."""
    return len(getattr(discriminator, "outputs", None) or (None, None)) > 1


def _require_pictures(discriminator, generator, vocabulary):
    drawn, seen = ([tuple(each.shape) for each in each_of] for each_of in (generator.outputs, discriminator.inputs))
    others = [shape[-1] for shape in seen[1:]]
    fits = len(drawn) == 1 and others in ([], [len(vocabulary or ())]) and len(drawn[0]) == len(seen[0])
    # An open size of the discriminator accepts any size.
    if not fits or any(size not in (None, other) for size, other in zip(seen[0], drawn[0], strict=True)):
        beside = f", and may take {len(vocabulary)} tags beside them" if vocabulary else ""
        raise ValueError(
            f"discriminator must take the generator's pictures, {drawn}{beside}. Received: one of inputs {seen}"
        )


def _require_logits(discriminator, vocabulary):
    given = [tuple(each.shape) for each in discriminator.outputs]
    if len(given) not in (([1, 2] if sees_tags(discriminator) else [2]) if vocabulary else [1]):
        wanted = "logits and tag logits with a vocabulary" if vocabulary else "logits alone without a vocabulary"
        raise ValueError(f"discriminator must give {wanted}. Received: one of outputs {given}")
    if vocabulary and len(given) == 2 and given[1][1:] != (len(vocabulary),):
        raise ValueError(
            f"discriminator must give a logit for each of the {len(vocabulary)} tags of vocabulary "
            f"{vocabulary.name!r}. Received: tag logits {given[1]}"
        )
