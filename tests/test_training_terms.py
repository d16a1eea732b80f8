from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.training import Sight, Term
from tfanime.training.terms import LECAM_STATE, deviation, dragan, gradient_penalty, lecam, r1, r2

PENALTIES = {
    "r1": Term(r1, "discriminator"),
    "r2": Term(r2, "discriminator"),
    "gradient_penalty": Term(gradient_penalty, "discriminator"),
    "dragan": Term(dragan, "discriminator", measure=deviation),
}
ZERO_CENTRED = ("r1", "r2")
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(-1, 1, (3, 2, 2, 3))
FAKES = RANDOM.uniform(-1, 1, (3, 2, 2, 3))
WEIGHTS = RANDOM.normal(size=(2, 2, 3))
DRAWN = {"alpha": RANDOM.random(3), "noise": RANDOM.random((3, 2, 2, 3))}


def draw(name, shape=()):
    assert DRAWN[name].shape == (3, *shape)
    return tf.constant(DRAWN[name], tf.float32)


def value_of(name, critic, reals, fakes, draw=draw):
    value, state = PENALTIES[name](Sight(reals=reals, fakes=fakes, logits_of=critic, draw=draw), 0)
    assert state == {}
    return value


def run(name, critic, kind=tf.float64):
    return value_of(name, critic, tf.constant(IMAGES, kind), tf.constant(FAKES, kind))


def points(name):
    """Where a penalty looks at the critic, given `DRAWN`."""
    drawn = {key: values.astype(np.float32).astype(np.float64) for key, values in DRAWN.items()}
    alpha = drawn["alpha"].reshape(3, 1, 1, 1)
    if name == "gradient_penalty":
        return (1 - alpha) * IMAGES + alpha * FAKES
    if name == "dragan":
        perturbed = IMAGES + 0.5 * IMAGES.std() * drawn["noise"]
        return IMAGES + alpha * (perturbed - IMAGES)
    return FAKES if name == "r2" else IMAGES


def plain(name, slopes):
    """The penalty, given the critic's gradients `[batch, ...]` at `points(name)`."""
    norms = np.sqrt(np.square(slopes).reshape(3, -1).sum(1))
    return np.mean(norms**2) / 2 if name in ZERO_CENTRED else np.mean((norms - 1) ** 2)


@pytest.mark.parametrize("kind", [tf.float32, tf.float64])
@pytest.mark.parametrize("scale", [0.1, 1.0])
@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_a_linear_critic_equal_hand_computation(name, scale, kind):
    # D(x) = <w, x> has the gradient w everywhere. A norm below 1 costs as one above does: the penalty is two-sided.
    weights = tf.constant(scale * WEIGHTS, kind)
    norm = np.linalg.norm(scale * WEIGHTS)
    value = run(name, lambda images: tf.reduce_sum(weights * images, [1, 2, 3]), kind)
    assert value.shape == () and value.dtype == kind
    np.testing.assert_allclose(value, norm**2 / 2 if name in ZERO_CENTRED else (norm - 1) ** 2, rtol=1e-5)


def test_penalties_equal_hand_computed_numbers():
    def linear(images):
        return tf.reduce_sum(0.5 * images, [1, 2, 3])

    assert float(run("r1", linear)) == pytest.approx(0.5 * 12 * 0.25)
    for name in ("gradient_penalty", "dragan"):
        assert float(run(name, linear)) == pytest.approx((12**0.5 / 2 - 1) ** 2)  # |w| = sqrt(12 / 4)

    # D(x) = |x|^2 has the gradient 2x: at a point of value v everywhere its norm is 2 v sqrt(12).
    def quadratic(images):
        return tf.reduce_sum(images**2, [1, 2, 3])

    ones, twos = tf.ones((1, 2, 2, 3)), 2 * tf.ones((1, 2, 2, 3))
    reals, fakes = tf.concat([ones, twos], 0), tf.concat([twos, twos], 0)
    assert float(value_of("r1", quadratic, reals, fakes)) == pytest.approx(0.5 * (4 * 12 + 4 * 48) / 2)
    assert float(value_of("r2", quadratic, reals, fakes)) == pytest.approx(0.5 * 4 * 48)
    # A quarter of the way from 1 to 2; half the way from 2 to 1.
    fakes = tf.concat([twos, ones], 0)
    value = value_of("gradient_penalty", quadratic, reals, fakes, lambda name: tf.constant([0.25, 0.5]))
    assert float(value) == pytest.approx(((2.5 * 12**0.5 - 1) ** 2 + (3 * 12**0.5 - 1) ** 2) / 2)
    # Pictures of 1 and of 2 have the standard deviation 0.5; with noise 0.5, x_p = x + 0.125, and alpha halves that.
    drawn = {"alpha": tf.constant([0.5, 0.0]), "noise": 0.5 * tf.ones((2, 2, 2, 3))}
    value = value_of("dragan", quadratic, reals, None, lambda name, shape=(): drawn[name])
    assert float(value) == pytest.approx(((2.125 * 12**0.5 - 1) ** 2 + (4 * 12**0.5 - 1) ** 2) / 2)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_a_quadratic_critic_equal_hand_computation(name):
    # D(x) = a |x|^2 / 2 + <w, x> has the gradient a x + w: another at each interpolate.
    def critic(images):
        return tf.reduce_sum(0.7 / 2 * images**2 + WEIGHTS * images, [1, 2, 3])

    np.testing.assert_allclose(run(name, critic), plain(name, 0.7 * points(name) + WEIGHTS), rtol=1e-9)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_gradient_by_a_weight_equals_hand_computation(name):
    # D(x) = a |x|^2 / 2 has the norm a |x|. R1: a E|x|^2; the others: E 2 (a |x| - 1) |x|.
    factor = tf.Variable(0.7, dtype=tf.float64)
    with tf.GradientTape() as tape:
        value = run(name, lambda images: factor * tf.reduce_sum(images**2, [1, 2, 3]) / 2)
    norms = np.linalg.norm(points(name).reshape(3, -1), axis=1)
    expected = 0.7 * np.mean(norms**2) if name in ZERO_CENTRED else np.mean(2 * (0.7 * norms - 1) * norms)
    np.testing.assert_allclose(tape.gradient(value, factor), expected, rtol=1e-9)


