import numpy as np
import pytest
import tensorflow as tf
import tiny_networks

from tfanime.tags import TagGroup, TagVocabulary
from tfanime.training import Term
from tfanime.training.augment import AUGMENTATIONS, Augmentation, varied
from tfanime.training.terms import r1


def test_varied_keeps_hues_and_without_variation_the_picture():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (6, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(varied(images, 1, 2, 1.0, 0.0), images, atol=1e-5)
    flat = np.tile(np.float32([0.2, -0.4, 0.1]), (6, 16, 16, 1))
    other = varied(flat, 1, 2, 0.8, 0.1).numpy()
    assert np.ptp(other, axis=(1, 2)).max() < 1e-5 and np.ptp(other[:, 0, 0], axis=0).min() > 0.01
    differences = other[:, 0, 0] - other[:, 0, 0].min(axis=1, keepdims=True)  # hue: the ratio of the differences
    np.testing.assert_allclose(differences[:, 2] / differences[:, 0], 5 / 6, rtol=1e-4)
    assert varied(np.ones((2, 8, 8, 3), np.float32), 1, 2, 0.8, 0.1).numpy().max() <= 1


def test_varied_crops_squares_of_the_given_sides():
    ramps = np.linspace(-1, 1, 64, dtype=np.float32)
    images = np.zeros((200, 64, 64, 3), np.float32)
    images[..., 0], images[..., 1] = ramps, ramps[:, None]
    other = varied(images, 5, 0, 0.8, 0.0).numpy()
    for channel, axis in ((0, 1), (1, 0)):
        line = np.moveaxis(other[..., channel], 1 + axis, 1)[:, :, 0]
        spans = (line[:, -1] - line[:, 0]) / 2
        assert 0.8 <= spans.min() < 0.82 and 0.98 < spans.max() <= 1 + 1e-6
        assert line.min() >= -1 - 1e-6 and (1 + line[:, 0]).max() > 0.3
    assert np.corrcoef(other[:, 0, 0, 0], other[:, 0, 0, 1])[0, 1] < 0.6  # places across and down are drawn apart


def pictures(count=4, size=8, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 3)), tf.float32)


def drawn(count, seed=0, **given):
    """A `draw` of real random numbers, of which columns are replaced: `uniform_3=0.5`."""

    def draw(name, shape, normal=False):
        random = np.random.default_rng([seed, normal])
        numbers = random.normal(size=(count, *shape)) if normal else random.random((count, *shape))
        for key, value in given.items():
            kind, column = key.rsplit("_", 1)
            if kind == name:
                numbers[:, int(column)] = value
        return tf.constant(numbers, tf.float32)

    return draw


def only(gate, count=4, **given):
    """A `draw` at which one operation of ADA's runs for p = 0.5."""
    return drawn(count, **{f"uniform_{each}": 0.1 if each == gate else 0.9 for each in range(12)}, **given)


def ada(images, draw, **options):
    return Augmentation("ada", **options)(images, draw, 0.5).numpy()


def test_ada_with_p_0_changes_nothing():
    images = pictures()
    np.testing.assert_allclose(Augmentation("ada")(images, drawn(4), 0.0), images, atol=1e-6)


def test_resampling_mirrors_and_shifts_whole_pixels():
    images = pictures(2).numpy()
    np.testing.assert_array_equal(ada(images, only(0, 2, uniform_12=0.1)), images[:, :, ::-1])
    np.testing.assert_array_equal(ada(images, only(0, 2, uniform_12=0.9)), images)
    np.testing.assert_array_equal(ada(images, only(0, 2, uniform_12=0.1), mirrors=False), images)
    # One pixel of 8 down, and one to the left; what comes in is what lies beyond a mirror in the last row.
    shifted = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], "reflect")[:, :-2, 2:]
    np.testing.assert_array_equal(ada(images, only(1, 2, uniform_13=0.99, uniform_14=0.01)), shifted)


def triangle(row, scale, shift=0.0, flip=1):
    """A row of a picture scaled about its middle, then moved, place by place."""
    size, middle = len(row), (len(row) - 1) / 2
    result = []
    for place in range(size):
        source = flip * (place - middle - shift) / scale + middle
        source = abs(source) if source < size - 1 else 2 * (size - 1) - source
        weights = np.maximum(0, 1 - np.abs(source - np.arange(size)) / max(1, 1 / scale))
        result.append(np.tensordot(weights, row, 1) / weights.sum())
    return np.array(result)


