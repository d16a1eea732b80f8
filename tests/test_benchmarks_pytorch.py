"""What each recipe computes is what its transcription into plain PyTorch computes; `nox -s torch` has PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

torch = pytest.importorskip("torch")

import pytorch_games  # noqa: E402
import pytorch_networks  # noqa: E402
import pytorch_training  # noqa: E402
from games import GAMES, Game  # noqa: E402

from tfanime.tags import JIN34  # noqa: E402

RECIPES = [name for name in GAMES if GAMES[name].published is None]
STEPS, BATCH = 2, 4


class DrawsOfTheGAN:
    """The random numbers that the game in Keras draws, for the one in PyTorch."""

    def __init__(self, gan):
        self.gan = gan
        self.number = -1

    def latents(self, count):
        self.number += 1
        inputs = self.gan.draw_inputs(count, self.number)
        latents, self._tags = inputs if self.gan.tag_sampler else (inputs, None)
        return torch.from_numpy(latents.numpy())

    def tags(self, count):
        return None if self._tags is None else torch.from_numpy(self._tags.numpy())

    def alpha(self, count):
        return torch.from_numpy(self.gan.draws(count, self.number)("alpha").numpy())

    def noise(self, images):
        batch, channels, height, width = images.shape
        noise = self.gan.draws(batch, self.number)("noise", (height, width, channels))
        return torch.from_numpy(noise.numpy()).permute(0, 3, 1, 2)


def both(name, **changes):
    """A small game of the recipe in Keras, and in PyTorch with the same weights, which are not as small as new ones."""
    small = {"image_size": 64, "batch_size": BATCH, "steps": 10}
    small |= {key: value for key, value in GAMES[name].small.items() if key != "image_size"}
    if name == "wgan":
        small["clip"] = 0.3  # or the generator's gradients are as small as the optimizer's epsilon
    keras.utils.set_random_seed(1)
    game = Game(name, "float32", JIN34, **small, **changes)
    for kernel in game.gan.discriminator.trainable_weights:
        if len(kernel.shape) > 1:  # a critic whose slopes are about 1, where penalties bend
            kernel.assign(kernel * (0.4 / np.std(kernel)) / np.sqrt(np.prod(kernel.shape[:-1]) / 10))
    return game, in_pytorch(name, game)


def in_pytorch(name, game):
    twin = pytorch_games.Game(GAMES[name].recipe, game.config, game.vocabulary)
    twin.start_from(game.gan)
    twin.draws = DrawsOfTheGAN(game.gan)
    return twin


def play(game, twin):
    """Lets both play; returns their losses step by step."""
    random = np.random.default_rng(0)
    config, size = game.config, game.config.image_size
    critic_steps = getattr(config, "critic_steps", 1)
    step = tf.function(lambda batch: game.strategy.run(game.gan.train_step, args=(batch,)))
    values = []
    for _ in range(STEPS):
        images = random.uniform(-1, 1, (BATCH, critic_steps, size, size, 3)).astype(np.float32)
        tags = random.integers(-1, 2, (BATCH, critic_steps, len(JIN34))).astype(np.float32)
        logs = step((images, tags) if game.vocabulary else images)
        found = twin.step(
            torch.from_numpy(images.transpose(1, 0, 4, 2, 3).copy()), torch.from_numpy(tags.swapaxes(0, 1).copy())
        )
        values.append({name: (float(logs[name]), value) for name, value in found.items()})
    return values


def states(game):
    """All weights of the game by name, BatchNorm's variances but those, which the two count differently, left out."""
    return {
        f"{player}.{name}": value.clone()
        for player in ("generator", "discriminator")
        for name, value in getattr(game, player).state_dict().items()
        if value.is_floating_point() and not name.endswith(("running_var", "0.v"))
    }


