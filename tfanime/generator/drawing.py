"""Avatars from seeds."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tfanime.generator.folder import LICENCE
from tfanime.tags import TagVocabulary

if TYPE_CHECKING:  # TensorFlow takes seconds to load
    import keras
    import numpy as np

    from tfanime.inputs import Inputs
    from tfanime.latents import Latents


class Generator:
    """A trained generator: seeds to pictures.

    Args:
        draw: Seeds, int64 `[batch]` -> pictures, uint8 `[batch, height, width, 3]`; of a generator with tags, seeds and
            wanted tags (see `TagSampler.from_uniform`), float32 `[batch, len(vocabulary)]`.
        vocabulary: The `tfanime.tags.TagVocabulary` of a generator with tags, or None.
        network: The `keras.Model` behind it, the inputs of `tfanime.inputs.Inputs` -> pictures in [-1, 1]; None for a
            SavedModel.
        latents: The `tfanime.latents.Latents` that it draws from; None for a SavedModel.
        card: Description of its origin, a dictionary.
        variables: The network's variables, in order; default: the weights of `network`.
        licence: A note on its permitted use.

    Attributes:
        signatures: The functions of a SavedModel by name; None for any other generator.
    """

    kind = "seeds"
    signatures = None

    def __init__(
        self,
        draw: Callable[..., Any],
        vocabulary: TagVocabulary | None = None,
        network: "keras.Model | None" = None,
        latents: "Latents | None" = None,
        card: dict[str, Any] | None = None,
        variables: list[Any] | None = None,
        licence: str = LICENCE,
    ) -> None:
        self._draw = draw
        self.vocabulary = vocabulary
        self.network = network
        self.latents = latents
        self.card = card or {}
        self.variables = network.weights if network else variables or []
        self.licence = licence

    @property
    def inputs(self) -> "Inputs | None":
        """The `tfanime.inputs.Inputs` of its network; None for a SavedModel."""
        from tfanime.inputs import Inputs

        return Inputs.of_network(self.network, self.latents, self.vocabulary) if self.latents else None

    def images(
        self, seeds: Sequence[int], tags: str = "", batch: int = 64, allow_untrained_tags: bool = False
    ) -> "np.ndarray":
        """Draws avatars.

        Args:
            seeds: Sequence of ints; a seed is the same avatar at any place and in any batch, within one grey level.
            tags: Tags to draw, such as `"blonde hair, smile, no hat"`; the seed decides about all other tags.
            batch: Pictures drawn at once.
            allow_untrained_tags: Whether to allow tags that no training face had.

        Returns:
            uint8 array `[len(seeds), height, width, 3]`.

        Raises:
            ValueError: The generator was trained without tags, or does not know one of these, or no training face had
                one.
        """
        import numpy as np

        return np.concatenate(
            [images for _, images in self.images_in_batches(seeds, tags, batch, allow_untrained_tags)]
        )

    def truncated(self, psi: float) -> "Generator":
        """This generator with its styles pulled towards their mean: less variety, fewer broken avatars.

        Args:
            psi: 1 changes nothing, 0 draws the mean avatar of the tags; see section B of arXiv 1812.04948.

        Raises:
            ValueError: The network has no styles: it is not a StyleGAN2, or it is a SavedModel.
        """
        from tfanime.models.stylegan2 import has_styles

        if not self.network or not has_styles(self.network):
            raise ValueError(f"psi must be 1 for a generator without styles, which StyleGAN2 has. Received: {psi}")
        return drawing(self.network, self.inputs, self.card, self.licence, psi)

    def images_in_batches(
        self, seeds: Sequence[int], tags: str = "", batch: int = 64, allow_untrained_tags: bool = False
    ) -> "Iterator[tuple[Sequence[int], np.ndarray]]":
        """Like `images`, for long lists.

        Yields:
            `(seeds, images)`: at most `batch` seeds and their avatars, uint8 `[len(seeds), height, width, 3]`.
        """
        import numpy as np

        if tags and not self.vocabulary:
            raise ValueError(f"tags must be left out for a generator that was trained without. Received: {tags!r}")
        wanted = [self.vocabulary.wanted(tags, allow_untrained_tags)] if self.vocabulary else []
        for begin in range(0, len(seeds), batch):
            part = seeds[begin : begin + batch]
            rows = (np.tile(row, (len(part), 1)) for row in wanted)
            yield part, np.asarray(self._draw(np.asarray(part, np.int64), *rows))


def drawing(network, inputs, provenance, licence=LICENCE, psi=1.0):
    """The `Generator` of a network.

    Args:
        network: The `keras.Model`.
        inputs: Its `tfanime.inputs.Inputs`.
        provenance: The `card` of the `Generator`. licence: See `Generator`.
        psi: See `Generator.truncated`.
    """
    import tensorflow as tf

    from tfanime.images import to_uint8
    from tfanime.models.stylegan2 import draw_truncated

    @tf.function(input_signature=inputs.seed_specs)
    def draw(seeds, *wanted):
        given = inputs.from_seeds(seeds, *wanted)
        return to_uint8(network(given, training=False) if psi == 1.0 else draw_truncated(network, given, psi))

    return Generator(draw, inputs.vocabulary, network, inputs.latents, provenance, licence=licence)
