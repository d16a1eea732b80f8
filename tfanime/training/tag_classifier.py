"""A network that learns to predict tags, as a Keras model for `fit`."""

import keras
import numpy as np
import tensorflow as tf

from tfanime.training.game import Game
from tfanime.training.tag_losses import tag_accuracy, tag_loss


class TagClassifier(Game):
    """Trains a network of tags by `tag_loss`, exclusive groups by softmax and independent tags by sigmoid.

    Unknown tags (0) have no loss. An exclusive group counts where exactly one of its tags is known to hold; pictures
    with several are ignored there.

    It is a `Game` of one player; see there for resuming and several devices.

    Args:
        network: Built `keras.Model`, pictures `[batch, height, width, 3]` -> (features, tag logits
            `[batch, len(vocabulary)]`), such as `tfanime.tagger.network.tagger`.
        vocabulary: The `tfanime.tags.TagVocabulary`. Its priors, if it has any, are used as the tags' frequencies
            (`TagVocabulary.with_frequencies`).
        balance: Strength of the logit adjustment in exclusive groups, from 0 (none) to 1 (as if all tags were equally
            frequent): while learning, `balance` times the logarithm of a tag's frequency is added to its logit (Menon
            et al. 2021, arXiv 2007.07314, equation 10).

    Raises:
        ValueError: The network is not built, gives another number of tags, or `balance` is out of its range.
    """

    def __init__(self, network, vocabulary, balance=0.0, **kwargs):
        super().__init__(**kwargs)
        if not network.built:
            raise ValueError(f"network must be built: call it once, or give it an Input. Received: {network}")
        if network.output_shape[1][-1] != len(vocabulary):
            raise ValueError(
                f"network must give a logit for each of the {len(vocabulary)} tags of vocabulary {vocabulary.name!r}. "
                f"Received: {network.output_shape[1][-1]}"
            )
        if not 0 <= balance <= 1:
            raise ValueError(f"balance must be from 0 to 1. Received: {balance}")
        self.network = network
        self.vocabulary = vocabulary
        self.offsets = (balance * log_frequencies(vocabulary)).astype(np.float32)  # [tags]

    def compile(self, tag_optimizer, **kwargs):
        """Sets the optimizer.

        Args:
            tag_optimizer: A Keras optimizer.
            **kwargs: For `Game.set_players`: `gradient_clip`, `jit_compile`, `run_eagerly`.
        """
        self.set_players({"tag": (self.network, tag_optimizer)}, **kwargs)

    def call(self, images):
        """Features and tag logits of pictures, in inference mode."""
        return self.network(images, training=False)

    def train_step(self, data):
        """One update.

        Args:
            data: Pairs of pictures, float32 in [-1, 1] `[batch, height, width, 3]`, and tags (+1, -1, 0 for unknown)
                `[batch, len(vocabulary)]`.

        Returns:
            Scalars by name: the loss (in nats, summed over groups and independent tags, without weight decay), the
            accuracy over known tags, the learning rate of this update and, on one device, the gradients' norm (on
            several devices it would need communication).
        """
        images, tags, _ = keras.utils.unpack_x_y_sample_weight(data)
        learning_rate = tf.identity(tf.convert_to_tensor(self.tag_optimizer.learning_rate))
        with tf.GradientTape() as tape:
            _, tag_logits = self.network(images, training=True)
            losses = tag_loss(self.vocabulary, tags, tag_logits + self.offsets, "softmax")
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        return self.as_logs(
            {
                "loss": loss,
                "accuracy": tag_accuracy(self.vocabulary, tags, tag_logits),
                "learning_rate": learning_rate,
                "gradient_norm": self.update(self.network, self.tag_optimizer, gradients),
            }
        )


def log_frequencies(vocabulary):
    """The logarithm of each tag's prior within its exclusive group; 0 for independent tags, or where none is known.

    Args:
        vocabulary: A `tfanime.tags.TagVocabulary`.

    Returns:
        float64 array `[len(vocabulary)]`.
    """
    offsets = np.zeros(len(vocabulary))
    for group, where in vocabulary.slices:
        if not group.exclusive:
            continue
        priors = np.array([vocabulary.priors.get(tag, 0.0) for tag in group.tags])
        if priors.any():
            # A tag that no face has would have a logarithm of minus infinity; it counts as ten times rarer than the
            # rarest.
            priors[priors == 0] = priors[priors > 0].min() / 10
            offsets[where] = np.log(priors / priors.sum())
    return offsets
