"""An exported generator for the page, which draws by the signatures of its SavedModel."""

import json

from tfanime.generator import Generator
from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.tags import TagVocabulary

NEEDED = ("images", "synthesize", "model_card")


class Exported(Generator):
    """A `tfanime.generator.Generator` without its network, which can still draw from latents, tags and noise.

    Args:
        signatures: The functions that `tfanime.export` wrote, by name.
        owner: The object that keeps their variables alive.

    Attributes:
        synthesize: Latents, tags and noise -> a dictionary of `images`, uint8 `[batch, height, width, 3]`.
        synthesize_function: Its `ConcreteFunction`, by keyword.
        has_styles: Whether it is a StyleGAN2, to which the length of latents means nothing.

    Raises:
        ValueError: A signature is missing: it is not a generator, or was exported by an older version.
    """

    def __init__(self, signatures, owner):
        import tensorflow as tf

        missing = [name for name in NEEDED if name not in signatures]
        if missing:
            raise ValueError(
                f"a model on the page must have the signatures {', '.join(NEEDED)}; export it again. "
                f"Received: one without {', '.join(missing)}"
            )
        seed = tf.constant([0], tf.int64)
        card = json.loads(signatures["model_card"](seed=seed)["model_card"][0].numpy())
        vocabulary = TagVocabulary.from_json(card["vocabulary"]) if card["vocabulary"] else None
        images = signatures["images_with_tags" if vocabulary else "images"]

        def draw(seeds, wanted=None):
            return images(seed=tf.constant(seeds), **({} if wanted is None else {"tags": tf.constant(wanted)}))[
                "images"
            ]

        latents = Latents(**card["latents"])
        super().__init__(draw, vocabulary, latents=latents, card=card.get("training"), licence=card["licence"])
        self.owner = owner
        self.has_styles = "synthesize_styles" in signatures
        self.synthesize_function = function = signatures["synthesize"]
        sizes = {name: spec.shape[1] for name, spec in function.structured_input_signature[1].items()}
        noise = [name for name in sizes if name not in ("latents", "tags")]
        self._inputs = Inputs(latents, vocabulary, tuple((name, sizes[name]) for name in noise))
        names = [spec.name for spec in self._inputs.specs]
        self.synthesize = lambda *values: function(**dict(zip(names, values, strict=True)))

    @property
    def inputs(self):
        """The `tfanime.inputs.Inputs` of `synthesize`."""
        return self._inputs
