from math import exp, log, log1p

import numpy as np
import pytest
import tensorflow as tf

from tfanime.tag_sampling import TagSampler
from tfanime.tags import JIN34, TagGroup, TagVocabulary
from tfanime.training.replicas import mean_over_replicas
from tfanime.training.tag_losses import FORMS, tag_accuracy, tag_loss

SMALL = TagVocabulary(
    "small",
    (
        TagGroup("hair", ("red_hair", "blue_hair", "green_hair"), exclusive=True),
        TagGroup("dress", ("hat", "glasses"), exclusive=False),
    ),
)
LOGITS = np.float32([2.0, -1.0, 0.5, -3.0, 1.0])


def sigmoid(value):
    return 1 / (1 + exp(-value))


def losses(rows, logits=LOGITS, vocabulary=SMALL, **options):
    rows = np.int8(rows)
    return tag_loss(vocabulary, rows, np.broadcast_to(logits, rows.shape), **options).numpy()


def plain(vocabulary, tags, logits, exclusive):
    """The loss of each face and its gradient by the logits, tag by tag in float64."""
    values, gradients = np.zeros(len(tags)), np.zeros(logits.shape)
    for face, (row, scores) in enumerate(zip(tags, logits.astype(np.float64), strict=True)):
        position = 0
        for group in vocabulary.groups:
            places = range(position, position + len(group.tags))
            position = places.stop
            if group.exclusive and exclusive == "softmax":
                holding = [place for place in places if row[place] == 1]
                if len(holding) == 1:
                    shares = np.exp(scores[places]) / np.exp(scores[places]).sum()
                    gradients[face, places] = shares
                    gradients[face, holding] -= 1
                    values[face] -= np.log(shares[holding[0] - places.start])
                continue
            for place in places:
                if row[place] == 0:
                    continue
                target, probability = (row[place] + 1) / 2, sigmoid(scores[place])
                values[face] -= target * log(probability) + (1 - target) * log(1 - probability)
                gradients[face, place] = probability - target
    return values, gradients


def drawn(vocabulary, count, seed=0):
    return TagSampler(vocabulary).batch(count, seed, 0).numpy().astype(np.int8)


def faces(vocabulary, count, seed=0):
    """Tags and logits of faces, with everything a data set has: unknown values, several candidates, no tag at all."""
    random = np.random.default_rng(seed)
    tags = drawn(vocabulary, count, seed)
    tags[random.random(tags.shape) < 0.2] = 0
    tags[random.random(tags.shape) < 0.05] = 1
    tags[0], tags[1] = 0, -1
    return tags, random.normal(0, 3, tags.shape).astype(np.float32)


def test_tag_loss_sigmoid_equals_hand_computation():
    expected = -(log(sigmoid(2)) + log(1 - sigmoid(-1)) + log(1 - sigmoid(0.5)) + log(sigmoid(-3)) + log(sigmoid(-1)))
    np.testing.assert_allclose(losses([[1, -1, -1, 1, -1]]), [expected], rtol=1e-6)
    # A classifier that cannot tell pays log 2 a tag: a sum over tags, which is what the weight 34 balances.
    tags = drawn(JIN34, 3)
    np.testing.assert_allclose(losses(tags, np.zeros(34), JIN34), [34 * log(2)] * 3, rtol=1e-6)


def test_tag_loss_softmax_equals_hand_computation():
    others = -log(sigmoid(-3)) - log(sigmoid(-1))
    total = exp(2) + exp(-1) + exp(0.5)
    value = losses([[1, -1, -1, 1, -1], [-1, -1, 1, 1, -1]], exclusive="softmax")
    np.testing.assert_allclose(value, [others - log(exp(2) / total), others - log(exp(0.5) / total)], rtol=1e-6)
    tags = drawn(JIN34, 3)  # 13 hair colours, 10 eye colours, 11 independent tags
    value = losses(tags, np.zeros(34), JIN34, exclusive="softmax")
    np.testing.assert_allclose(value, [log(13) + log(10) + 11 * log(2)] * 3, rtol=1e-6)


