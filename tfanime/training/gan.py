"""The game of a generator and a discriminator."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import keras
import tensorflow as tf

from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.models.spectral import power_iterations
from tfanime.tag_sampling import TagSampler
from tfanime.tags import TagVocabulary
from tfanime.training.accumulation import Parts
from tfanime.training.game import Game
from tfanime.training.losses import LOSSES, Loss
from tfanime.training.players import require_players
from tfanime.training.replicas import own_part
from tfanime.training.tag_losses import FORMS, tag_accuracy, tag_loss
from tfanime.training.terms import Term


class GAN(Game):
    """A generator and a discriminator, trained by `fit` on batches of pictures.

    One training step is `critic_steps` updates of the discriminator, each on fresh pictures, and one of the generator.
    The generator's last forward pass serves both its own update and the discriminator's, which sees those fakes first
    (with `accumulate` it is made once more).
    An exponential moving average of the generator's weights (`ema_generator`, in inference mode) is what to draw with.

    What to keep of a trained game is `ema_generator.save("generator.keras")`. Resuming, randomness and several devices
    are as in every `Game`; its steps are the updates of the generator.

    Args:
        generator: Functional or sequential `keras.Model`, latents `[batch, latents.size]` -> pictures
            `[batch, height, width, 3]` in [-1, 1]. With a vocabulary its input is `[latents, tags]`, tags of +1 and -1
            `[batch, len(vocabulary)]`.
        discriminator: Built `keras.Model`, pictures -> logits `[batch]`; with a vocabulary, pictures -> (logits, tag
            logits `[batch, len(vocabulary)]`).
        latents: The `Latents` that the generator draws from; default: N(0, 1) of the generator's input size.
        vocabulary: The `tfanime.tags.TagVocabulary` of a game with tags (ACGAN, Odena et al. 2017); its priors decide
            which tags fakes are drawn with. None for a game without.
        ema_half_life: Images after which an old weight counts half in `ema_generator`, see `Game.average`.
        seed: Seed of the latents and of all else that is drawn.

    Raises:
        ValueError: The networks do not fit each other, see `require_players`, or a number is out of its range.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        latents: Latents | None = None,
        vocabulary: TagVocabulary | None = None,
        ema_half_life: float = 10_000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        if not ema_half_life > 0:
            raise ValueError(f"ema_half_life must be above 0 images. Received: {ema_half_life}")
        require_players(generator, discriminator, latents, vocabulary)
        self.generator = generator
        self.discriminator = discriminator
        self.latents = latents or Latents(size=generator.inputs[0].shape[-1])
        self.tag_sampler = TagSampler(vocabulary) if vocabulary else None
        self.ema_half_life = ema_half_life
        self.ema_generator = keras.models.clone_model(generator)
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer,
        discriminator_optimizer: keras.optimizers.Optimizer,
        loss: str | Loss,
        terms: Iterable[Term] = (),
        constraint: Callable[..., None] | None = None,
        adversarial_weight: float = 1.0,
        tag_weight: float = 1.0,
        exclusive_tags: Literal["sigmoid", "softmax"] = "sigmoid",
        **kwargs: Any,
    ) -> None:
        """Sets the rules of the game. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            terms: `Term`s that are added to the players' losses.
            constraint: Called with the discriminator's trainable weights after each of its updates, see
                `tfanime.training.constraints`.
            adversarial_weight: Factor of `loss` in both players' losses.
            tag_weight: Factor of the tags' loss there, in a game with tags.
            exclusive_tags: `"sigmoid"` or `"softmax"`, see `tfanime.training.tag_losses.tag_loss`.
            **kwargs: For `Game.set_players`: `gradient_clip`, `accumulate`, `jit_compile`, `run_eagerly`. With
                `accumulate` an update has the mean of its parts' gradients. It takes the memory of one part and another
                forward pass of the generator. Losses and terms are those of the whole batch but for what is a statistic
                of the batch and becomes one of a part: batch norm (whose moving averages move once a part), minibatch
                standard deviation, DRAGAN's standard deviation, the means of `relativistic_average`. Parts of several
                devices are together those of one.

        Raises:
            ValueError: `loss` is not known, or see `Game.set_players`.
        """
        if not isinstance(loss, Loss):
            if loss not in LOSSES:
                raise ValueError(f"loss must be a Loss or one of {', '.join(LOSSES)}. Received: {loss!r}")
            loss = LOSSES[loss]
        if exclusive_tags not in FORMS:
            raise ValueError(f"exclusive_tags must be one of {', '.join(FORMS)}. Received: {exclusive_tags!r}")
        players = {
            "generator": (self.generator, generator_optimizer),
            "discriminator": (self.discriminator, discriminator_optimizer),
        }
        self.set_players(players, terms, **kwargs)
        self.game = loss
        self.constraint = constraint
        self.adversarial_weight = adversarial_weight
        self.tag_weight = tag_weight
        self.exclusive_tags = exclusive_tags

    def call(self, inputs: Any) -> tf.Tensor:
        """Draws pictures with averaged weights.

        Args:
            inputs: Latents, float32 `[batch, latents.size]`; with a vocabulary `[latents, tags]`, tags of +1 and -1,
                float32 `[batch, len(vocabulary)]`.

        Returns:
            `[batch, height, width, 3]` in [-1, 1].
        """
        return self.ema_generator(inputs, training=False)

    @property
    def inputs(self) -> Inputs:
        """The `tfanime.inputs.Inputs` of the generator."""
        return Inputs(self.latents, self.tag_sampler.vocabulary if self.tag_sampler else None)

    def inputs_from_seeds(self, seeds: Any, wanted: Any = None) -> tf.Tensor | list[tf.Tensor]:
        """The generator's inputs that seeds name: latents `[batch, size]`, with a vocabulary `[latents, tags]`.

        Args:
            seeds: int64 `[batch]`.
            wanted: In a game with tags, which must hold or not, see `TagSampler.from_uniform`. Default: all are drawn.
        """
        return self.inputs.from_seeds(seeds, wanted)

    def train_step(self, data):
        """One step of the game.

        Args:
            data: Pictures, float32 in [-1, 1], `[batch, height, width, 3]` for one critic step or
                `[batch, critic_steps, height, width, 3]` for several; in a game with tags a pair of them and their
                tags (+1, -1, 0 for unknown), `[batch, len(vocabulary)]` or `[batch, critic_steps, len(vocabulary)]`.

        Returns:
            Scalars by name: both losses and their parts, the mean logits of the last critic step, the sums of the
            players' terms where there are some, accuracies where there are tags, and the norms of the gradients (with
            several devices only where they are clipped, because they would have to cross devices for that).

        Raises:
            ValueError: Tags are missing, or batches have no size that devices and parts can share.
        """
        images, tags, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.tag_sampler and tags is None:
            raise ValueError("data must be pairs of pictures and tags in a game with a vocabulary. Received: no tags")
        if images.shape.rank == 4:
            images = images[:, None]
            tags = None if tags is None else tags[:, None]
        count, critic_steps = self.rows(images), images.shape[1]
        step = self.present_step()
        parts = Parts(self.accumulate)
        for critic_step in range(critic_steps):
            number = step * critic_steps + critic_step  # of this update, over all steps
            last = critic_step == critic_steps - 1
            inputs = self.draw_inputs(count, number)
            reals = images[:, critic_step], tags[:, critic_step] if self.tag_sampler else None
            if last:
                power_iterations(self.generator)
            power_iterations(self.discriminator)
            for rows, (part_inputs, part_reals) in parts.of((inputs, reals)):
                fakes, generator_tape = self._fakes(part_inputs)
                draw = self.draws(count, number, rows)
                parts.add(self._discriminator_gradients(part_inputs, part_reals, fakes, step, draw, last))
            gradients, logs, states = parts.mean()
            norm = self.update(self.discriminator, self.discriminator_optimizer, gradients, self.constraint)
            self.keep(states, step)
        logs["discriminator_gradient_norm"] = norm
        for rows, (part_inputs, part_reals) in parts.of((inputs, reals)):
            if self.accumulate > 1:
                # The same pass again: to keep those of all parts would take the memory that parts are to save. What it
                # does to the network's statistics was done the first time.
                with keras.StatelessScope(initialize_variables=False):
                    fakes, generator_tape = self._fakes(part_inputs)
            draw = self.draws(count, number, rows, "generator")
            parts.add(self._generator_gradients(part_inputs, part_reals, fakes, generator_tape, step, draw))
        gradients, further, states = parts.mean()
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.keep(states, step)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.told(logs | further | {"generator_gradient_norm": norm})

    def _fakes(self, inputs):
        """Pictures for the generator's inputs, `(pictures, their tags or None)`, and the tape of the pass."""
        with tf.GradientTape() as tape:
            images = self.generator(inputs, training=True)
        return (images, inputs[1] if self.tag_sampler else None), tape

    def draw_inputs(self, count, number):
        """The generator's inputs for this device's part of the update of this number, `count` rows."""
        latents = own_part(lambda whole: self.latents.batch(whole, self.seed, number), count)
        if not self.tag_sampler:
            return latents
        return [latents, own_part(lambda whole: self.tag_sampler.batch(whole, self.seed, number), count)]

    def _judge(self, images):
        """The discriminator's `(logits, tag logits)`, float32; None for the latter in a game without tags."""
        outputs = self.discriminator(images, training=True)
        logits, tag_logits = outputs if self.tag_sampler else (outputs, None)
        return tf.cast(logits, tf.float32), tag_logits

    def _tag_loss(self, tags, tag_logits):
        return tf.reduce_mean(tag_loss(self.tag_sampler.vocabulary, tags, tag_logits, self.exclusive_tags))

    def _terms(self, player, step, reals, fakes, **sight):
        (images, tags), (fake_images, _) = reals, fakes
        shown = {"reals": images, "targets": tags, "fakes": fake_images, "generator": self.generator, **sight}
        return self.add_terms(player, step, judge=lambda images: self._judge(images)[0], **shown)

    def _discriminator_gradients(self, inputs, reals, fakes, step, draw, last):
        """The gradients of the discriminator's loss on these pictures, what to log, and the states of its terms."""
        (real_images, real_tags), (fake_images, fake_tags) = reals, fakes
        logs = {}
        with tf.GradientTape() as tape:
            real_logits, real_tag_logits = self._judge(real_images)
            fake_logits, fake_tag_logits = self._judge(tf.stop_gradient(fake_images))
            adversarial = self.game.discriminator(real_logits, fake_logits)
            losses = [self.adversarial_weight * adversarial]
            if self.tag_sampler:
                logs["discriminator_adversarial_loss"] = adversarial
                logs["real_tag_loss"] = self._tag_loss(real_tags, real_tag_logits)
                logs["fake_tag_loss"] = self._tag_loss(fake_tags, fake_tag_logits)
                losses.append(self.tag_weight * (logs["real_tag_loss"] + logs["fake_tag_loss"]))
            logs["discriminator_loss"] = tf.add_n(losses)
            logits = {"real_logits": real_logits, "fake_logits": fake_logits}
            terms, states = self._terms("discriminator", step, reals, fakes, inputs=inputs, draw=draw, **logits)
            total = tf.add_n([*losses, *terms])
        gradients = tape.gradient(total, self.discriminator.trainable_variables)
        if not last:
            return gradients, {}, states
        logs |= {name: tf.reduce_mean(values) for name, values in logits.items()}
        if self.tag_sampler:
            vocabulary = self.tag_sampler.vocabulary
            logs["real_tag_accuracy"] = tag_accuracy(vocabulary, real_tags, real_tag_logits)
            logs["fake_tag_accuracy"] = tag_accuracy(vocabulary, fake_tags, fake_tag_logits)
        if terms:
            logs["penalty"] = tf.add_n(terms)
        return gradients, logs, states

    def _generator_gradients(self, inputs, reals, fakes, generator_tape, step, draw):
        """The gradients of the generator's loss on the pictures of a pass, what to log, and the states of its terms."""
        fake_images, fake_tags = fakes
        variables = self.generator.trainable_variables
        logs = {}
        with tf.GradientTape() as tape:
            tape.watch(fake_images)
            logits, tag_logits = self._judge(fake_images)
            real_logits = self._judge(reals[0])[0] if self.game.paired else None
            adversarial = self.game.generator(logits, real_logits)
            loss = self.adversarial_weight * adversarial
            if self.tag_sampler:
                logs["generator_adversarial_loss"] = adversarial
                logs["generator_tag_loss"] = self._tag_loss(fake_tags, tag_logits)
                loss += self.tag_weight * logs["generator_tag_loss"]
            seen = {"inputs": inputs, "draw": draw, "real_logits": real_logits, "fake_logits": logits}
            terms, states = self._terms("generator", step, reals, fakes, **seen)
            total = tf.add_n([loss, *terms])
        logs["generator_loss"] = loss
        if terms:
            logs["generator_terms"] = tf.add_n(terms)
        # The chain rule by hand: from the loss to the pictures, then through the pass that drew them; and what terms
        # with a pass of their own reach directly.
        slopes, *direct = tape.gradient(total, [fake_images, *variables])
        through = generator_tape.gradient(fake_images, variables, output_gradients=slopes)
        return [_sum(*pair) for pair in zip(through, direct, strict=True)], logs, states


def _sum(first, second):
    """The sum of two gradients, of which each may be None."""
    if first is None or second is None:
        return second if first is None else first
    return first + second