# A critic with a hidden layer, D(x) = <v, softplus(x W + b)>, whose gradient is W (v * sigmoid(x W + b)).
NETWORK = {"W": RANDOM.normal(size=(12, 5)), "b": RANDOM.normal(size=5), "v": RANDOM.normal(size=5)}


def plain_of_network(name, network):
    hidden = points(name).reshape(3, 12) @ network["W"] + network["b"]
    return plain(name, (network["v"] / (1 + np.exp(-hidden))) @ network["W"].T)


def run_network(name):
    """A penalty on the network, and its derivatives by the network's weights."""
    network = {key: tf.Variable(values) for key, values in NETWORK.items()}

    def critic(images):
        hidden = tf.nn.softplus(tf.reshape(images, [3, 12]) @ network["W"] + network["b"])
        return tf.linalg.matvec(hidden, network["v"])

    with tf.GradientTape() as tape:
        value = run(name, critic)
    return float(value), {key: value.numpy() for key, value in tape.gradient(value, network).items()}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_gradients_equal_finite_differences(name):
    value, gradients = run_network(name)
    assert value == pytest.approx(plain_of_network(name, NETWORK), rel=1e-9)
    for key, gradient in gradients.items():
        expected = np.zeros_like(gradient)
        for place in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                moved = NETWORK | {key: NETWORK[key].copy()}
                moved[key][place] += sign * 1e-5
                ends.append(plain_of_network(name, moved))
            expected[place] = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=key)
        assert np.abs(gradient).max() > 1e-2


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_and_gradients_equal_pytorch(name):
    torch = pytest.importorskip("torch")
    network = {key: torch.tensor(values, requires_grad=True) for key, values in NETWORK.items()}
    real, fake = torch.tensor(IMAGES), torch.tensor(FAKES)
    drawn = {key: torch.tensor(values, dtype=torch.float32).double() for key, values in DRAWN.items()}
    at = real
    if name == "gradient_penalty":
        at = torch.lerp(real, fake, drawn["alpha"].view(-1, 1, 1, 1))
    elif name == "dragan":
        perturbed = real + 0.5 * real.std(correction=0) * drawn["noise"]
        at = torch.lerp(real, perturbed, drawn["alpha"].view(-1, 1, 1, 1))
    elif name == "r2":
        at = fake
    at = at.clone().requires_grad_()
    logits = torch.nn.functional.softplus(at.flatten(1) @ network["W"] + network["b"]) @ network["v"]
    (slopes,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
    norms = slopes.flatten(1).norm(dim=1)
    expected = (norms.square() / 2 if name in ZERO_CENTRED else (norms - 1).square()).mean()
    expected.backward()
    value, gradients = run_network(name)
    assert value == pytest.approx(expected.item(), rel=1e-9)
    for key, gradient in gradients.items():
        np.testing.assert_allclose(gradient, network[key].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=key)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_of_a_flat_critic_have_finite_gradients(name):
    # The norm's slope is infinite at 0, where new critics may well be.
    factor = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        value = run(name, lambda images: factor * tf.reduce_sum(images, [1, 2, 3]), tf.float32)
    np.testing.assert_allclose(value, 0 if name in ZERO_CENTRED else 1, rtol=1e-5)
    assert np.isfinite(tape.gradient(value, factor))


def test_penalties_use_reals_or_fakes_as_published():
    def critic(images):
        return tf.reduce_sum(images**2, [1, 2, 3])

    real, fake = tf.constant(IMAGES), tf.constant(FAKES)
    for name in PENALTIES:
        same = float(value_of(name, critic, real, fake)) == float(value_of(name, critic, real, 2 * fake))
        assert same == (name in ("r1", "dragan"))
    # Fakes of a network in low precision are no other kind of picture.
    for name in ("r2", "gradient_penalty"):
        value = value_of(name, critic, tf.cast(real, tf.float32), tf.cast(fake, tf.bfloat16))
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, run(name, critic), rtol=1e-2)


