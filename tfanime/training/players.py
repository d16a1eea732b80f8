"""Whether two networks can play a game with each other."""


def require_players(generator, discriminator, latents=None, vocabulary=None):
    """Refuses networks that do not fit each other, the latents or the tags.

    What a discriminator takes and gives is looked at where it says so, which subclasses of one's own do not.

    Args:
        generator: Functional or sequential `keras.Model`, see `tfanime.training.GAN`.
        discriminator: `keras.Model`, likewise.
        latents: The `tfanime.latents.Latents`; None for those of the generator's first input.
        vocabulary: The `tfanime.tags.TagVocabulary` of a game with tags.

    Raises:
        ValueError: A network is not built, or one of its inputs or outputs is another than the game's.
    """
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not network.built:
            raise ValueError(f"{name} must be built: call it once, or give it an Input. Received: {network}")
    sizes = [each.shape[-1] for each in generator.inputs]
    wanted = [latents.size if latents else sizes[0], *([len(vocabulary)] if vocabulary else [])]
    if wanted != sizes:
        named = "latents.size and len(vocabulary)" if vocabulary else "latents.size"
        raise ValueError(f"{named} must be the generator's inputs, {sizes}. Received: {wanted}")
    if getattr(discriminator, "outputs", None):
        _require_pictures(discriminator, generator)
        _require_logits(discriminator, vocabulary)


def _require_pictures(discriminator, generator):
    drawn, seen = ([tuple(each.shape) for each in each_of] for each_of in (generator.outputs, discriminator.inputs))
    fits = len(drawn) == len(seen) == 1 and len(drawn[0]) == len(seen[0])
    # A size that the discriminator leaves open is any.
    if not fits or any(size not in (None, other) for size, other in zip(seen[0], drawn[0], strict=True)):
        raise ValueError(f"discriminator must take the generator's pictures, {drawn}. Received: one of inputs {seen}")


def _require_logits(discriminator, vocabulary):
    given = [tuple(each.shape) for each in discriminator.outputs]
    if len(given) != (2 if vocabulary else 1):
        wanted = "logits and tag logits with a vocabulary" if vocabulary else "logits alone without a vocabulary"
        raise ValueError(f"discriminator must give {wanted}. Received: one of outputs {given}")
    if vocabulary and given[1][1:] != (len(vocabulary),):
        raise ValueError(
            f"discriminator must give a logit for each of the {len(vocabulary)} tags of vocabulary "
            f"{vocabulary.name!r}. Received: tag logits {given[1]}"
        )
