"""The recipes' training steps, written plainly in PyTorch: the same updates in the same order.

What each idiom spares: no gradients of the discriminator's weights in the generator's update, no graph behind fakes
that only the discriminator sees, one kernel for all of Adam, fakes of the last critic step for both updates.
"""

import contextlib
from dataclasses import dataclass

import pytorch_networks as networks
import torch
from torch.nn import functional
from torch.nn.utils import parametrize

from tfanime.tags import TagVocabulary


@dataclass(frozen=True)
class Draws:
    """Where a game's random numbers come from.

    Args:
        latent_size: Components of the latents, N(0, 1).
        vocabulary: The `TagVocabulary` of a game with tags.
    """

    latent_size: int
    vocabulary: TagVocabulary | None = None

    def latents(self, count):
        """float32 `[count, latent_size]`."""
        return torch.randn(count, self.latent_size)

    def tags(self, count):
        """Tags of fakes by the vocabulary's priors, float32 `[count, tags]` of +1 and -1; None without one."""
        if not self.vocabulary:
            return None
        priors, columns = self.vocabulary.priors, []
        for group in self.vocabulary.groups:
            if group.exclusive:
                weights = torch.tensor([priors.get(tag, 1 / len(group.tags)) for tag in group.tags])
                chosen = torch.multinomial(weights, count, replacement=True)
                columns.append(functional.one_hot(chosen, len(group.tags)) * 2.0 - 1.0)
            else:
                weights = torch.tensor([priors.get(tag, 0.25) for tag in group.tags])
                columns.append((torch.rand(count, len(group.tags)) < weights) * 2.0 - 1.0)
        return torch.cat(columns, 1)

    def alpha(self, count):
        """A penalty's place between two pictures, U[0, 1), float32 `[count]`."""
        return torch.rand(count)

    def noise(self, images):
        """A penalty's noise, U[0, 1), like `images`."""
        return torch.rand_like(images)


def non_saturating(real, fake):
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def hinge(real, fake):
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def wasserstein(real, fake):
    return fake.mean() - real.mean()


# The discriminator's and the generator's loss of logits.
LOSSES = {
    "dcgan": (non_saturating, lambda fake: functional.softplus(-fake).mean()),
    "sngan": (hinge, lambda fake: -fake.mean()),
    "wgan": (wasserstein, lambda fake: -fake.mean()),
    "wgan_gp": (wasserstein, lambda fake: -fake.mean()),
    "dragan": (non_saturating, lambda fake: functional.softplus(-fake).mean()),
}


def tag_loss(tags, tag_logits):
    """Summed over known tags, the batch's mean."""
    losses = functional.softplus(-tags * tag_logits)
    return torch.where(tags == 0, 0.0, losses).sum(1).mean()


def between_real_and_fake(real, fake, draws):
    """WGAN-GP's points."""
    return torch.lerp(real, fake, draws.alpha(len(real))[:, None, None, None])


def around_real(real, fake, draws):
    """DRAGAN's points."""
    del fake
    scale = 0.5 * real.std(correction=0) * draws.alpha(len(real))
    return real + scale[:, None, None, None] * draws.noise(real)


class Players:
    """A generator and a discriminator with their optimizers, and the generator's moving average.

    Args:
        config: The config of a recipe.
        generator: A module.
        discriminator: A module.
        updates: For each of both its updates a step.
        bfloat16: Whether layers compute in bfloat16 (autocast), instead of float32.
        channels_last: Whether maps lie in memory as `[batch, height, width, channels]`.
    """

    def __init__(self, config, generator, discriminator, updates=(1, 1), bfloat16=False, channels_last=True):
        self.config = config
        self.bfloat16 = bfloat16
        self.generator, self.discriminator = generator, discriminator
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        for network in (self.generator, self.discriminator):
            network.to(memory_format=self.memory_format)
        self.generator_optimizer, self.generator_decay = self._optimizer(self.generator, updates[0])
        self.discriminator_optimizer, self.discriminator_decay = self._optimizer(self.discriminator, updates[1])
        self.steps = 0

    def start_from(self, game):
        """Takes over the weights of a game in Keras, a `tfanime.training.GAN` or another of these two players.

        Raises:
            ValueError: Its networks are others.
        """
        networks.load_weights(self.generator, game.generator)
        networks.load_weights(self.discriminator, game.discriminator)
        self.average = [each.detach().clone() for each in self._averaged()]

    @contextlib.contextmanager
    def averaged(self):
        """Hands out the generator with its averaged weights and batch norm's averages, and without gradients."""
        present = [each.detach().clone() for each in self._averaged()]
        with torch.no_grad():
            torch._foreach_copy_(self._averaged(), self.average)
            try:
                yield self.generator.eval()
            finally:
                torch._foreach_copy_(self._averaged(), present)
                self.generator.train()

    def _autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16)

    def _averaged(self):
        return [each for each in self.generator.state_dict(keep_vars=True).values() if each.is_floating_point()]

    @torch.no_grad()
    def _average_generator(self, count):
        half_life = min(self.config.ema_half_life, 0.05 * self.steps * count)
        torch._foreach_lerp_(self.average, self._averaged(), 1 - 0.5 ** (count / half_life))

    def _optimizer(self, network, updates):
        config, parameters = self.config, list(network.parameters())
        if config.optimizer == "adam":
            optimizer = torch.optim.Adam(
                parameters, config.learning_rate, betas=(config.beta_1, config.beta_2), eps=1e-8, fused=True
            )
        elif config.optimizer == "rmsprop":
            optimizer = torch.optim.RMSprop(
                parameters, config.learning_rate, alpha=config.beta_2, momentum=config.beta_1, foreach=True
            )
        else:
            optimizer = torch.optim.SGD(parameters, config.learning_rate, momentum=config.beta_1, fused=True)
        begin = int(config.decay_begin * config.steps * updates)
        end = config.steps * updates

        def share(update):
            done = min(max((update - begin) / max(1, end - begin), 0.0), 1.0)
            return {"none": 1.0, "linear": 1.0 - done, "exponential": 0.1**done}[config.decay]

        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)