def test_dragan_without_its_measure_is_an_error():
    with pytest.raises(ValueError, match=r"measure must be tfanime.training.terms.deviation for dragan"):
        dragan(Sight(reals=tf.constant(IMAGES)))


def on_two_devices(strategy, function, *arrays):
    """What `function` returns on each of two devices, which hold one half of `arrays` each."""

    def halves(array):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(np.split(array, 2)[context.replica_id_in_sync_group])
        )

    values = strategy.run(tf.function(function), args=[halves(array) for array in arrays])
    return [value.numpy() for value in strategy.experimental_local_results(values)]


def test_dragan_perturbs_by_the_deviation_over_all_devices(two_devices):
    # Each half is constant: a device that looked at its own pictures alone would find no deviation.
    images = np.float32([0.2, 0.2, 0.8, 0.8]).reshape(4, 1, 1, 1) * np.ones((4, 2, 2, 3), np.float32)
    alpha, noise = RANDOM.random(4).astype(np.float32), RANDOM.random(images.shape).astype(np.float32)

    def penalty(images, alpha, noise):
        drawn = {"alpha": alpha, "noise": noise}
        critic = lambda images: tf.reduce_sum(images**2, [1, 2, 3])  # noqa: E731
        return value_of("dragan", critic, images, None, lambda name, _=(): drawn[name])

    values = on_two_devices(two_devices, penalty, images, alpha, noise)
    points = images + alpha.reshape(4, 1, 1, 1) * 0.5 * 0.3 * noise  # the deviation of 0.2 and 0.8 is 0.3
    expected = (np.linalg.norm(2 * points.reshape(4, -1), axis=1) - 1) ** 2
    np.testing.assert_allclose(values, [expected[:2].mean(), expected[2:].mean()], rtol=1e-5)
    np.testing.assert_allclose(penalty(*map(tf.constant, (images, alpha, noise))), expected.mean(), rtol=1e-5)


def gan_of(penalties, **options):
    return tiny_networks.gan(terms=penalties, seed=5, **options)


def train(gan, images):
    """One step for each of `images`; the logs by step."""
    dataset = tf.data.Dataset.range(len(images)).map(lambda index: tf.convert_to_tensor(images)[index])
    return gan.fit(dataset.repeat(), epochs=len(images), steps_per_epoch=1, shuffle=False, verbose=0).history


def drawn_by(gan, images):
    """What a penalty gets from its `draw` in a training of `gan`: `"alpha"` and `"noise"`, one row a critic step."""
    found = []

    def record(sight):
        drawn = [sight.draw("alpha"), sight.draw("noise", (3, 2))]
        tf.py_function(lambda alpha, noise: found.append((alpha.numpy(), noise.numpy())), drawn, [])
        return tf.constant(0.0)

    gan.terms = (Term(record, "discriminator", 1.0),)
    train(gan, images)
    return map(np.array, zip(*found, strict=True))


def test_draws_are_a_function_of_seed_step_picture_and_name():
    images = tiny_networks.pictures(3, 4, 2)
    alphas, noise = drawn_by(gan_of([]), images)
    assert alphas.shape == (6, 4) and noise.shape == (6, 4, 3, 2) and alphas.dtype == noise.dtype == np.float32
    drawn = np.concatenate([alphas.ravel(), noise.ravel()])
    assert drawn.min() >= 0 and drawn.max() < 1
    assert len(np.unique(drawn)) == drawn.size  # another for each picture, critic step and name
    resumed = gan_of([])
    resumed.generator_optimizer.iterations.assign(1)
    for late, early in zip(drawn_by(resumed, images[1:]), (alphas, noise), strict=True):
        np.testing.assert_array_equal(late, early[2:])
    others, _ = drawn_by(tiny_networks.gan(seed=6), images[:1])
    assert not np.intersect1d(drawn, others).size
    # The numbers stay what they are, in every process: a resumed run draws what the interrupted one would have.
    np.testing.assert_allclose(alphas[0], [0.28712082, 0.6722877, 0.42236435, 0.8377403], rtol=1e-6)