@pytest.mark.parametrize(("gate", "number", "factors"), [(2, 1.5, (1, 1)), (2, -1.5, (1, 1)), (3, 1.5, (-1, 1))])
def test_resampling_scales_by_a_triangle_filter(gate, number, factors):
    images = pictures(1).numpy()
    expected = images[0]
    for axis, factor in enumerate(factors):
        scale = 2 ** (0.2 * number * factor)
        expected = np.moveaxis(triangle(np.moveaxis(expected, axis, 0), scale), 0, axis)
    given = {"normal_0": number, "normal_1": number}
    np.testing.assert_allclose(ada(images, only(gate, 1, **given))[0], expected, atol=1e-5)


def test_resampling_shifts_by_fractions():
    images = pictures(1).numpy()
    expected = np.moveaxis(triangle(np.moveaxis(triangle(images[0], 1, 0.3), 1, 0), 1, -1.4), 0, 1)
    found = ada(images, only(4, 1, normal_2=0.3, normal_3=-1.4))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_recoloured_turns_hues_around_white():
    images = pictures(2).numpy()
    np.testing.assert_allclose(ada(images, only(5, 2, normal_4=1.5)), images + 0.3, atol=1e-5)
    np.testing.assert_allclose(ada(images, only(6, 2, normal_5=2.0)), 2 * images, atol=1e-5)
    grey = images.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(ada(images, only(7, 2, uniform_15=0.2)), images - 2 * grey, atol=1e-5)
    third = 0.5 + 1 / 3  # of a turn: red becomes green
    np.testing.assert_allclose(ada(images, only(8, 2, uniform_16=third)), images[..., [2, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(ada(images, only(9, 2, normal_6=1.0)), grey + 2 * (images - grey), atol=1e-5)
    for gate in range(6, 10):
        given = {"uniform_15": 0.2, "uniform_16": 0.3, "normal_5": 2.0, "normal_6": 1.0}
        np.testing.assert_array_equal(ada(images, only(gate, 2, **given), colours=False), images)


def test_cutout_removes_a_square():
    images = pictures(2).numpy() + 2
    found = ada(images, only(10, 2, uniform_17=0.5, uniform_18=0.0))
    expected = images.copy()
    expected[:, 2:6, :2] = 0
    np.testing.assert_array_equal(found, expected)


def test_ada_applies_operations_independently():
    count = 4000
    images, draw = pictures(1, 4).numpy().repeat(count, axis=0), drawn(count)
    found = Augmentation("ada")(images, draw, 0.3).numpy()
    same = np.abs(found - images).max(axis=(1, 2, 3)) < 1e-5
    # Mirrors and luma flips do nothing in half of the cases, a shift of less than half a pixel never does anything.
    expected = 0.7**8 * 0.85**2
    assert abs(same.mean() - expected) < 4 * (expected / count) ** 0.5 + 0.02
    gates = draw("uniform", (24,)).numpy()[:, :12] < 0.3
    assert np.abs(np.corrcoef(gates.T) - np.eye(12)).max() < 0.08


def test_diffaugment_changes_every_picture():
    count, size = 600, 16
    images = pictures(1, size).numpy().repeat(count, axis=0) + 3
    found = Augmentation("diffaugment", colours=False)(images, drawn(count)).numpy()
    empty = (found == 0).all(axis=-1)
    shifts = []
    for picture, hole in zip(found, empty, strict=True):
        padded = np.pad(images[0], [(2, 2), (2, 2), (0, 0)])
        places = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
        moved = (padded[2 - down :, 2 - right :][:size, :size] for down, right in places)
        fits = [
            place
            for place, other in zip(places, moved, strict=True)
            if np.allclose(np.where(hole[..., None], 0, other), picture, atol=1e-5)
        ]
        assert len(fits) == 1
        shifts.append(fits[0])
    assert len(set(shifts)) == 25 and np.abs(np.mean(shifts, axis=0)).max() < 0.25
    assert 0.1 < empty.mean() < 0.35
    coloured = Augmentation("diffaugment")(images, drawn(count, uniform_5=-9)).numpy()
    assert len({round(float(each), 3) for each in coloured[:, 8, 8, 0]}) > 400


@pytest.mark.parametrize("kind", AUGMENTATIONS[1:])
def test_augmentation_gradients_equal_the_adjoint_at_every_order(kind):
    images, others = pictures(), pictures(seed=1)
    change = Augmentation(kind, colours=kind == "ada")

    def changed(images):
        return change(images, drawn(4), 0.6)

    with tf.GradientTape() as tape:
        tape.watch(images)
        product = tf.reduce_sum(changed(images) * others)
    (back,) = tape.gradient(product, [images])
    linear = changed(images) - changed(tf.zeros_like(images))
    np.testing.assert_allclose(tf.reduce_sum(linear * others), tf.reduce_sum(images * back), rtol=1e-4)

    def penalty(images):
        with tf.GradientTape() as inner:
            inner.watch(images)
            value = tf.reduce_sum(changed(images) ** 3)
        return tf.reduce_sum(inner.gradient(value, images) ** 2)

    with tf.GradientTape() as tape:
        tape.watch(images)
        value = penalty(images)
    slope = tf.reduce_sum(tape.gradient(value, images) * others)
    assert float(slope) == pytest.approx(
        float(penalty(images + 1e-2 * others) - penalty(images - 1e-2 * others)) / 2e-2, rel=0.01
    )
    compiled = tf.function(changed, jit_compile=True)(images)
    np.testing.assert_allclose(compiled, changed(images), atol=1e-5)


def test_augmentation_leaves_out_operations_that_contradict_tags():
    plain = TagVocabulary("plain", (TagGroup("more", ("hat", "bright"), False),))
    colours = TagVocabulary("colours", (TagGroup("hair_colour", ("red", "green"), True),))
    sided = TagVocabulary("sided", (TagGroup("more", ("looking_left", "hat"), False),))
    assert Augmentation.of("none", colours) is None
    assert Augmentation.of("ada") == Augmentation.of("ada", plain) == Augmentation("ada")
    assert Augmentation.of("ada", colours) == Augmentation("ada", colours=False)
    assert Augmentation.of("ada", sided) == Augmentation("ada", mirrors=False)
    assert Augmentation.of("ada", colours).left_out == "contrast, luma flip, hue, saturation"
    assert Augmentation.of("diffaugment", colours).left_out == "colours" and not Augmentation("ada").left_out
    with pytest.raises(ValueError, match=r"kind must be one of diffaugment, ada. Received: 'none'"):
        Augmentation("none")


def train(gan, images):
    dataset = tf.data.Dataset.from_tensor_slices(images).repeat()
    return gan.fit(dataset, epochs=len(images), steps_per_epoch=1, shuffle=False, verbose=0).history


def last_bias(gan):
    return next(weight for weight in gan.discriminator.weights if weight.path.endswith("bias") and weight.shape == (1,))


def test_gan_refuses_ada_with_a_loss_whose_logits_have_no_sign():
    rules = {"augmentation": Augmentation("ada")}
    with pytest.raises(
        ValueError, match=r"augment must be none or diffaugment with this loss: .* losses non_saturating, hinge"
    ):
        tiny_networks.gan(loss="wasserstein", rules=rules)


def test_ada_moves_p_by_the_sign_of_real_logits(tmp_path):
    images = tiny_networks.pictures(9, 8)
    gan = tiny_networks.gan(rate=0.0, rules={"augmentation": Augmentation("ada")})
    last_bias(gan).assign([100.0])
    logs = train(gan, images)
    np.testing.assert_allclose(logs["real_sign"], 1.0)
    expected = np.arange(9) // 4 * 4 * 8 / 500_000
    np.testing.assert_allclose(logs["augmentation_probability"], expected, rtol=1e-6)
    state = gan.state_of(gan.augmentation)
    assert state["sign"].numpy() == 0.25 and state["probability"].numpy() == pytest.approx(64 / 500_000)
    path = tf.train.Checkpoint(gan=gan).write(str(tmp_path / "checkpoint"))
    other = tiny_networks.gan(rate=0.0, rules={"augmentation": Augmentation("ada")})
    tf.train.Checkpoint(gan=other).read(path).assert_consumed()
    last_bias(other).assign([-100.0])
    state = other.state_of(other.augmentation)
    assert state["sign"].numpy() == 0.25 and state["probability"].numpy() == pytest.approx(64 / 500_000)
    train(other, images[:3])  # one positive step and three negative ones
    assert state["probability"].numpy() == pytest.approx(32 / 500_000)
    train(other, images[:8])
    assert state["probability"].numpy() == 0.0
    full = Augmentation("ada").next_state({"probability": 0.79999, "sign": 0.75}, 1.0, 3, 10_000)
    assert float(full["probability"]) == pytest.approx(0.8) and float(full["sign"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", AUGMENTATIONS[1:])
def test_augmented_parts_and_devices_update_as_one(kind, two_devices):
    images = tiny_networks.pictures(2, 8)

    def trained(accumulate=1):
        rules = {"augmentation": Augmentation(kind), "accumulate": accumulate}
        gan = tiny_networks.gan(seed=5, terms=[Term(r1, "discriminator", 2.0)], rules=rules)
        if kind == "ada":
            gan.state_of(gan.augmentation)["probability"].assign(0.6)
        return gan, train(gan, images)

    one, logs = trained()
    parts, _ = trained(2)
    with two_devices.scope():
        two, logs_of_two = trained()
    plain = tiny_networks.gan(seed=5, terms=[Term(r1, "discriminator", 2.0)])
    train(plain, images)
    for weight, other, of_parts in zip(one.weights, two.weights, parts.weights, strict=True):
        np.testing.assert_allclose(other.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
        np.testing.assert_allclose(of_parts.numpy(), weight.numpy(), rtol=1e-4, atol=1e-6, err_msg=weight.path)
    for name in logs_of_two:
        np.testing.assert_allclose(logs_of_two[name], logs[name], rtol=1e-4, atol=1e-6, err_msg=name)
    weights = zip(one.discriminator.weights, plain.discriminator.weights, strict=True)
    assert max(np.abs(weight.numpy() - other.numpy()).max() for weight, other in weights) > 1e-3


def embedded(image, p, augmentation, count, seed):
    """The mean of many features of many augmented copies of a picture: what tells distributions of them apart."""
    random = np.random.default_rng(99)
    copies = augmentation(tf.repeat(image[None], count, axis=0), drawn(count, seed), probability=p).numpy()
    projected = copies.reshape(count, -1) @ random.normal(size=(image.size, 600)) / np.sqrt(image.size)
    return np.cos(3 * projected + random.uniform(0, 2 * np.pi, 600)).mean(axis=0)


def shares_that_look_the_same(candidates, augmentation, p, count=4096):
    """A generator of only so many pictures: how often it draws each, once all that it draws looks, augmented, as the
    augmented first picture does."""
    wanted = embedded(candidates[0], p, augmentation, count, 1000)
    seen = np.array([embedded(each, p, augmentation, count, place) for place, each in enumerate(candidates)])
    shares, products, aims = np.full(len(candidates), 1 / len(candidates)), seen @ seen.T, seen @ wanted
    for _ in range(50_000):  # exponentiated gradient descent on the squared distance, which is convex
        shares *= np.exp(-0.1 * (products @ shares - aims))
        shares /= shares.sum()
    return shares


def toy():
    """A picture, and what ADA's operations make of it: mirrored, moved, of another colour, brighter, with a hole."""
    image = np.full((8, 8, 3), -0.4, np.float32)
    image[1:4, 1:3] = (0.8, -0.2, -0.6)
    hole = image.copy()
    hole[:4, :4] = 0
    return [image, image[:, ::-1], np.roll(image, 1, axis=1), image[..., [2, 0, 1]], image + 0.3, hole]


@pytest.mark.parametrize(
    ("p", "count"), [(0.4, 4096), pytest.param(Augmentation.LIMIT, 16_384, marks=pytest.mark.slow)]
)
def test_ada_does_not_leak_up_to_the_limit(p, count):
    assert shares_that_look_the_same(toy(), Augmentation("ada"), p, count)[0] > 0.9


def test_ada_leaks_mirrored_pictures_beyond_the_limit():
    shares = shares_that_look_the_same(toy()[:2], Augmentation("ada"), 1.0)
    assert 0.3 < shares[0] < 0.7  # nobody can tell
