import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfanime.tagger.network import tagger
from tfanime.tags import TagGroup, TagVocabulary
from tfanime.training.tag_classifier import TagClassifier, log_frequencies

VOCABULARY = TagVocabulary(
    "small", (TagGroup("colour", ("red", "green"), exclusive=True), TagGroup("more", ("hat",), exclusive=False))
)
FREQUENT = TagVocabulary("small", VOCABULARY.groups, priors={"red": 0.75, "green": 0.25, "hat": 0.1})
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 2, 2, 3)).astype(np.float32)
TAGS = np.array([[1, -1, 1], [-1, 1, 0], [0, 0, -1], [0, 0, 0]], np.float32)


def network(tags=3):
    images = layers.Input((2, 2, 3))
    features = layers.Flatten()(images)
    head = layers.Dense(tags, kernel_initializer="zeros", bias_initializer="zeros")
    return keras.Model(images, (features, head(features)))


def classifier(vocabulary=VOCABULARY, balance=0.0, rate=1.0):
    model = TagClassifier(network(), vocabulary, balance)
    model.compile(keras.optimizers.SGD(rate))
    return model


def step(model, images=IMAGES, tags=TAGS):
    return {name: float(value) for name, value in model.train_step((tf.constant(images), tf.constant(tags))).items()}


def test_tag_classifier_step_equals_hand_computation():
    model = classifier()
    logs = step(model)
    # zero logits: log 2 for each of the two faces with a known colour, and for each of the two known hats
    assert logs["loss"] == pytest.approx(4 * np.log(2) / 4)
    assert logs["accuracy"] == pytest.approx(2 / 4)  # the first colour, the missing hat
    assert logs["learning_rate"] == 1.0
    # d loss / d logits: softmax minus the truth, the logistic function minus the truth, over the batch
    expected = np.array([[-0.5, 0.5, -0.5], [0.5, -0.5, 0], [0, 0, 0.5], [0, 0, 0]]) / 4
    kernel, bias = (weight.numpy() for weight in model.network.trainable_weights)
    flat = IMAGES.reshape(4, -1)
    np.testing.assert_allclose(kernel, -flat.T @ expected, atol=1e-6)
    np.testing.assert_allclose(bias, -expected.sum(axis=0), atol=1e-6)
    norm = np.sqrt(np.sum((flat.T @ expected) ** 2) + np.sum(expected.sum(axis=0) ** 2))
    assert logs["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert model.step == 1 and model.optimizers == (model.tag_optimizer,)


def test_balance_removes_the_effect_of_frequencies():
    red = np.log(0.75)
    np.testing.assert_allclose(log_frequencies(FREQUENT), [red, np.log(0.25), 0])
    loss = step(classifier(FREQUENT, 1.0))["loss"]
    # with offsets log p the first guess is the frequency itself
    assert loss == pytest.approx((-red - np.log(0.25) + 2 * np.log(2)) / 4, rel=1e-6)
    assert step(classifier(FREQUENT, 0.0))["loss"] == pytest.approx(np.log(2), rel=1e-6)


def test_balance_makes_uninformative_faces_neutral():
    images, tags = np.zeros((8, 2, 2, 3), np.float32), np.tile(np.float32([-1, 1, 0]), (8, 1))
    tags[:6, :2] = 1, -1  # three reds to one green
    for balance, difference in ((0.0, np.log(3)), (0.5, np.log(3) / 2), (1.0, 0.0)):
        model = classifier(FREQUENT, balance, rate=2.0)
        for _ in range(15):
            step(model, images, tags)
        logits = model(images[:1])[1].numpy()[0]
        assert logits[0] - logits[1] == pytest.approx(difference, abs=1e-3)


def test_log_frequencies_of_unseen_tags_are_a_tenth_of_the_rarest():
    rare = TagVocabulary("small", VOCABULARY.groups, priors={"red": 1.0, "green": 0.0})
    np.testing.assert_allclose(log_frequencies(rare), [np.log(10 / 11), np.log(1 / 11), 0])
    assert not log_frequencies(VOCABULARY).any()


def test_tag_classifier_fit_learns_and_call_is_inference():
    model = TagClassifier(
        keras.Model(
            images := layers.Input((2, 2, 3)),
            (x := layers.Flatten()(layers.BatchNormalization(momentum=0.5)(images)), layers.Dense(3)(x)),
        ),
        VOCABULARY,
    )
    model.compile(keras.optimizers.Adam(0.1))
    history = model.fit(tf.data.Dataset.from_tensors((IMAGES, TAGS)).repeat(), steps_per_epoch=60, verbose=0).history
    assert model.step == 60 and history["accuracy"][-1] == 1.0
    assert np.array_equal(model(IMAGES)[1], model(IMAGES)[1])
    np.testing.assert_allclose(model(IMAGES[:1])[1], model(IMAGES)[1][:1], rtol=1e-5)


@pytest.mark.slow
def test_tag_classifier_on_two_devices_equals_one(two_devices):
    random = np.random.default_rng(1)
    images = random.uniform(-1, 1, (3, 8, 8, 8, 3)).astype(np.float32)
    tags = random.integers(-1, 2, (3, 8, 3)).astype(np.float32)

    def trained():
        keras.utils.set_random_seed(4)
        model = TagClassifier(tagger(3, image_size=8, channels=(2, 4)), FREQUENT, 0.5)
        model.compile(keras.optimizers.SGD(0.5))
        initial = [weight.numpy() for weight in model.network.weights]
        dataset = tf.data.Dataset.from_tensor_slices((images, tags))
        history = model.fit(dataset.repeat(), epochs=3, steps_per_epoch=1, shuffle=False, verbose=0).history
        return model.network.weights, history, initial

    one, logs, initial = trained()
    with two_devices.scope():
        two, logs_of_two, _ = trained()
    for weight, other, first in zip(one, two, initial, strict=True):
        np.testing.assert_allclose(other.numpy(), weight.numpy(), rtol=1e-3, atol=1e-5, err_msg=weight.path)
        assert np.abs(weight.numpy() - first).max() > 1e-4, weight.path
    assert set(logs) == {*logs_of_two, "gradient_norm"}
    for name, values in logs_of_two.items():
        np.testing.assert_allclose(values, logs[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_tag_classifier_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"a logit for each of the 3 tags of vocabulary 'small'. Received: 2"):
        TagClassifier(network(2), VOCABULARY)
    with pytest.raises(ValueError, match=r"balance must be from 0 to 1. Received: 1.5"):
        TagClassifier(network(), VOCABULARY, 1.5)
    with pytest.raises(ValueError, match="network must be built"):
        TagClassifier(keras.Sequential([layers.Dense(3)]), VOCABULARY)