@pytest.mark.parametrize("name", RECIPES)
def test_losses_penalties_and_gradients_equal_pytorch(name):
    # One unit of plain SGD: what the weights move by is the gradients of all updates.
    game, twin = both(name, optimizer="sgd", learning_rate=1e-3, beta_1=0.0, decay="linear")
    before = states(twin)
    for step in play(game, twin):
        assert ("penalty" in step) == (name in ("wgan_gp", "dragan"))
        for loss, (found, expected) in step.items():
            assert found == pytest.approx(expected, rel=1e-4, abs=1e-6), loss
    found, expected = states(in_pytorch(name, game)), states(twin)
    for player in ("generator", "discriminator"):
        names = [key for key in before if key.startswith(player)]
        moved = {key: float((expected[key] - before[key]).norm()) for key in names}
        assert max(moved.values()) > 1e-4
        for key in names:
            # A bias before a norm moves by nothing but rounding, hence the second part of the bound.
            bound = 2e-3 * moved[key] + 1e-6 * max(moved.values())
            assert float((found[key] - expected[key]).norm()) <= bound, key


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_updates_equal_pytorch(name):
    game, twin = both(name)
    before = states(twin)
    play(game, twin)
    found, expected = states(in_pytorch(name, game)), states(twin)
    for key in before:
        if before[key].dim() > 1:  # Adam makes steps of the noise where the gradient is zero, at some biases
            off, moved = (float((others[key] - expected[key]).norm()) for others in (found, before))
            assert off <= 5e-2 * moved, key
    for player in ("generator_optimizer", "discriminator_optimizer"):
        # Two steps tell little of how long the optimizer remembers.
        ours, theirs = getattr(game.gan, player), getattr(twin, player).param_groups[0]
        if name == "wgan":
            assert (theirs["alpha"], theirs["momentum"]) == (ours.rho, ours.momentum)
        else:
            assert (theirs["betas"], theirs["eps"]) == ((ours.beta_1, ours.beta_2), ours.epsilon)


def test_average_equals_pytorch():
    game, twin = both("dcgan", ema_half_life=12.0)
    generator = game.gan.generator
    generator.set_weights([3 * weight for weight in generator.get_weights()])
    pytorch_networks.load_weights(twin.generator, generator)
    game.gan.generator_optimizer.iterations.assign(100)  # past the first images, of which less is kept
    twin.steps = 100
    gan = game.gan
    game.strategy.run(lambda: gan.average(gan.ema_generator, generator, BATCH, gan.ema_half_life))
    twin._average_generator(BATCH)
    generator.set_weights(game.gan.ema_generator.get_weights())
    for ours, theirs in zip(in_pytorch("dcgan", game).average, twin.average, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_different_networks_are_refused():
    game, _ = both("dcgan")
    other = pytorch_games.Game("wgan_gp", GAMES["wgan_gp"].config(**{**GAMES["wgan_gp"].small, "image_size": 64}))
    with pytest.raises(ValueError, match="network must have"):
        other.start_from(game.gan)


@pytest.mark.parametrize("flags", ["--recipe=wgan", "--recipe=dragan"])
def test_both_frameworks_are_trained_and_evaluated(flags, shards, tmp_path, capsys):
    common = "--image_size=32 --batch_size=8 --steps=2 --every=1 --samples=24 --precision=float32"
    pytorch_training.main(f"{flags} {common} --data={shards} --out={tmp_path}".split())
    found = [line.split(" | ")[:4] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[:2] for row in found] == [[f"| {name}", step] for name in ("PyTorch", "tfanime") for step in "12"]
    distances = [float(row[3]) for row in found]
    assert distances[:2] == pytest.approx(distances[2:], rel=0.1)  # two steps from the same weights
    assert {path.name for path in tmp_path.iterdir()} == {"PyTorch.png", "tfanime.png"}


def test_averaged_weights_are_used_and_restored():
    _, twin = both("dragan")
    present = {name: value.clone() for name, value in twin.generator.state_dict().items()}
    twin.average = [value + 1 for value in twin.average]
    with twin.averaged() as generator:
        assert not generator.training
        assert all((generator.state_dict()[name] != present[name]).any() for name, _ in generator.named_parameters())
    assert twin.generator.training
    assert all((value == present[name]).all() for name, value in twin.generator.state_dict().items())
