"""StyleGAN2's game is its transcription into plain PyTorch, which trains on GPUs; `nox -s torch` has PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tiny_stylegan2
from tiny_networks import VOCABULARY

torch = pytest.importorskip("torch")

import pytorch_avatars  # noqa: E402
import pytorch_carry  # noqa: E402
import pytorch_stylegan2  # noqa: E402

from tfanime.inputs import Inputs  # noqa: E402
from tfanime.latents import Latents  # noqa: E402
from tfanime.tags import KONACHAN26  # noqa: E402
from tfanime.training.tag_losses import shown, tag_loss  # noqa: E402
from tfanime.training.terms import Sight, r1  # noqa: E402

BATCH = 8
SIZES = {"image_size": tiny_stylegan2.SIZE, "channel_base": 96, "channel_max": 8}
GROUPS = [[group.tags, group.exclusive] for group in VOCABULARY.groups]
RANDOM = np.random.default_rng(0)
TAGS = RANDOM.choice([-1.0, 0.0, 1.0], (BATCH, len(VOCABULARY))).astype(np.float32)
for group, where in VOCABULARY.slices:
    if group.exclusive:  # one holds, or several may
        TAGS[:, where] = np.eye(len(group.tags))[RANDOM.integers(0, len(group.tags), BATCH)] * 2 - 1
        TAGS[::3, where] = 0
IMAGES = RANDOM.uniform(-1, 1, (BATCH, *[tiny_stylegan2.SIZE] * 2, 3)).astype(np.float32)


def in_torch(array):
    """Pictures `[batch, height, width, 3]` as PyTorch has them; all else as it is."""
    array = torch.from_numpy(np.asarray(array))
    return array.permute(0, 3, 1, 2).contiguous() if array.ndim == 4 else array


def near(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(
        np.asarray(found.detach() if torch.is_tensor(found) else found), expected, tolerance, tolerance
    )


@pytest.fixture(scope="module", params=[True, False], ids=["folded", "plain"])
def networks(request):
    """Both players in Keras, with weights unlike their first ones, and their twins."""
    generator, discriminator = tiny_stylegan2.generator(), tiny_stylegan2.discriminator()
    for weight in (*generator.weights, *discriminator.weights):
        weight.assign(weight + 0.1 * RANDOM.standard_normal(weight.shape))
    count = len(VOCABULARY)
    sizes = {"z_size": tiny_stylegan2.Z, "w_size": tiny_stylegan2.W, "tag_count": count, "embedding_noise": 0.5}
    twins = (
        pytorch_stylegan2.Generator(**SIZES, **sizes, fold=request.param),
        pytorch_stylegan2.Discriminator(**SIZES, tag_count=count, projection=True, tag_head=True, fold=request.param),
    )
    for twin, network in zip(twins, (generator, discriminator), strict=True):
        pytorch_stylegan2.read_weights(twin, network)
    return generator, discriminator, *twins


@pytest.fixture
def tags():
    return pytorch_avatars.Tags(GROUPS, TAGS.astype(np.int8), "cpu")


def test_networks_equal_keras(networks):
    generator, discriminator, twin, other = networks
    inputs = Inputs.of_network(generator, Latents(tiny_stylegan2.Z), VOCABULARY)
    latents, labels, _, noise = inputs.batch(BATCH, 1, 2)
    embedding_noise = RANDOM.standard_normal((BATCH, tiny_stylegan2.W)).astype(np.float32)
    images = generator([latents, labels, tf.constant(embedding_noise), noise], training=True).numpy()
    found = twin(*(in_torch(each) for each in (latents, labels, noise, embedding_noise)))
    near(found.permute(0, 2, 3, 1), images, 1e-4)
    logits, tag_logits = discriminator([tf.constant(images), tf.constant(TAGS)])
    found, tags_found = other(in_torch(images), in_torch(TAGS))
    near(found, logits, 1e-4)
    near(tags_found, tag_logits, 1e-4)


def test_weights_convert_in_both_directions(networks):
    generator, discriminator, twin, other = networks
    for make, network, module in (
        (pytorch_carry.generator_of, generator, twin),
        (pytorch_carry.discriminator_of, discriminator, other),
    ):
        pytorch_stylegan2.read_weights(module, network)  # a pass in training has moved the mean w
        again = make({name: value.numpy() for name, value in module.state_dict().items()}, len(VOCABULARY))
        assert [each.path for each in again.weights] == [each.path for each in network.weights]
        for one, other_weight in zip(network.weights, again.weights, strict=True):
            np.testing.assert_array_equal(one, other_weight)


def test_hidden_tags_and_tag_losses_equal_keras(tags):
    hidden = tags.hidden(in_torch(TAGS))
    near(hidden, (TAGS * shown(VOCABULARY, TAGS)).numpy())
    logits = RANDOM.standard_normal(TAGS.shape).astype(np.float32)
    near(tags.loss(hidden, in_torch(logits)), tf.reduce_mean(tag_loss(VOCABULARY, hidden.numpy(), logits, "softmax")))


def test_wrong_tags_differ_in_one_known_group(tags):
    hidden = tags.hidden(in_torch(np.repeat(TAGS, 200, 0)))
    wrong, known = tags.wrong(hidden)
    changed = [(wrong[:, where] != hidden[:, where]).any(1) for where, _ in tags.groups]
    assert (torch.stack(changed).sum(0) == known).all() and 0 < known.mean() < 1
    for where in tags.exclusive:
        held = wrong[:, where][(wrong[:, where] != 0).any(1)]
        assert ((held > 0).sum(1) == 1).all()


def test_discriminator_loss_and_gradients_equal_the_recipe(networks, tags):
    _, discriminator, _, twin = networks
    settings = pytorch_avatars.Settings(tag_weight=0.3, wrong_tags_weight=0.25)
    real_tags = tags.hidden(in_torch(TAGS))
    fakes, fake_tags = IMAGES[::-1].copy(), tags.draw(BATCH)
    wrong = tags.wrong(real_tags)
    loss, real_logits, fake_logits = pytorch_avatars.discriminator_loss(
        settings, tags, twin, in_torch(IMAGES), real_tags, in_torch(fakes), fake_tags, wrong
    )
    mask = shown(VOCABULARY, TAGS)
    judge = lambda images, labels: discriminator([tf.constant(images), tf.constant(labels)], training=True)  # noqa: E731
    with tf.GradientTape() as tape:
        reals, tag_logits = judge(IMAGES, TAGS * mask)
        others, _ = judge(fakes, fake_tags.numpy() * mask)
        mismatched, _ = judge(IMAGES, wrong[0].numpy())
        expected = tf.reduce_mean(tf.nn.softplus(-reals)) + tf.reduce_mean(tf.nn.softplus(others))
        expected += 0.3 * tf.reduce_mean(tag_loss(VOCABULARY, TAGS * mask, tag_logits, "softmax"))
        expected += 0.25 * tf.reduce_mean(wrong[1].numpy() * tf.nn.softplus(mismatched))
    near(loss, expected, 1e-4)
    near(real_logits, reals, 1e-4)
    near(fake_logits, others, 1e-4)
    slopes = tape.gradient(expected, discriminator.get_layer("from_rgb").kernel)
    (found,) = torch.autograd.grad(loss, twin.layers["from_rgb"].kernel)
    near(found.permute(2, 3, 1, 0), slopes, 1e-3)


def test_r1_equals_the_term(networks):
    _, discriminator, _, twin = networks
    labels = tf.constant(np.sign(TAGS + 0.5))
    sight = Sight(reals=tf.constant(IMAGES), logits_of=lambda images: discriminator([images, labels], training=True)[0])
    with tf.GradientTape() as tape:
        expected = r1(sight)
    slopes = tape.gradient(expected, discriminator.get_layer("from_rgb").kernel)
    value = pytorch_avatars.r1(twin, in_torch(IMAGES), in_torch(labels), lambda images: images)
    near(value, expected, 1e-4)
    (found,) = torch.autograd.grad(value, twin.layers["from_rgb"].kernel)
    near(found.permute(2, 3, 1, 0), slopes, 1e-3)


def test_training_on_a_cpu_makes_a_step(tags):
    settings = pytorch_avatars.Settings(batch_size=4, channel_base=64, discriminator_channel_base=64)
    settings = replace(settings, channel_max=8, discriminator_channel_max=8)
    images = RANDOM.integers(0, 256, (8, 3, 16, 16), dtype=np.uint8)
    training = pytorch_avatars.Training(images, TAGS.astype(np.int8), GROUPS, settings, "cpu")
    before = [each.detach().clone() for each in training.ema.parameters()]
    for _ in range(2):
        training.train_step()
    training.measure_average()
    assert all(np.isfinite(float(value)) for value in training.logs.values())
    assert any((one != other).any() for one, other in zip(before, training.ema.parameters(), strict=True))
    assert training.ema.mapping.average.abs().sum() > 0


def test_training_resumes_from_saved_players(tmp_path):
    settings = pytorch_avatars.Settings(batch_size=4, channel_base=64, discriminator_channel_base=64)
    settings = replace(settings, channel_max=8, discriminator_channel_max=8)
    data = RANDOM.integers(0, 256, (8, 3, 16, 16), dtype=np.uint8), TAGS.astype(np.int8), GROUPS
    first = pytorch_avatars.made(data, settings, "cpu")
    first.train_step()
    players = {name: getattr(first, name) for name in ("generator", "discriminator", "ema")}
    pytorch_avatars.save(tmp_path / "players.npz", **players)
    again = pytorch_avatars.made(data, replace(settings, seed=1), "cpu", begin_with=tmp_path / "players.npz")
    for name, network in players.items():
        for one, other in zip(network.parameters(), getattr(again, name).parameters(), strict=True):
            near(other, one.detach().half().float(), 1e-6)
    again.train_step()
    assert all(np.isfinite(float(value)) for value in again.logs.values())


def test_packaged_players_are_read(tmp_path):
    pytorch_carry.begin("avatars64", tmp_path / "players.npz")
    players = pytorch_avatars.read_players(tmp_path / "players.npz")
    network = pytorch_carry.generator_of(players["generator"], 26)
    shipped = pytorch_carry.open_generator("avatars64").network
    for one, other in zip(network.weights, shipped.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert pytorch_carry.discriminator_of(players["discriminator"], 26).count_params() > 3_000_000


@pytest.mark.parametrize("vocabulary", [None, KONACHAN26], ids=["without tags", "tags"])
@pytest.mark.parametrize("lazy", [True, False], ids=["lazy", "bare"])
def test_timed_steps_are_of_equal_networks(vocabulary, lazy):
    flags = ["--image_size=16", "--channel_base=64", "--latent_size=256", "--style_size=256", "--batch_size=4"]
    functions, count = pytorch_stylegan2.steps(flags, "float32", vocabulary, lazy)
    assert count == 4 and list(functions) == ["PyTorch", "tfanime"]
    functions["PyTorch"]()
    assert np.isfinite(functions["tfanime"]())


def test_timed_steps_refuse_other_sizes():
    with pytest.raises(RuntimeError, match="size"):
        pytorch_stylegan2.steps(["--image_size=16", "--channel_base=64", "--batch_size=4"], "float32", None, False)
