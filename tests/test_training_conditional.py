"""Games whose discriminator is shown tags: what is hidden, wrong tags, and whole updates."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks
from keras import layers
from tiny_networks import VOCABULARY

from tfanime.tag_sampling import TagSampler
from tfanime.training import GAN, Term
from tfanime.training.tag_losses import shown
from tfanime.training.terms import Mismatched, Sight, r1, r2

RATE, WRONG, GAMMA = 0.1, 0.5, 3.0
TAGS = [
    [1, -1, -1, 1, -1],  # all known
    [1, 1, -1, 0, 1],  # two colours: none is known
    [0, 0, -1, -1, 0],  # two candidates
    [-1, 0, 1, 0, 0],  # blue
    [-1, -1, -1, 1, 1],  # no colour
    [0, 0, 0, 0, 0],
]


def discriminator(head=True):
    """[pictures, tags] -> logits, or (logits, tag logits): a product of features and tags, and more."""
    images, tags = layers.Input((4, 4, 3)), layers.Input((5,))
    make = keras.initializers.GlorotNormal
    x = layers.Activation("softplus")(layers.Conv2D(6, 3, strides=2, kernel_initializer=make(3))(images))
    x = layers.Flatten()(x)
    seen = layers.Dense(x.shape[-1], kernel_initializer=make(4))(tags)
    logits = layers.Dense(1, kernel_initializer=make(5))(layers.Add()([layers.Multiply()([x, seen]), x]))
    logits = layers.Reshape(())(logits)
    outputs = (logits, layers.Dense(5, kernel_initializer=make(6))(x)) if head else logits
    return keras.Model([images, tags], outputs)


def build(head=True, terms=(), loss="non_saturating", **rules):
    gan = GAN(tiny_networks.generator(tags=5), discriminator(head), vocabulary=VOCABULARY, seed=7)
    gan.compile(keras.optimizers.SGD(RATE), keras.optimizers.SGD(RATE), loss, terms, **rules)
    return gan


def train(gan, images, tags):
    data = tf.data.Dataset.from_tensor_slices((images, tags)).repeat()
    return gan.fit(data, epochs=len(images), steps_per_epoch=1, shuffle=False, verbose=0).history


def shown_by_hand(tags):
    tags = np.array(tags, np.float32)
    mask = (tags != 0).astype(np.float32)
    mask[:, :3] = (tags[:, :3] == 1).sum(axis=1, keepdims=True) == 1
    return mask


def test_shown_hides_unknown_tags():
    mask = shown(VOCABULARY, tf.constant(TAGS, tf.float32)).numpy()
    expected = [[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1], [0] * 5]
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(mask, shown_by_hand(TAGS))


def test_mismatched_draws_another_tag_of_the_group():
    two = replace(VOCABULARY, groups=(*VOCABULARY.groups, replace(VOCABULARY.groups[0], name="b", tags=("x", "y"))))
    tags = np.tile([-1, 1, -1, 1, 0, 0, 0], (4000, 1)).astype(np.float32)  # of the second group nothing is known
    tags[::2, 5:] = 1, -1
    uniform = np.random.default_rng(0).random((4000, 2)).astype(np.float32)
    wrong, weights = (each.numpy() for each in Mismatched(two).wrong(tf.constant(tags), tf.constant(uniform)))
    changed = (wrong != tags).any(axis=1)
    np.testing.assert_array_equal(weights, changed)
    assert abs(weights[::2].mean() - 1) < 1e-6 and abs(weights[1::2].mean() - 0.5) < 0.05
    np.testing.assert_array_equal(wrong[:, 3:5], tags[:, 3:5])
    colours = wrong[uniform[:, 0] < 0.5]
    assert set(map(tuple, colours[:, :3])) == {(1, -1, -1), (-1, -1, 1)}
    assert abs((colours[:, 0] == 1).mean() - 0.5) < 0.05
    other = wrong[::2][uniform[::2, 0] >= 0.5]
    np.testing.assert_array_equal(other[:, 5:], np.tile([-1, 1], (len(other), 1)))
    with pytest.raises(ValueError, match=r"an exclusive group of two tags. Received: 'tiny'"):
        Mismatched(replace(VOCABULARY, groups=VOCABULARY.groups[1:]))


def test_r2_uses_the_tags_of_fakes():
    asked = {}

    def logits_of(images, tags="those of the reals"):
        asked[float(images[0, 0, 0, 0])] = tags
        return tf.reduce_sum(images, axis=(1, 2, 3))

    sight = Sight(
        reals=tf.ones((1, 2, 2, 3)), fakes=tf.zeros((1, 2, 2, 3)), logits_of=logits_of, fake_tags="those of fakes"
    )
    r1(sight), r2(sight)
    assert asked == {1.0: "those of the reals", 0.0: "those of fakes"}


@pytest.mark.parametrize(("head", "shared"), [(True, False), (False, True)])
def test_conditional_updates_equal_a_plain_transcription(head, shared):
    images, tags = tiny_networks.pictures(3, 6), np.stack([TAGS, TAGS[::-1], TAGS]).astype(np.float32)
    terms = [Term(Mismatched(VOCABULARY), "discriminator", WRONG), Term(r1, "discriminator", GAMMA)]
    gan = build(head, terms, exclusive_tags="softmax", tag_loss_on="reals", tag_weight=0.3, shared_tags=shared)
    player, opponent = tiny_networks.generator(tags=5), discriminator(head)
    sampler = TagSampler(VOCABULARY)

    def logits_of(images, tags):
        outputs = opponent([images, tf.convert_to_tensor(tags)])
        return outputs if head else (outputs, None)

    def tag_loss(tags, logits):
        if not head:
            return 0.0
        known = shown_by_hand(tags)
        cross = -tf.reduce_sum(tf.where(tags[:, :3] > 0, tf.nn.log_softmax(logits[:, :3]), 0.0), axis=1) * known[:, 0]
        rest = tf.reduce_sum(known[:, 3:] * tf.nn.softplus(-tags[:, 3:] * logits[:, 3:]), axis=1)
        return 0.3 * tf.reduce_mean(cross + rest)

    def descend(tape, loss, weights):
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            if gradient is not None:
                weight.assign(weight - RATE * gradient)

    for step in range(3):
        real, known = tf.constant(images[step]), tags[step]
        latents = tf.random.stateless_normal([6, 3], [7, step], alg="philox")
        fake_tags = sampler.from_uniform(sampler.uniform(6, 7, step), known if shared else None)
        mask = shown_by_hand(known)
        uniform = gan.draws(6, step)("wrong tags", (2,)).numpy()
        wrong = mask * known
        for row in range(6):
            if mask[row, 0]:
                new = (wrong[row, :3].argmax() + 1 + int(uniform[row, 1] * 2)) % 3
                wrong[row, :3] = np.where(np.arange(3) == new, 1, -1)
        with tf.GradientTape() as tape:
            real_logits, real_tag_logits = logits_of(real, mask * known)
            fake_logits, _ = logits_of(player([latents, fake_tags]), mask * fake_tags)
            loss = tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))
            loss += tag_loss(known, real_tag_logits)
            loss += WRONG * tf.reduce_mean(mask[:, 0] * tf.nn.softplus(logits_of(real, wrong)[0]))
            with tf.GradientTape() as inner:
                inner.watch(real)
                logits = tf.reduce_sum(logits_of(real, mask * known)[0])
            loss += GAMMA / 2 * tf.reduce_mean(tf.reduce_sum(inner.gradient(logits, real) ** 2, axis=(1, 2, 3)))
        descend(tape, loss, opponent.trainable_weights)
        with tf.GradientTape() as tape:
            fake_logits, fake_tag_logits = logits_of(player([latents, fake_tags]), mask * fake_tags)
            loss = tf.reduce_mean(tf.nn.softplus(-fake_logits)) + tag_loss(fake_tags.numpy(), fake_tag_logits)
        descend(tape, loss, player.trainable_weights)
        if shared:
            assert (fake_tags.numpy()[known != 0] == known[known != 0]).all() and (fake_tags.numpy() != 0).all()
    logs = train(gan, images, tags)
    for network, other in ((gan.generator, player), (gan.discriminator, opponent)):
        for weight, expected in zip(network.weights, other.weights, strict=True):
            np.testing.assert_allclose(weight.numpy(), expected.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    assert "fake_tag_loss" not in logs and ("real_tag_loss" in logs) == head


@pytest.mark.parametrize("loss", ["non_saturating", pytest.param("relativistic", marks=pytest.mark.slow)])
def test_conditional_parts_and_devices_update_as_one(loss, two_devices):
    images, tags = tiny_networks.pictures(2, 8), tiny_networks.real_tags(2, 8)
    terms = [Term(Mismatched(VOCABULARY), "discriminator", WRONG), Term(r2, "discriminator", GAMMA, every=2)]

    def trained(accumulate=1):
        gan = build(False, terms, loss, accumulate=accumulate, shared_tags=True)
        return gan, train(gan, images, tags)

    one, logs = trained()
    parts, _ = trained(2)
    with two_devices.scope():
        two, logs_of_two = trained()
    for weight, other, of_parts in zip(one.weights, two.weights, parts.weights, strict=True):
        np.testing.assert_allclose(other.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
        np.testing.assert_allclose(of_parts.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    for name in logs_of_two:
        np.testing.assert_allclose(logs_of_two[name], logs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_conditional_options_that_conflict_are_refused():
    with pytest.raises(ValueError, match=r"tag_loss_on must be one of both, reals. Received: 'fakes'"):
        build(tag_loss_on="fakes")
    with pytest.raises(ValueError, match=r"discriminator must take the generator's pictures"):
        GAN(tiny_networks.generator(), discriminator(False))
    with pytest.raises(ValueError, match=r"and may take 5 tags beside them. Received"):
        images, tags = layers.Input((4, 4, 3)), layers.Input((4,))
        strange = keras.Model([images, tags], layers.Reshape(())(layers.Dense(1)(layers.Flatten()(images))))
        GAN(tiny_networks.generator(tags=5), strange, vocabulary=VOCABULARY)
