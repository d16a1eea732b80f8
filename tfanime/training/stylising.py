"""The game of a generator that turns photos into drawings, and a discriminator that knows drawings."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tfanime.generator import Form
from tfanime.models.spectral import power_iterations
from tfanime.training.accumulation import Parts
from tfanime.training.content import Content
from tfanime.training.game import Game, copy_for_average
from tfanime.training.losses import Loss, as_loss
from tfanime.training.terms import Term
from tfanime.training.weighing import Weighing, size

ADVERSARIAL = "adversarial"


class Stylising(Game):
    """A generator from photos to drawings and a discriminator of drawings, trained by `fit` on both kinds of pictures.

    Chen et al. 2018 (CartoonGAN, CVPR). No photo belongs to a drawing. What keeps the photo's content are terms; what
    makes it a drawing is the discriminator, which is shown drawings as real, and as fakes the generator's pictures and
    those of `tfanime.training.cartoon_terms.Negative`.

    The first `content_steps` steps move the generator alone, by its `Content` terms (section 3.3): it learns to give
    photos back before it is asked to change them. A step afterwards is one update of each player, the discriminator's
    first, both with the same generated pictures.

    An exponential moving average of the generator's weights (`ema_generator`) is what to draw with.

    Args:
        generator: Functional `keras.Model`, photos `[batch, height, width, 3]` in [-1, 1] -> drawings of the same shape
            and range.
        discriminator: Built `keras.Model`, pictures -> logits `[batch, ...]`, one a picture or one a patch.
        form: The generator's `tfanime.generator.Form`, of kind `stylise`.
        ema_half_life: Photos after which an old weight counts half in `ema_generator`, see `Game.average`.
        seed: Seed of all that is drawn.

    Raises:
        ValueError: The generator gives other pictures than it takes, the form is of another kind, or a number is out of
            its range.
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
            raise ValueError(f"ema_half_life must be above 0 photos. Received: {ema_half_life}")
        taken, given = tuple(generator.inputs[0].shape), tuple(generator.outputs[0].shape)
        if len(generator.inputs) != 1 or len(taken) != 4 or taken[-1] != 3 or taken != given:
            raise ValueError(
                f"generator must give pictures of the size that it takes. Received: one from "
                f"{[tuple(each.shape) for each in generator.inputs]} to {given}"
            )
        if form.kind != "stylise":
            raise ValueError(f"form must be of kind stylise. Received: {form.kind!r}")
        self.form = form
        self.generator = generator
        self.discriminator = discriminator
        self.ema_half_life = ema_half_life
        self.ema_generator = copy_for_average(generator)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        loss: str | Loss = "least_squares",
        terms: Iterable[Term] = (),
        adversarial_weight: float = 1.0,
        content_steps: int = 0,
        weighing: Weighing | None = None,
        augmentation: Any = None,
        **kwargs: Any,
    ) -> None:
        """Sets the rules of the game. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            terms: `Term`s of both players. The generator's are shown photos as `inputs`, drawings as `reals` and their
                smoothed versions as `targets`; their gradients go through the generated pictures.
            adversarial_weight: Factor of `loss` in the generator's loss.
            content_steps: Steps in which the generator alone learns, by its `Content` terms.
            weighing: What sets the weights of the generator's losses after these steps, which are multiplied by those
                of the terms; None for none.
            augmentation: The `tfanime.training.augment.Augmentation` of all pictures that the discriminator sees, one
                without a state.
            **kwargs: For `Game.set_players`: `gradient_clip`, `accumulate`, `jit_compile`, `run_eagerly`.

        Raises:
            ValueError: `loss` is not known, there is no content to learn in `content_steps`, the weighing has other
                parts than the generator's loss, two of these have one name, or see `Game.set_players`.
        """
        loss = as_loss(loss)
        terms = tuple(terms)
        players = {
            "generator": (self.generator, generator_optimizer),
            "discriminator": (self.discriminator, discriminator_optimizer),
        }
        self.set_players(players, terms, **kwargs)
        names = [ADVERSARIAL, *(term.name for term in terms if term.player == "generator")]
        if len(set(names)) < len(names):
            raise ValueError(f"terms of the generator must have functions of different names. Received: {names[1:]}")
        if content_steps and not self._contents:
            raise ValueError(f"content_steps must be 0 without a Content term. Received: {content_steps}")
        if weighing and set(weighing.shares) != set(names):
            raise ValueError(f"weighing.shares must be of {', '.join(names)}. Received: {', '.join(weighing.shares)}")
        if weighing and self.accumulate > 1:
            raise ValueError(f"accumulate must be 1 with a weighing. Received: {self.accumulate}")
        if augmentation and augmentation.state:
            raise ValueError(f"augmentation must be one without a state. Received: {augmentation.kind!r}")
        if weighing:
            self.make_state(weighing)
        self.game = loss
        self.adversarial_weight = adversarial_weight
        self.content_steps = content_steps
        self.weighing = weighing
        self.augmentation = augmentation

    @property
    def _contents(self):
        return [term for term in self.terms if term.player == "generator" and isinstance(term.function, Content)]

    def call(self, photos: tf.Tensor) -> tf.Tensor:
        """Turns photos into drawings with averaged weights.

        Args:
            photos: `[batch, height, width, 3]` in [-1, 1].

        Returns:
            Drawings of the same shape and range.
        """
        return self.ema_generator(photos, training=False)

    def weights_of_losses(self) -> dict[str, float]:
        """The present weight of each part of the generator's loss by name, the terms' own included."""
        own = {ADVERSARIAL: self.adversarial_weight}
        own |= {term.name: term.weight for term in self.terms if term.player == "generator"}
        own = {name: float(weight(self.step) if callable(weight) else weight) for name, weight in own.items()}
        if not self.weighing:
            return own
        return {name: own[name] * float(weight) for name, weight in self._present_weights().items()}

    def make_train_function(self, force: bool = False) -> Callable[..., Any]:
        """What `fit` calls: a step of the phase that the game is in."""
        if self.train_function is None or force:
            # A graph for each: a `tf.cond` would compute neither faster nor, on several devices, at all.
            steps = [self.content_step, self.train_step, functools.partial(self.train_step, weighed=True)]
            first, then, last = (self._make_function(each) for each in steps)
            weighed = self.content_steps + self.weighing.steps if self.weighing else float("inf")
            self.train_function = lambda data: (
                first if self.step < self.content_steps else then if self.step < weighed else last
            )(data)
        return self.train_function

    def content_step(self, data: Any) -> dict[str, tf.Tensor]:
        """A step of the first phase.

        Args:
            data: See `train_step`; the photos alone count.

        Returns:
            The generator's loss and the norm of its gradients, by name.
        """
        photos = data[0]
        count, step = self.rows(photos), self.present_step()
        parts = Parts(self.accumulate)
        variables = self.generator.trainable_variables
        for rows, part in parts.of(photos):
            with tf.GradientTape() as tape:
                fakes = tf.cast(self.generator(part, training=True), tf.float32)
                draw = self.draws(count, step, rows, "generator")
                values, states = self.add_terms(
                    "generator", step, among=self._contents, inputs=part, fakes=fakes, draw=draw
                )
                total = tf.add_n(values)
            parts.add((tape.gradient(total, variables), {"generator_loss": total}, states))
        gradients, logs, states = parts.mean()
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.keep(states, step)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.as_logs(logs | {"generator_gradient_norm": norm})

    def train_step(self, data, weighed=False):
        """A step of the second phase, one update of each player.

        Args:
            data: `(photos, drawings, smoothed drawings)`, or a pair without the last, all float32
                `[batch, height, width, 3]` in [-1, 1].
            weighed: Whether the weighing's steps are over: one backward pass for all losses is enough then.

        Returns:
            Scalars by name: both losses, the terms' weighted values, the mean logits, and the norms of the gradients
            (with several devices only where they are clipped).
        """
        photos, reals, smooth = (*data, None)[:3]
        count, step = self.rows(photos), self.present_step()
        parts = Parts(self.accumulate)
        power_iterations(self.discriminator)
        for rows, part in parts.of((photos, reals, smooth)):
            fakes, generator_tape = self._fakes(part[0])
            parts.add(self._discriminator_gradients(*part, fakes, step, self.draws(count, step, rows)))
        gradients, logs, states = parts.mean()
        norm = self.update(self.discriminator, self.discriminator_optimizer, gradients)
        logs["discriminator_gradient_norm"] = norm
        self.keep(states, step)
        for rows, part in parts.of((photos, reals, smooth)):
            if self.accumulate > 1:  # the same pass again: to keep those of all parts would take their memory
                with keras.StatelessScope(initialize_variables=False):
                    fakes, generator_tape = self._fakes(part[0])
            draw = self.draws(count, step, rows, "generator")
            parts.add(self._generator_gradients(*part, fakes, generator_tape, step, draw, weighed))
        gradients, further, states = parts.mean()
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.keep(states, step)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.as_logs(logs | further | {"generator_gradient_norm": norm})

    def _fakes(self, photos):
        with tf.GradientTape() as tape:
            return tf.cast(self.generator(photos, training=True), tf.float32), tape

    def _logits(self, images, draw, side):
        """Logits, float32; the pictures are augmented first, in one way for each side."""
        if self.augmentation:
            images = self.augmentation(
                images, lambda name, *shape, **kind: draw(f"augment {side} {name}", *shape, **kind)
            )
        return tf.cast(self.discriminator(images, training=True), tf.float32)

    def _sight(self, photos, reals, smooth, fakes, draw):
        return {
            "inputs": photos,
            "reals": reals,
            "targets": smooth,
            "fakes": fakes,
            "logits_of": lambda images, tags=None: self._logits(images, draw, "reals"),
            "draw": draw,
            "shared": {},
        }

    def _discriminator_gradients(self, photos, reals, smooth, fakes, step, draw):
        fakes = tf.stop_gradient(fakes)
        with tf.GradientTape() as tape:
            logits = {
                "real_logits": self._logits(reals, draw, "reals"),
                "fake_logits": self._logits(fakes, draw, "fakes"),
            }
            loss = self.game.discriminator(*logits.values())
            sight = self._sight(photos, reals, smooth, fakes, draw)
            terms, states = self.add_terms("discriminator", step, **sight, **logits)
            total = tf.add_n([loss, *terms])
        logs = {"discriminator_loss": loss} | {name: tf.reduce_mean(each) for name, each in logits.items()}
        if terms:
            logs["penalty"] = tf.add_n(terms)
        return tape.gradient(total, self.discriminator.trainable_variables), logs, states

    def _generator_gradients(self, photos, reals, smooth, fakes, generator_tape, step, draw, weighed):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(fakes)
            logits = self._logits(fakes, draw, "fakes")
            real_logits = self._logits(reals, draw, "reals") if self.game.paired else None
            values = {ADVERSARIAL: self.adversarial_weight * self.game.generator(logits, real_logits)}
            sight = self._sight(photos, reals, smooth, fakes, draw)
            terms, states = self.add_terms("generator", step, **sight, real_logits=real_logits, fake_logits=logits)
            names = [term.name for term in self.terms if term.player == "generator"]
            values |= dict(zip(names, terms, strict=True))
            if weighed:
                weights = self._present_weights()
                values = {name: weights[name] * value for name, value in values.items()}
            total = tf.add_n(list(values.values()))
        logs = {}
        if self.weighing and not weighed:
            slopes = {name: tape.gradient(value, fakes) for name, value in values.items()}
            weights = self._weigh({name: size(slope) for name, slope in slopes.items()})
            values = {name: weights[name] * value for name, value in values.items()}
            slope = tf.add_n([weights[name] * slope for name, slope in slopes.items()])
        else:
            slope = tape.gradient(total, fakes)
        if self.weighing:
            logs |= {f"weight_{name.lower()}": weight for name, weight in weights.items()}
        logs["generator_loss"] = values.pop(ADVERSARIAL)
        logs |= {f"generator_{name.lower()}": value for name, value in values.items()}
        # The chain rule by hand: from the losses to the pictures, then through the pass that drew them.
        variables = self.generator.trainable_variables
        return generator_tape.gradient(fakes, variables, output_gradients=slope), logs, states

    def _weigh(self, sizes):
        """Moves the weighing's state by the gradients' sizes of this step; the weights by name."""
        variables = self.state_of(self.weighing)
        state = {name: tf.convert_to_tensor(variable) for name, variable in variables.items()}
        state = self.weighing.next_state(state, sizes)
        for name, value in state.items():
            variables[name].assign(value)
        return self.weighing.weights(state)

    def _present_weights(self):
        """The weighing's weights by name."""
        state = {name: tf.convert_to_tensor(value) for name, value in self.state_of(self.weighing).items()}
        return self.weighing.weights(state)