def test_draws_are_uniform_and_no_copies_of_the_latents():
    gan = gan_of([])
    numbers = gan.draws(2000, 7)("noise", (50,)).numpy()
    assert abs(numbers.mean() - 0.5) < 5e-3 and abs(numbers.std() - 12**-0.5) < 5e-3
    assert np.abs(np.corrcoef(numbers[:, :5], rowvar=False) - np.eye(5)).max() < 0.1
    uniform = tf.random.stateless_uniform([2000, 50], [5, 7], alg="philox").numpy()  # what latents would be made of
    of_generator = gan.draws(2000, 7, player="generator")("noise", (50,)).numpy()
    for others in (uniform, of_generator):
        assert abs(np.corrcoef(others.ravel(), numbers.ravel())[0, 1]) < 0.02


RULES = {
    "dragan": [Term(dragan, "discriminator", 10.0, measure=deviation)],
    "lazy dragan": [Term(dragan, "discriminator", 10.0, every=2, measure=deviation)],
    "lazy": [Term(gradient_penalty, "discriminator", 10.0, every=2), Term(r1, "discriminator", 1.0)],
}


@pytest.mark.parametrize(
    "penalties",
    [
        pytest.param(terms, id=name, marks=() if name == "lazy dragan" else pytest.mark.slow)
        for name, terms in RULES.items()
    ],
)
def test_penalties_on_two_devices_equal_one(penalties, two_devices):
    # The second device's pictures vary more than the first's.
    images = tiny_networks.pictures(2, 8, 2) * np.linspace(0.1, 1, 8, dtype=np.float32).reshape(8, 1, 1, 1, 1)
    one = gan_of(penalties, rate=0.05)
    logs = train(one, images)
    with two_devices.scope():
        two = gan_of(penalties, rate=0.05)
    np.testing.assert_allclose(train(two, images)["penalty"], logs["penalty"], rtol=1e-4)
    for weight, other in zip(one.weights, two.weights, strict=True):
        for copy in two_devices.experimental_local_results(other.value):
            np.testing.assert_allclose(copy.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    assert logs["penalty"][0] > 1e-3


@pytest.mark.parametrize("name", ["gradient_penalty", pytest.param("dragan", marks=pytest.mark.slow)])
def test_gradient_penalty_keeps_the_slope_at_one(name):
    # Left to itself the critic's slope would grow with every step of the Wasserstein game.
    slopes = []
    for penalties in ([], [replace(PENALTIES[name], weight=10.0)]):
        gan = gan_of(penalties, loss="wasserstein", rate=0.02, optimizer=keras.optimizers.Adam)
        gan.generator.trainable = False
        images = tiny_networks.pictures(60, 8)
        train(gan, images)
        pictures = tf.constant(images[0])
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            logits = gan.discriminator(pictures)
        slopes.append(np.linalg.norm(tf.reshape(tape.gradient(logits, pictures), [8, -1]), axis=1).mean())
    assert slopes[0] > 2 and 0.7 < slopes[1] < 1.3


def test_lecam_equals_hand_computed_numbers():
    logits = {"real_logits": tf.constant([2.0, -1.0, 0.5]), "fake_logits": tf.constant([-3.0, 1.0, 0.0])}
    value, state = lecam(Sight(**logits, state={"real": 0.5, "fake": -0.5}))
    # reals above a_fake by 2.5, -, 1; fakes below a_real by 3.5, -, 0.5
    assert float(value) == pytest.approx((2.5**2 + 1) / 3 + (3.5**2 + 0.25) / 3)
    assert float(state["real"]) == pytest.approx(0.99 * 0.5 + 0.01 * 0.5)
    assert float(state["fake"]) == pytest.approx(0.99 * -0.5 + 0.01 * (-2 / 3))
    gan = gan_of([Term(lecam, "discriminator", 0.3, state=LECAM_STATE)])
    logs = train(gan, tiny_networks.pictures(2, 8))
    means = gan.state_of(gan.terms[0])
    assert logs["penalty"][0] > 0 and means["real"].numpy() != 0 != means["fake"].numpy()


def test_term_weight_may_depend_on_the_step():
    term = Term(lambda sight: 2.0, "generator", lambda step: 0.5 * tf.cast(step, tf.float32), every=3)
    assert [float(term(Sight(), tf.constant(step, tf.int64))[0]) for step in (0, 3, 4, 6)] == [0, 9, 0, 18]


def test_term_refuses_bad_arguments():
    with pytest.raises(ValueError, match=r"every must be at least 1. Received: 0"):
        Term(r1, "discriminator", 10.0, every=0)
    with pytest.raises(ValueError, match=r"player must be one of generator, discriminator. Received: 10.0"):
        Term(r1, 10.0)
    term = Term(lambda sight: (0.0, {"men": 1.0}), "generator", state={"mean": 0.0})
    with pytest.raises(ValueError, match=r"<lambda> must return the state \['mean'\]. Received: \['men'\]"):
        term(Sight(), 0)
