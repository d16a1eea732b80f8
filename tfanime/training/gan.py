"""`GAN`: a generator and a discriminator."""

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
from tfanime.training.game import Game, copy_for_average
from tfanime.training.losses import LOSSES, Loss, as_loss
from tfanime.training.players import predicts_tags, require_players, sees_tags
from tfanime.training.replicas import mean_over_replicas, own_part
from tfanime.training.tag_losses import FORMS, SIDES, shown, tag_accuracy, tag_loss
from tfanime.training.terms import Term


class GAN(Game):
    """A generator and a discriminator, trained by `fit` on batches of pictures.

    One training step is `critic_steps` updates of the discriminator, each on fresh pictures, and one of the generator.
    The generator's last forward pass serves both its own update and the discriminator's, which sees those fakes first
    (with `accumulate` it is made once more).
    Draw avatars with `ema_generator`, the exponential moving average of the generator, in inference mode.

    Save the result by `ema_generator.save("generator.keras")`. Resuming, randomness and several devices are as in every
    `Game`; steps are updates of the generator.

    Args:
        generator: Functional or sequential `keras.Model`, latents `[batch, latents.size]` -> pictures
            `[batch, height, width, 3]` in [-1, 1]. With a vocabulary its input is `[latents, tags]`, tags of +1 and -1
            `[batch, len(vocabulary)]`. Further inputs with a name in `tfanime.inputs.NOISES` are given N(0, 1).
        discriminator: Built `keras.Model`, pictures -> logits `[batch]`. With a vocabulary it gives (logits, tag logits
            `[batch, len(vocabulary)]`), or it takes `[pictures, tags]` and decides whether they belong together (Miyato
            and Koyama 2018), or both. Unknown tags of a real picture are 0 in its input. The fake at the same place of
            the batch has zeros there too, so that zeros do not tell reals from fakes.
        latents: The `Latents` that the generator draws from; default: N(0, 1) of the generator's input size.
        vocabulary: The `tfanime.tags.TagVocabulary` of a conditional GAN; its priors decide which tags fakes are drawn
            with. None without tags.
        ema_half_life: Half-life in images of the average `ema_generator`, see `Game.average`.
        seed: Seed of the latents and of all other random numbers.

    Raises:
        ValueError: The networks do not fit together, see `require_players`, or a number is out of its range.
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
        self.sees_tags = bool(vocabulary) and sees_tags(discriminator)
        self.predicts_tags = bool(vocabulary) and predicts_tags(discriminator)
        self.ema_half_life = ema_half_life
        self.ema_generator = copy_for_average(generator)

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
        tag_loss_on: Literal["both", "reals"] = "both",
        shared_tags: bool = False,
        draw_images: Callable[..., tf.Tensor] | None = None,
        augmentation: Any = None,
        **kwargs: Any,
    ) -> None:
        """Sets losses, terms and optimizers. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            terms: `Term`s that are added to the players' losses.
            constraint: Called with the discriminator's trainable weights after each of its updates, see
                `tfanime.training.constraints`.
            adversarial_weight: Weight of `loss` in both players' losses.
            tag_weight: Weight of the tag loss in both players' losses, if the discriminator predicts tags.
            exclusive_tags: `"sigmoid"` or `"softmax"`, see `tfanime.training.tag_losses.tag_loss`.
            tag_loss_on: Pictures from which the discriminator learns tags: `"both"`, reals and fakes (Odena et al.
                2017), or `"reals"`, so that it does not learn from the generator's mistakes. The generator's loss stays
                the same.
            shared_tags: Whether the i-th fake is drawn with the tags of the i-th real picture, as far as they are
                known, instead of tags of its own.
            draw_images: (generator, inputs, draw) -> fakes, called in training; see `Sight` for `draw`. Default:
                `generator(inputs, training=True)`.
            augmentation: The `tfanime.training.augment.Augmentation` of all pictures that the discriminator sees.
                Pictures that terms pass to `Sight.logits_of` are augmented as the reals of the same update.
            **kwargs: For `Game.set_players`: `gradient_clip`, `accumulate`, `jit_compile`, `run_eagerly`. With
                `accumulate` an update uses the mean of its parts' gradients. It takes the memory of one part and one
                more forward pass of the generator. Losses and terms are those of the whole batch, except that
                statistics of the batch become those of a part: batch norm (whose moving averages move once a part),
                minibatch standard deviation, DRAGAN's standard deviation, the means of `relativistic_average`. Parts of
                several devices are together those of one device.

        Raises:
            ValueError: `loss` is not known, `augmentation` is ADA with a loss whose logits have no zero, or see
                `Game.set_players`.
        """
        loss = as_loss(loss)
        if exclusive_tags not in FORMS:
            raise ValueError(f"exclusive_tags must be one of {', '.join(FORMS)}. Received: {exclusive_tags!r}")
        if tag_loss_on not in SIDES:
            raise ValueError(f"tag_loss_on must be one of {', '.join(SIDES)}. Received: {tag_loss_on!r}")
        players = {
            "generator": (self.generator, generator_optimizer),
            "discriminator": (self.discriminator, discriminator_optimizer),
        }
        self.set_players(players, terms, **kwargs)
        if augmentation and augmentation.kind == "ada" and not loss.signed:
            signed = ", ".join(name for name, each in LOSSES.items() if each.signed)
            raise ValueError(
                "augment must be none or diffaugment with this loss: ada counts logits above 0, which mean 'real' for "
                f"the losses {signed} alone. Received: 'ada'"
            )
        if augmentation:
            self.make_state(augmentation)
        self.augmentation = augmentation
        self.game = loss
        self.constraint = constraint
        self.adversarial_weight = adversarial_weight
        self.tag_weight = tag_weight
        self.exclusive_tags = exclusive_tags
        self.tag_loss_on = tag_loss_on
        self.shared_tags = shared_tags
        self.draw_images = draw_images or (lambda generator, inputs, draw: generator(inputs, training=True))

    def call(self, inputs: Any) -> tf.Tensor:
        """Draws pictures with averaged weights.

        Args:
            inputs: See `tfanime.inputs.Inputs`.

        Returns:
            `[batch, height, width, 3]` in [-1, 1].
        """
        return self.ema_generator(inputs, training=False)

    @property
    def inputs(self) -> Inputs:
        """The `tfanime.inputs.Inputs` of the generator."""
        vocabulary = self.tag_sampler.vocabulary if self.tag_sampler else None
        return Inputs.of_network(self.generator, self.latents, vocabulary)

    def inputs_from_seeds(self, seeds: Any, wanted: Any = None) -> tf.Tensor | list[tf.Tensor]:
        """The generator's inputs for seeds, see `tfanime.inputs.Inputs`.

        Args:
            seeds: int64 `[batch]`.
            wanted: Tags that must hold or must not, see `TagSampler.from_uniform`. Default: all tags are drawn.
        """
        return self.inputs.from_seeds(seeds, wanted)

    def train_step(self, data):
        """One training step.

        Args:
            data: Pictures, float32 in [-1, 1], `[batch, height, width, 3]` for one critic step or
                `[batch, critic_steps, height, width, 3]` for several; in a game with tags a pair of them and their
                tags (+1, -1, 0 for unknown), `[batch, len(vocabulary)]` or `[batch, critic_steps, len(vocabulary)]`.

        Returns:
            Scalars by name: both losses and their parts, the mean logits of the last critic step, the sums of the
                players' terms if there are any, accuracies if there are tags, and the norms of the gradients (on
                several devices only if gradients are clipped, because norms need communication).

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
            reals = images[:, critic_step], tags[:, critic_step] if self.tag_sampler else None
            inputs = self.draw_inputs(count, number, reals[1])
            if last:
                power_iterations(self.generator)
            power_iterations(self.discriminator)
            for rows, (part_inputs, part_reals) in parts.of((inputs, reals)):
                draw = self.draws(count, number, rows)
                fakes, generator_tape = self._fakes(part_inputs, draw)
                parts.add(self._discriminator_gradients(part_inputs, part_reals, fakes, step, draw, last))
            gradients, logs, states = parts.mean()
            norm = self.update(self.discriminator, self.discriminator_optimizer, gradients, self.constraint)
            self.keep(states, step)
        logs["discriminator_gradient_norm"] = norm
        for rows, (part_inputs, part_reals) in parts.of((inputs, reals)):
            if self.accumulate > 1:
                # The same pass again: keeping the passes of all parts would need the memory that parts save. The
                # network's statistics were updated in the first pass.
                with keras.StatelessScope(initialize_variables=False):
                    fakes, generator_tape = self._fakes(part_inputs, self.draws(count, number, rows))
            draw = self.draws(count, number, rows, "generator")
            parts.add(self._generator_gradients(part_inputs, part_reals, fakes, generator_tape, step, draw))
        gradients, further, states = parts.mean()
        logs |= self._adapt(logs.pop("real_sign", None), step, count * critic_steps)
        norm = self.update(self.generator, self.generator_optimizer, gradients)
        self.keep(states, step)
        self.average(self.ema_generator, self.generator, count, self.ema_half_life)
        return self.as_logs(logs | further | {"generator_gradient_norm": norm})

    def _fakes(self, inputs, draw):
        """Pictures for the generator's inputs, `(pictures, their tags or None)`, and the tape of the pass."""
        with tf.GradientTape() as tape:
            images = self.draw_images(self.generator, inputs, draw)
        return (images, inputs[1] if self.tag_sampler else None), tape

    def draw_inputs(self, count, number, real_tags=None):
        """The generator's inputs for this device's part of the update of this number, `count` rows.

        Args:
            count: Rows that this device has of the batch.
            number: Number of the update, over all steps.
            real_tags: Tags of its real pictures, used with `shared_tags`.
        """
        inputs = own_part(lambda whole: self.inputs.batch(whole, self.seed, number), count)
        if self.tag_sampler and self.shared_tags:
            uniform = own_part(lambda whole: self.tag_sampler.uniform(whole, self.seed, number), count)
            inputs[1] = self.tag_sampler.from_uniform(uniform, real_tags)
        return inputs

    def _adapt(self, sign, step, count):
        """Updates the augmentation's state by the mean sign of the reals' logits here; returns what to log."""
        if sign is None:
            return {}
        sign, state = mean_over_replicas(sign), self.state_of(self.augmentation)
        images = count * tf.distribute.get_replica_context().num_replicas_in_sync
        present = {name: tf.convert_to_tensor(variable) for name, variable in state.items()}
        for name, value in self.augmentation.next_state(present, sign, step, images).items():
            state[name].assign(value)
        return {"augmentation_probability": present["probability"], "real_sign": sign}

    def _logits(self, images, tags, draw, side):
        """The discriminator's `(logits, tag logits)`, float32; the tag logits are None if it predicts no tags.

        Args:
            images: Pictures, which are augmented first.
            tags: The tags beside them, for a discriminator that takes tags.
            draw: See `Sight`.
            side: "reals" or "fakes", which are augmented with different random numbers.
        """
        if self.augmentation:
            state = self.state_of(self.augmentation)
            options = {"probability": tf.convert_to_tensor(state["probability"])} if state else {}
            images = self.augmentation(
                images, lambda name, *shape, **kind: draw(f"augment {side} {name}", *shape, **kind), **options
            )
        outputs = self.discriminator([images, tags] if self.sees_tags else images, training=True)
        logits, tag_logits = outputs if self.predicts_tags else (outputs, None)
        return tf.cast(logits, tf.float32), tag_logits

    def _shown(self, real_tags, fake_tags):
        """The tags that the discriminator gets with both sides; None if it takes no tags."""
        if not self.sees_tags:
            return None, None
        mask = shown(self.tag_sampler.vocabulary, real_tags)
        return mask * tf.cast(real_tags, tf.float32), mask * fake_tags

    def _tag_loss(self, tags, tag_logits):
        return tf.reduce_mean(tag_loss(self.tag_sampler.vocabulary, tags, tag_logits, self.exclusive_tags))

    def _terms(self, player, step, reals, fakes, draw, **sight):
        (images, targets), (fake_images, fake_tags) = reals, fakes
        tags, fake_tags = self._shown(targets, fake_tags)
        seen = {"reals": images, "targets": targets, "tags": tags, "fakes": fake_images, "fake_tags": fake_tags}

        def logits_of(images, tags=tags):
            return self._logits(images, tags, draw, "reals")[0]

        return self.add_terms(player, step, logits_of=logits_of, draw=draw, generator=self.generator, **seen, **sight)

    def _discriminator_gradients(self, inputs, reals, fakes, step, draw, last):
        """The gradients of the discriminator's loss on these pictures, what to log, and the states of its terms."""
        (real_images, real_tags), (fake_images, fake_tags) = reals, fakes
        shown_tags, shown_fake_tags = self._shown(real_tags, fake_tags)
        logs = {}
        with tf.GradientTape() as tape:
            real_logits, real_tag_logits = self._logits(real_images, shown_tags, draw, "reals")
            fake_logits, fake_tag_logits = self._logits(tf.stop_gradient(fake_images), shown_fake_tags, draw, "fakes")
            adversarial = self.game.discriminator(real_logits, fake_logits)
            losses = [self.adversarial_weight * adversarial]
            if self.predicts_tags:
                logs["discriminator_adversarial_loss"] = adversarial
                of_tags = logs["real_tag_loss"] = self._tag_loss(real_tags, real_tag_logits)
                if self.tag_loss_on == "both":
                    logs["fake_tag_loss"] = self._tag_loss(fake_tags, fake_tag_logits)
                    of_tags += logs["fake_tag_loss"]
                losses.append(self.tag_weight * of_tags)
            logs["discriminator_loss"] = tf.add_n(losses)
            logits = {"real_logits": real_logits, "fake_logits": fake_logits}
            terms, states = self._terms("discriminator", step, reals, fakes, draw, inputs=inputs, **logits)
            total = tf.add_n([*losses, *terms])
        gradients = tape.gradient(total, self.discriminator.trainable_variables)
        if not last:
            return gradients, {}, states
        logs |= {name: tf.reduce_mean(values) for name, values in logits.items()}
        if self.augmentation and self.augmentation.state:
            logs["real_sign"] = tf.reduce_mean(tf.sign(real_logits))
        if self.predicts_tags:
            vocabulary = self.tag_sampler.vocabulary
            logs["real_tag_accuracy"] = tag_accuracy(vocabulary, real_tags, real_tag_logits)
            logs["fake_tag_accuracy"] = tag_accuracy(vocabulary, fake_tags, fake_tag_logits)
        if terms:
            logs["penalty"] = tf.add_n(terms)
        return gradients, logs, states

    def _generator_gradients(self, inputs, reals, fakes, generator_tape, step, draw):
        """The gradients of the generator's loss on the pictures of a pass, what to log, and the states of its terms."""
        fake_images, fake_tags = fakes
        shown_tags, shown_fake_tags = self._shown(reals[1], fake_tags)
        variables = self.generator.trainable_variables
        logs = {}
        with tf.GradientTape() as tape:
            tape.watch(fake_images)
            logits, tag_logits = self._logits(fake_images, shown_fake_tags, draw, "fakes")
            real_logits = self._logits(reals[0], shown_tags, draw, "reals")[0] if self.game.paired else None
            adversarial = self.game.generator(logits, real_logits)
            loss = self.adversarial_weight * adversarial
            if self.predicts_tags:
                logs["generator_adversarial_loss"] = adversarial
                logs["generator_tag_loss"] = self._tag_loss(fake_tags, tag_logits)
                loss += self.tag_weight * logs["generator_tag_loss"]
            seen = {"inputs": inputs, "real_logits": real_logits, "fake_logits": logits}
            terms, states = self._terms("generator", step, reals, fakes, draw, **seen)
            total = tf.add_n([loss, *terms])
        logs["generator_loss"] = loss
        if terms:
            logs["generator_terms"] = tf.add_n(terms)
        # The chain rule by hand: from the loss to the pictures, then through the pass that drew them. Gradients of
        # terms with a pass of their own are added.
        slopes, *direct = tape.gradient(total, [fake_images, *variables])
        through = generator_tape.gradient(fake_images, variables, output_gradients=slopes)
        return [_sum(*pair) for pair in zip(through, direct, strict=True)], logs, states


def _sum(first, second):
    """The sum of two gradients, each of which may be None."""
    if first is None or second is None:
        return second if first is None else first
    return first + second
