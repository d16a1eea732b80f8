"""The game of a generator that enlarges pictures, and a discriminator that knows large ones."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tfanime.generator import Form
from tfanime.models.spectral import power_iterations
from tfanime.training.accumulation import Parts
from tfanime.training.game import Game, copy_for_average
from tfanime.training.losses import Loss, as_loss
from tfanime.training.terms import Sight, Term


def squared_error(sight: Sight) -> tf.Tensor:
    """E[(x - G(s))^2] of the true pictures x and their enlarged small ones s. Ledig et al. 2017, equation 4."""
    return tf.reduce_mean(tf.square(sight.reals - sight.fakes))


def shrunk(images: tf.Tensor, scale: int) -> tf.Tensor:
    """Pictures made small, each place the mean of `scale` x `scale`.

    Args:
        images: `[batch, height, width, 3]`, both multiples of `scale`.
        scale: How many times smaller.
    """
    return tf.nn.avg_pool2d(images, scale, scale, "VALID")


def inconsistency(small: tf.Tensor, enlarged: tf.Tensor) -> tf.Tensor:
    """E[|s - d(G(s))|], d `shrunk`: what an enlarged picture shows when it is made small again must be what it was made
    of."""
    return tf.reduce_mean(tf.abs(small - shrunk(enlarged, enlarged.shape[1] // small.shape[1])))


class Upscaling(Game):
    """A generator that enlarges pictures and a discriminator, trained by `fit` on small pictures with their large ones.

    Ledig et al. 2017 (SRGAN, arXiv 1609.04802). The first `pixel_steps` steps move the generator alone, by the squared
    error of its pictures (SRResNet). Afterwards a step is one update of each player, the discriminator's first, both
    with the same enlarged pictures: the generator's loss is the adversarial one with its weight, and its terms, above
    all a `tfanime.training.content.Content` of the reals.

    Where a step is also given small pictures of which there is no truth, drawn by another generator, they are enlarged
    as well. The discriminator sees them among the fakes, and `consistency_weight` says how much the generator is to
    keep them what they are. So it learns what drawn pictures need, while the terms hold it to pictures that are known.

    An exponential moving average of the generator's weights (`ema_generator`) is what to enlarge with.

    Args:
        generator: Functional `keras.Model`, pictures `[batch, height, width, 3]` in [-1, 1] -> larger ones.
        discriminator: Built `keras.Model`, large pictures -> logits `[batch, ...]`.
        form: The generator's `tfanime.generator.Form`, of kind `upscale`.
        ema_half_life: Pictures after which an old weight counts half in `ema_generator`, see `Game.average`.
        seed: Seed of all that is drawn.

    Raises:
        ValueError: A number is out of its range, or the form is of another kind.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        form: Form,
        *,
        ema_half_life: float = 10_000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        if not ema_half_life > 0:
            raise ValueError(f"ema_half_life must be above 0 pictures. Received: {ema_half_life}")
        if form.kind != "upscale":
            raise ValueError(f"form must be of kind upscale. Received: {form}")
        self.generator = generator
        self.discriminator = discriminator
        self.form = form
        self.ema_half_life = ema_half_life
        self.ema_generator = copy_for_average(generator)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        loss: str | Loss = "non_saturating",
        terms: Iterable[Term] = (),
        adversarial_weight: float = 1e-3,
        consistency_weight: float = 1.0,
        pixel_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        """Sets the rules of the game. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            terms: `Term`s of both players in the adversarial phase. The generator's are shown small pictures as
                `inputs`, the true ones as `reals`, the enlarged ones as `fakes`.
            adversarial_weight: Factor of `loss` in the generator's loss.
            consistency_weight: Factor of `inconsistency` of drawn pictures.
            pixel_steps: Steps in which the generator alone learns, by `squared_error`.
            **kwargs: For `Game.set_players`: `gradient_clip`, `accumulate`, `jit_compile`, `run_eagerly`.

        Raises:
            ValueError: `loss` is not known, or see `Game.set_players`.
        """
        loss = as_loss(loss)
        players = {
            "generator": (self.generator, generator_optimizer),
            "discriminator": (self.discriminator, discriminator_optimizer),
        }
        self.set_players(players, terms, **kwargs)
        self.game = loss
        self.adversarial_weight = adversarial_weight
        self.consistency_weight = consistency_weight
        self.pixel_steps = pixel_steps

    def call(self, small: tf.Tensor) -> tf.Tensor:
        """Enlarges pictures with averaged weights.

        Args:
            small: `[batch, height, width, 3]` in [-1, 1].

        Returns:
            `[batch, scale * height, scale * width, 3]` in [-1, 1].
        """
        return self.ema_generator(small, training=False)

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        """What `fit` calls: a step of the phase that the game is in."""
        if self.train_function is None or force:
            # Two graphs: a `tf.cond` would compute neither faster nor, on several devices, at all.
            first, later = self._make_function(self.pixel_step), self._make_function(self.train_step)
            self.train_function = lambda data: (first if self.step < self.pixel_steps else later)(data)
        return self.train_function

    def pixel_step(self, data: Any) -> dict[str, tf.Tensor]:
        """A step of the first phase.

        Args:
            data: See `train_step`; drawn pictures do not count.

        Returns:
            The generator's loss and the norm of its gradients, by name.
        """
        small, reals = data[:2]
        count = self.rows(small)
        parts = Parts(self.accumulate)
        for _, (part, truth) in parts.of((small, reals)):
            with tf.GradientTape() as tape:
                loss = squared_error(Sight(reals=truth, fakes=self.generator(part, training=True)))
            parts.add((tape.gradient(loss, self.generator.trainable_variables), {"generator_loss": loss}))
        gradients, logs = parts.mean()
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.as_logs(logs | {"generator_gradient_norm": norm})

    def train_step(self, data):
        """A step of the second phase, one update of each player.

        Args:
            data: `(small, large)` or `(small, large, drawn)`: float32 `[batch, height, width, 3]` in [-1, 1], the large
                pictures `scale` times as high and wide; `drawn` has the size of `small`.

        Returns:
            Scalars by name: both losses and the generator's parts, the mean logits, and the norms of the gradients
            (with several devices only where they are clipped).
        """
        small, reals, drawn = (*data, None)[:3]
        count, step = self.rows(small), self.present_step()
        parts = Parts(self.accumulate)
        power_iterations(self.discriminator)
        for rows, part in parts.of((small, reals, drawn)):
            fakes, generator_tape = self._fakes(part)
            parts.add(self._discriminator_gradients(part, fakes, step, self.draws(count, step, rows)))
        gradients, logs, states = parts.mean()
        norm = self.update(self.discriminator, self.discriminator_optimizer, gradients)
        logs["discriminator_gradient_norm"] = norm
        self.keep(states, step)
        for rows, part in parts.of((small, reals, drawn)):
            if self.accumulate > 1:  # the same pass again: to keep those of all parts would take their memory
                with keras.StatelessScope(initialize_variables=False):
                    fakes, generator_tape = self._fakes(part)
            draw = self.draws(count, step, rows, "generator")
            parts.add(self._generator_gradients(part, fakes, generator_tape, step, draw))
        gradients, further, states = parts.mean()
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.keep(states, step)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.as_logs(logs | further | {"generator_gradient_norm": norm})

    def _fakes(self, part):
        """All small pictures enlarged, those without truth behind the others, and the tape of the pass."""
        small, _, drawn = part
        with tf.GradientTape() as tape:
            # One pass: batch norm, whose statistics are of the batch, must know both.
            return self.generator(small if drawn is None else tf.concat([small, drawn], 0), training=True), tape

    def _logits(self, images):
        return tf.cast(self.discriminator(images, training=True), tf.float32)

    def _terms(self, player, step, part, fakes, draw, **logits):
        small, reals, _ = part
        known = fakes[: tf.shape(small)[0]]
        seen = {"inputs": small, "reals": reals, "fakes": known, "generator": self.generator}
        return self.add_terms(
            player, step, logits_of=lambda images, tags=None: self._logits(images), draw=draw, **seen, **logits
        )

    def _discriminator_gradients(self, part, fakes, step, draw):
        fakes = tf.stop_gradient(fakes)
        with tf.GradientTape() as tape:
            logits = {"real_logits": self._logits(part[1]), "fake_logits": self._logits(fakes)}
            loss = self.game.discriminator(*logits.values())
            terms, states = self._terms("discriminator", step, part, fakes, draw, **logits)
            total = tf.add_n([loss, *terms])
        logs = {"discriminator_loss": loss} | {name: tf.reduce_mean(each) for name, each in logits.items()}
        if terms:
            logs["penalty"] = tf.add_n(terms)
        return tape.gradient(total, self.discriminator.trainable_variables), logs, states

    def _generator_gradients(self, part, fakes, generator_tape, step, draw):
        small, reals, drawn = part
        with tf.GradientTape() as tape:
            tape.watch(fakes)
            logits = self._logits(fakes)
            real_logits = self._logits(reals) if self.game.paired else None
            adversarial = self.game.generator(logits, real_logits)
            losses = [self.adversarial_weight * adversarial]
            logs = {"generator_adversarial_loss": adversarial}
            seen = {"real_logits": real_logits, "fake_logits": logits}
            terms, states = self._terms("generator", step, part, fakes, draw, **seen)
            names = [term.name for term in self.terms if term.player == "generator"]
            for name, value in zip((f"generator_{name.lower()}" for name in names), terms, strict=True):
                logs[name] = logs[name] + value if name in logs else value
            if drawn is not None:
                logs["inconsistency"] = inconsistency(drawn, fakes[tf.shape(small)[0] :])
                losses.append(self.consistency_weight * logs["inconsistency"])
            logs["generator_loss"] = total = tf.add_n([*losses, *terms])
        slope = tape.gradient(total, fakes)
        # The chain rule by hand: from the losses to the pictures, then through the pass that drew them.
        variables = self.generator.trainable_variables
        return generator_tape.gradient(fakes, variables, output_gradients=slope), logs, states