def test_tag_loss_ignores_unknown_tags():
    np.testing.assert_array_equal(losses([[0] * 5]), [0])
    np.testing.assert_array_equal(losses([[0] * 5], exclusive="softmax"), [0])
    for form in FORMS:
        value = losses([[0, 0, 0, 1, 0]], exclusive=form)
        np.testing.assert_allclose(value, [-log(sigmoid(-3))], rtol=1e-6)
    # Red or blue, but not green: the sigmoid form learns the latter, the softmax form nothing.
    np.testing.assert_allclose(losses([[0, 0, -1, 0, 0]]), [log1p(exp(0.5))], rtol=1e-6)
    np.testing.assert_array_equal(losses([[0, 0, -1, 0, 0]], exclusive="softmax"), [0])
    # No colour at all, or two of them, are none of the softmax form's answers.
    np.testing.assert_array_equal(losses([[-1, -1, -1, 0, 0], [1, 1, -1, 0, 0]], exclusive="softmax"), [0, 0])
    # One colour is enough of an answer, whatever is known of the others.
    total = exp(2) + exp(-1) + exp(0.5)
    np.testing.assert_allclose(losses([[0, 1, 0, 0, 0]], exclusive="softmax"), [1 + log(total)], rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("vocabulary", [SMALL, JIN34], ids=["small", "jin34"])
def test_tag_loss_and_gradients_equal_a_plain_transcription(form, vocabulary):
    tags, logits = faces(vocabulary, 40)
    values, gradients = plain(vocabulary, tags, logits, form)
    assert (gradients == 0).any() and (np.abs(gradients) > 0.1).any() and values[0] == 0
    watched = tf.constant(logits)
    for kind in (np.int8, np.float32, np.int64):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss = tag_loss(vocabulary, tags.astype(kind), watched, exclusive=form)
        assert loss.shape == (40,)
        np.testing.assert_allclose(loss, values, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(tape.gradient(loss, watched), gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_tag_loss_computes_in_float32(form):
    tags, logits = faces(JIN34, 20)
    rounded = tf.cast(logits, tf.bfloat16)
    value = tag_loss(JIN34, tags, rounded, exclusive=form)
    assert value.dtype == tf.float32
    # To the precision of float32, and not of bfloat16, of the same rounded logits.
    expected, _ = plain(JIN34, tags, tf.cast(rounded, tf.float32).numpy(), form)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    accuracy = tag_accuracy(JIN34, tags, rounded)
    assert accuracy.dtype == tf.float32
    assert float(accuracy) == float(tag_accuracy(JIN34, tags, tf.cast(rounded, tf.float32)))


@pytest.mark.parametrize("form", FORMS)
def test_tag_loss_of_extreme_logits_is_finite(form):
    tags, logits = faces(JIN34, 20)
    logits = tf.constant(1e4 * np.sign(logits))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tag_loss(JIN34, tags, logits, exclusive=form)
    assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, logits)).all() and np.max(loss) >= 1e4


@pytest.mark.parametrize("form", FORMS)
def test_tag_loss_takes_batches_of_any_size_in_a_graph(form):
    signature = [tf.TensorSpec([None, 5], tf.int8), tf.TensorSpec([None, 5])]

    @tf.function(input_signature=signature)
    def both(tags, logits):
        return tag_loss(SMALL, tags, logits, exclusive=form), tag_accuracy(SMALL, tags, logits)

    for count in (2, 7):
        tags, logits = faces(SMALL, count)
        loss, accuracy = both(tags, logits)
        np.testing.assert_allclose(loss, plain(SMALL, tags, logits, form)[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(accuracy, tag_accuracy(SMALL, tags, logits))


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([[1, -1, -1, -1, 1]], 1),  # red hair, no hat, glasses, as the logits say
        ([[-1, 1, -1, -1, 1]], 2 / 3),  # the colour is one question,
        ([[-1, 1, -1, 1, -1]], 0),
        ([[1, 0, 0, 0, 0]], 1),  # known by its one tag;
        ([[0, 0, -1, -1, -1]], 1 / 2),  # several candidates are no question
        ([[-1, -1, -1, 0, 1], [-1, 1, 1, 0, 1]], 1),  # and neither are none or two.
        ([[1, -1, -1, 0, 0], [0, 0, 0, 1, -1]], 1 / 3),  # a share of all questions, not a mean of shares
        ([[0, 0, 0, 0, 0]], 0),  # nothing is known: a number, because a log that is none stops the run
    ],
)
def test_tag_accuracy_counts_known_tags(rows, share):
    rows = np.int8(rows)
    value = tag_accuracy(SMALL, rows, np.broadcast_to(LOGITS, rows.shape))
    assert value.shape == ()
    np.testing.assert_allclose(value, share, rtol=1e-6)


def test_tag_accuracy_of_two_devices_equals_one(two_devices):
    tags, logits = faces(SMALL, 8)
    # The first device knows little, and is wrong; the second is right: a mean of shares would be another number.
    tags[:3], tags[3] = 0, [1, -1, -1, 1, -1]
    logits = np.float32(np.where(np.arange(8)[:, None] < 4, -tags, tags))
    parts = [(tags[:4], logits[:4]), (tags[4:], logits[4:])]
    shares = [float(tag_accuracy(SMALL, *part)) for part in parts]
    expected = float(tag_accuracy(SMALL, tags, logits))
    assert abs(np.mean(shares) - expected) > 0.01

    def part(index):
        return two_devices.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group][index])
        )

    values = two_devices.run(
        tf.function(lambda tags, logits: tag_accuracy(SMALL, tags, logits)), args=(part(0), part(1))
    )
    np.testing.assert_allclose(two_devices.experimental_local_results(values), [expected] * 2, rtol=1e-6)


def test_mean_over_replicas_of_one_device_is_the_value(two_devices):
    assert float(mean_over_replicas(tf.constant(3.0))) == 3
    with two_devices.scope():  # before and after `run`
        assert float(mean_over_replicas(tf.constant(3.0))) == 3


def test_tag_loss_refuses_bad_arguments():
    tags, logits = faces(SMALL, 4)
    with pytest.raises(ValueError, match=r"exclusive must be one of \('sigmoid', 'softmax'\). Received: 'hinge'"):
        tag_loss(SMALL, tags, logits, exclusive="hinge")
    for function in (tag_loss, tag_accuracy):
        with pytest.raises(ValueError, match=r"tags must be \[batch, 34\] for vocabulary 'jin34'. .* \(4, 5\)"):
            function(JIN34, tags, logits)
        with pytest.raises(ValueError, match=r"tag_logits must be \[batch, 5\] .* Received: shape \(4, 1\)"):
            function(SMALL, tags, logits[:, :1])
        with pytest.raises(ValueError, match=r"must have the same shape. Received: \(4, 5\) and \(3, 5\)"):
            function(SMALL, tags, logits[:3])