class Game(Players):
    """A generator and a discriminator in turns.

    Args:
        recipe: Name of the recipe.
        config: Its config.
        vocabulary: The `TagVocabulary` of a game with tags.
        bfloat16: Whether layers compute in bfloat16 (autocast), instead of float32.
        channels_last: Whether maps lie in memory as `[batch, height, width, channels]`.
    """

    def __init__(self, recipe, config, vocabulary=None, bfloat16=False, channels_last=True):
        self.vocabulary = vocabulary
        self.critic_steps = config.critic_steps
        self.losses = LOSSES[recipe]
        self.points = {"wgan_gp": between_real_and_fake, "dragan": around_real}.get(recipe)
        self.clip = getattr(config, "clip", None)
        self.draws = Draws(config.latent_size, vocabulary)
        tag_count = len(vocabulary or ())
        if recipe == "dragan":
            generator = networks.srresnet_generator(
                config.image_size, config.latent_size, config.generator_channels, config.generator_blocks, tag_count
            )
            discriminator = networks.srresnet_discriminator(
                config.image_size, config.discriminator_channels, config.discriminator_blocks, tag_count
            )
            self.penalty_weight = config.penalty or (0.5 if vocabulary else 10.0)
        else:
            norm = {"sngan": "spectral", "wgan_gp": "none"}.get(recipe, "batch")
            generator = networks.dcgan_generator(config.image_size, config.latent_size, config.channels)
            discriminator = networks.dcgan_discriminator(config.image_size, config.channels, norm)
            self.penalty_weight = getattr(config, "penalty", None)
        super().__init__(config, generator, discriminator, (1, self.critic_steps), bfloat16, channels_last)

    def bare_step(self, batch_size):
        """A function that makes one step, on one batch that is there already."""
        # Denormal numbers are slow, and TensorFlow, too, counts them as zeros.
        torch.set_flush_denormal(True)
        size = self.config.image_size
        real = [
            (torch.rand(batch_size, 3, size, size) * 2 - 1).to(memory_format=self.memory_format)
            for _ in range(self.critic_steps)
        ]
        tags = None
        if self.vocabulary:
            tags = [torch.rand(batch_size, len(self.vocabulary)).sub(0.5).sign() for _ in real]
        return lambda: self.step(real, tags)

    def step(self, real, real_tags=None):
        """One training step.

        Args:
            real: Pictures for each critic step, `[batch, 3, height, width]`.
            real_tags: Their tags, `[batch, tags]` of +1, -1 and 0.

        Returns:
            The losses' values by the names of `GAN.train_step`.
        """
        for number in range(self.critic_steps):
            last = number == self.critic_steps - 1
            latents, fake_tags = self.draws.latents(len(real[number])), self.draws.tags(len(real[number]))
            with contextlib.nullcontext() if last else torch.no_grad(), self._autocast():
                fake = self.generator(latents, fake_tags)
            values = self._update_discriminator(
                real[number], fake.detach(), real_tags[number] if self.vocabulary else None, fake_tags
            )
        values |= self._update_generator(fake, fake_tags)
        self.steps += 1
        self._average_generator(len(fake))
        return {name: value.item() for name, value in values.items()}

    def _update_discriminator(self, real, fake, real_tags, fake_tags):
        networks.power_iterations(self.discriminator)
        # One context for all passes: weights are normalized, and cast, once.
        with self._autocast(), parametrize.cached():
            real_logits, real_tag_logits = self._judge(real)
            fake_logits, fake_tag_logits = self._judge(fake)
            values = {"discriminator_loss": self.losses[0](real_logits, fake_logits)}
            if self.vocabulary:
                tag_losses = tag_loss(real_tags, real_tag_logits) + tag_loss(fake_tags, fake_tag_logits)
                values["discriminator_loss"] = self._weighted(values["discriminator_loss"], tag_losses)
            total = values["discriminator_loss"]
            if self.points:
                values["penalty"] = self.penalty_weight * self._penalty(self.points(real, fake, self.draws))
                total = total + values["penalty"]
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.discriminator_optimizer.step()
        self.discriminator_decay.step()
        if self.clip:
            with torch.no_grad():
                for weight in self.discriminator.parameters():
                    weight.clamp_(-self.clip, self.clip)
        return values

    def _penalty(self, points):
        points.requires_grad_()
        logits, _ = self._judge(points)
        (slopes,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
        norms = (slopes.square().sum((1, 2, 3)) + 1e-12).sqrt()
        return (norms - 1).square().mean()

    def _update_generator(self, fake, fake_tags):
        self.discriminator.requires_grad_(False)
        with self._autocast():
            logits, tag_logits = self._judge(fake)
            loss = self.losses[1](logits)
            if self.vocabulary:
                loss = self._weighted(loss, tag_loss(fake_tags, tag_logits))
        self.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.generator_optimizer.step()
        self.generator_decay.step()
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss}

    def _judge(self, images):
        logits, tag_logits = self.discriminator(images)
        return logits.float(), None if tag_logits is None else tag_logits.float()

    def _weighted(self, adversarial, tags):
        weights = self.config.loss_weights(self.vocabulary)
        return weights["adversarial_weight"] * adversarial + weights["tag_weight"] * tags
