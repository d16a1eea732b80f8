"""The signatures of an exported model, and their functions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Endpoint:
    """One signature of an export. The batch is the first dimension of every input and output.

    Args:
        function: Tensors, in the order of `inputs` -> a dictionary of the one output.
        inputs: The `tf.TensorSpec`s that it takes; their names are those in requests.
        output: The output's name. One that ends in `_bytes` becomes base64 in TF Serving's REST answers.
        form: Type and shape of the output, for the model card.
    """

    function: Callable
    inputs: tuple[Any, ...]
    output: str
    form: str

    def to_json(self):
        """The signature as a plain dictionary, for the model card."""
        inputs = {spec.name: f"{spec.dtype.name} {_shape(spec.shape)}" for spec in self.inputs}
        return {"inputs": inputs, "outputs": {self.output: self.form}}


def endpoints(generator):
    """The signatures of a generator.

    Args:
        generator: A `tfanime.generator.Generator` or `PictureNetwork` with its network.

    Returns:
        A dictionary from name to `Endpoint`; the first one is the default.
    """
    return _of_seeds(generator) if generator.kind == "seeds" else _of_pictures(generator)


def _of_seeds(generator):
    import tensorflow as tf

    from tfanime.export.styles import style_endpoints
    from tfanime.images import to_uint8
    from tfanime.models.stylegan2 import has_styles

    network, inputs = generator.network, generator.inputs
    height, width = network.output_shape[1:3]

    def draw(*parts):
        return to_uint8(network(inputs.of(*parts), training=False))

    def draw_seeds(seed, wanted=None):
        return to_uint8(network(inputs.from_seeds(seed, wanted), training=False))

    def encoded(images):
        return {"image_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    def between(seed_a, seed_b, t):
        t = tf.where(t > 0.0, tf.minimum(t, 1.0), 0.0)  # NaN counts as 0
        way = inputs.between(inputs.from_seeds(seed_a), inputs.from_seeds(seed_b), t)
        return to_uint8(network(way, training=False))

    def vector(name, dtype):
        return tf.TensorSpec([None], dtype, name=name)

    seed, *wanted = inputs.seed_specs
    way = (vector("seed_a", tf.int64), vector("seed_b", tf.int64), vector("t", tf.float32))

    def pngs(function, *inputs):
        return Endpoint(lambda *given: encoded(function(*given)), inputs, "image_bytes", "string [batch], a PNG each")

    def pixels(function, *inputs):
        form = f"uint8 [batch, {height}, {width}, 3]"
        return Endpoint(lambda *given: {"images": function(*given)}, inputs, "images", form)

    found = {
        "generate": pngs(draw_seeds, seed),
        "images": pixels(draw_seeds, seed),
        "synthesize": pixels(draw, *inputs.specs),
        "interpolate": pngs(between, *way),
    }
    if wanted:
        found["generate_with_tags"] = pngs(draw_seeds, seed, *wanted)
        found["images_with_tags"] = pixels(draw_seeds, seed, *wanted)
    if has_styles(network):
        found |= style_endpoints(generator, pngs, pixels, Endpoint)
    return found


def _of_pictures(generator):
    import tensorflow as tf

    from tfanime.generator.pictures import MOST_AT_ONCE

    form, network = generator.form, generator.network

    def drawn(pictures):  # what is sent may be of any size, and a request of a few bytes can stand for gigabytes
        size, most = tf.size(pictures, tf.int64), tf.constant(3 * MOST_AT_ONCE, tf.int64)
        text = f"pictures must have at most {MOST_AT_ONCE} pixels together"
        with tf.control_dependencies([tf.debugging.assert_less_equal(size, most, text)]):
            return form.through(network, tf.identity(pictures))

    def through(pictures):
        return {"images": drawn(pictures)}

    def one(file):
        picture = tf.io.decode_image(file, channels=3, expand_animations=False)
        return tf.io.encode_png(drawn(tf.reshape(picture, [1, *_height_and_width(picture), 3]))[0])

    def files(picture_bytes):  # one after another, because each may be of a size of its own
        return {"image_bytes": tf.map_fn(one, picture_bytes, fn_output_signature=tf.string)}

    sides = "height, width" if form.scale == 1 else f"{form.scale} height, {form.scale} width"
    pixels = tf.TensorSpec([None, None, None, 3], tf.uint8, name="pictures")
    encoded = tf.TensorSpec([None], tf.string, name="picture_bytes")
    return {
        form.kind: Endpoint(through, (pixels,), "images", f"uint8 [batch, {sides}, 3]"),
        f"{form.kind}_png": Endpoint(files, (encoded,), "image_bytes", "string [batch], a PNG each"),
    }


def _height_and_width(picture):
    import tensorflow as tf

    return tf.unstack(tf.shape(picture)[:2])


def card_endpoint(card):
    """The signature `model_card`, by which a client learns the tags of a model from any server of TF Serving's
    protocol, none of which hands out the files of a SavedModel.

    Args:
        card: The model card, a dictionary; its `"signatures"` get this one too.

    Returns:
        An `Endpoint`: a seed, which decides nothing -> the card's JSON.
    """
    import tensorflow as tf

    def repeated(seed):
        return {"model_card": tf.repeat(tf.constant([text]), tf.shape(seed)[0])}

    seed = tf.TensorSpec([None], tf.int64, name="seed")
    endpoint = Endpoint(repeated, (seed,), "model_card", "string [batch], the same JSON in each")
    card["signatures"]["model_card"] = endpoint.to_json()
    text = json.dumps(card)
    return endpoint


def _shape(shape):
    return f"[{', '.join(['batch', *map(str, shape[1:])])}]"
