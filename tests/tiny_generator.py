"""A SavedModel of the form that `tfanime.export` writes, with a network that takes no time to make or run."""

import tensorflow as tf

from tfanime.images import to_uint8
from tfanime.latents import Latents

SIZE = 8  # of the latents
HEIGHT, WIDTH = 8, 6  # unequal, so that a swap shows


class TinyGenerator(tf.Module):
    def __init__(self, seed):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([SIZE, HEIGHT * WIDTH * 3], [seed, 0]))

    def draw(self, latents):
        return to_uint8(tf.tanh(tf.reshape(latents @ self.kernel, [-1, HEIGHT, WIDTH, 3])))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="seed")])
    def images(self, seed):
        return {"images": self.draw(Latents(SIZE).from_seeds(seed))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="seed")])
    def generate(self, seed):
        images = self.draw(Latents(SIZE).from_seeds(seed))
        return {"image_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    @tf.function(input_signature=[tf.TensorSpec([None, SIZE], tf.float32, name="latents")])
    def synthesize(self, latents):
        return {"images": self.draw(latents)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64, name="seed_a"), tf.TensorSpec([None], tf.float32, name="t")]
    )
    def two_inputs(self, seed_a, t):
        return {"first": tf.cast(seed_a, tf.float32) + t, "second": t}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="loops")])
    def slow(self, loops):
        """Takes time in proportion to the largest of `loops`, and gives `loops` back."""
        matrix = tf.while_loop(
            lambda index, _: index < tf.reduce_max(loops),
            lambda index, matrix: (index + 1, tf.linalg.l2_normalize(matrix @ matrix)),
            [tf.constant(0, tf.int64), tf.eye(128)],
        )[1]
        return {"loops": loops + tf.cast(tf.reduce_sum(matrix) * 0, tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="file")])
    def held(self, file):
        """Waits until one of the files is there, and gives its name back."""
        tries = tf.while_loop(
            lambda tries: tf.equal(tf.size(tf.io.matching_files(file)), 0), lambda tries: (tries + 1,), [0]
        )
        with tf.control_dependencies(tries):
            return {"found": tf.io.matching_files(file)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="index")])
    def failing(self, index):
        return {"row": tf.gather(self.kernel, index)}


def save(folder, seed=1):
    """Writes the SavedModel to `folder`."""
    module = TinyGenerator(seed)
    signatures = {
        name: getattr(module, name).get_concrete_function()
        for name in ("images", "generate", "synthesize", "two_inputs", "slow", "held", "failing")
    }
    signatures["serving_default"] = signatures["generate"]
    tf.saved_model.save(module, str(folder), signatures=signatures)
