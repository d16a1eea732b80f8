"""The game: a Keras model whose train step lets a generator and a discriminator play."""

import zlib

import keras
import tensorflow as tf

from tfanime.inputs import Inputs
from tfanime.latents import Latents
from tfanime.models.spectral import power_iterations
from tfanime.tag_sampling import TagSampler
from tfanime.training.accumulation import Parts
from tfanime.training.constraints import assign_each
from tfanime.training.losses import LOSSES, Loss
from tfanime.training.penalties import Penalty
from tfanime.training.players import require_players
from tfanime.training.replicas import own_part, several_workers
from tfanime.training.tag_losses import FORMS, tag_accuracy, tag_loss


class GAN(keras.Model):
    """A generator and a discriminator, trained by `fit` on batches of pictures.

    One training step is `critic_steps` updates of the discriminator, each on fresh pictures, and one of the generator.
    The generator's last forward pass serves both its own update and the discriminator's, which sees those fakes first
    (with `accumulate` it is made once more).
    An exponential moving average of the generator's weights (`ema_generator`, in inference mode) is what to draw with.

    Everything random is a function of (`seed`, step, place in the global batch); the step is the generator
    optimizer's count of updates, so that a checkpoint of this model is all that a resumed run needs. What to keep of a
    trained game is `ema_generator.save("generator.keras")`.

    Under a `tf.distribute.MirroredStrategy` several devices compute what one would, under a
    `tf.distribute.MultiWorkerMirroredStrategy` those of several machines.

    Args:
        generator: Functional or sequential `keras.Model`, latents `[batch, latents.size]` -> pictures
            `[batch, height, width, 3]` in [-1, 1]. With a vocabulary its input is `[latents, tags]`, tags of +1 and -1
            `[batch, len(vocabulary)]`.
        discriminator: Built `keras.Model`, pictures -> logits `[batch]`; with a vocabulary, pictures -> (logits, tag
            logits `[batch, len(vocabulary)]`).
        latents: The `Latents` that the generator draws from; default: N(0, 1) of the generator's input size.
        vocabulary: The `tfanime.tags.TagVocabulary` of a game with tags (ACGAN, Odena et al. 2017); its priors decide
            which tags fakes are drawn with. None for a game without.
        ema_half_life: Images after which an old weight counts half in `ema_generator`; shorter in the beginning
            (at most 5 % of the images seen; Karras et al. 2020's ramp). Batch norm's moving statistics are averaged
            like weights, which they belong to; Karras et al., whose generators have none, copy what is no weight.
        seed: Seed of the latents.

    Raises:
        ValueError: The networks do not fit each other, see `require_players`, or a number is out of its range.
    """

    def __init__(
        self, generator, discriminator, *, latents=None, vocabulary=None, ema_half_life=10_000, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        if not ema_half_life > 0:
            raise ValueError(f"ema_half_life must be above 0 images. Received: {ema_half_life}")
        if not -(2**63) <= seed < 2**63:
            raise ValueError(f"seed must fit into 64 bits. Received: {seed}")
        require_players(generator, discriminator, latents, vocabulary)
        self.generator = generator
        self.discriminator = discriminator
        self.latents = latents or Latents(size=generator.inputs[0].shape[-1])
        self.tag_sampler = TagSampler(vocabulary) if vocabulary else None
        self.ema_half_life = ema_half_life
        self.seed = seed
        self.ema_generator = keras.models.clone_model(generator)
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.built = True  # its networks are; Keras would otherwise trace a call to find out

    def compile(
        self,
        generator_optimizer,
        discriminator_optimizer,
        loss,
        penalties=(),
        constraint=None,
        adversarial_weight=1.0,
        tag_weight=1.0,
        exclusive_tags="sigmoid",
        gradient_clip=None,
        accumulate=1,
        **kwargs,
    ):
        """Sets the rules of the game. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            penalties: `Penalty`s that are added to the discriminator's loss.
            constraint: Called with the discriminator's trainable weights after each of its updates, see
                `tfanime.training.constraints`.
            adversarial_weight: Factor of `loss` in both players' losses.
            tag_weight: Factor of the tags' loss there, in a game with tags.
            exclusive_tags: `"sigmoid"` or `"softmax"`, see `tfanime.training.tag_losses.tag_loss`.
            gradient_clip: Largest norm of all gradients of one update together, over all devices; larger ones are
                scaled down to it. None for no limit. Gradients then cross devices twice.
            accumulate: Equal parts in which a batch is computed, one after another; an update has the mean of their
                gradients. It takes the memory of one part and another forward pass of the generator. Losses and
                penalties are those of the whole batch but for what is a statistic of the batch and becomes one of a
                part: batch norm (whose moving averages move once a part), minibatch standard deviation, DRAGAN's
                standard deviation. Parts of several devices are together those of one.
            **kwargs: For `keras.Model.compile`: `jit_compile` (XLA, default False, on one device only), `run_eagerly`.

        Raises:
            ValueError: `loss` is not known, a penalty is no `Penalty`, one optimizer is given for both networks, or
                `jit_compile` is True where the step cannot be compiled.
        """
        if not isinstance(loss, Loss):
            if loss not in LOSSES:
                raise ValueError(f"loss must be a Loss or one of {', '.join(LOSSES)}. Received: {loss!r}")
            loss = LOSSES[loss]
        # 0.68x on a CPU (docs/speed.md), not measured on a GPU; Keras' "auto" would switch it on.
        kwargs.setdefault("jit_compile", False)
        if generator_optimizer is discriminator_optimizer:
            raise ValueError(
                "generator_optimizer and discriminator_optimizer must be two. Received: the same one twice"
            )
        if gradient_clip is not None and not gradient_clip > 0:
            raise ValueError(f"gradient_clip must be above 0. Received: {gradient_clip}")
        if accumulate < 1:
            raise ValueError(f"accumulate must be at least 1. Received: {accumulate}")
        if exclusive_tags not in FORMS:
            raise ValueError(f"exclusive_tags must be one of {', '.join(FORMS)}. Received: {exclusive_tags!r}")
        penalties = tuple(penalties)  # an iterator would be empty after the check
        for penalty in penalties:
            if not isinstance(penalty, Penalty):
                raise ValueError(f"penalties must be Penalty(function, weight, every). Received: {penalty!r}")
        devices = self.distribute_strategy.num_replicas_in_sync
        if kwargs["jit_compile"] is True and devices > 1:
            # One program of XLA's cannot reach the other devices' copies of the weights.
            raise ValueError(f"jit_compile must be False on several devices. Received: True on {devices}")
        super().compile(optimizer=None, **kwargs)
        if kwargs["jit_compile"] is True and not self.jit_compile:  # Keras only warns
            raise ValueError(
                "jit_compile must be False with run_eagerly, deterministic operations, or layers unknown to XLA. "
                "Received: True"
            )
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.game = loss
        self.penalties = penalties
        self.constraint = constraint
        self.adversarial_weight = adversarial_weight
        self.tag_weight = tag_weight
        self.exclusive_tags = exclusive_tags
        self.gradient_clip = gradient_clip
        self.accumulate = accumulate

    @property
    def step(self):
        """Training steps done so far, an int: the updates of the generator."""
        return int(self.generator_optimizer.iterations.value.numpy())

    @property
    def optimizers(self):
        """Both optimizers, as a tuple."""
        return self.generator_optimizer, self.discriminator_optimizer

    def call(self, inputs):
        """Draws pictures with averaged weights.

        Args:
            inputs: Latents, float32 `[batch, latents.size]`; with a vocabulary `[latents, tags]`, tags of +1 and -1,
                float32 `[batch, len(vocabulary)]`.

        Returns:
            `[batch, height, width, 3]` in [-1, 1].
        """
        return self.ema_generator(inputs, training=False)

    @property
    def inputs(self):
        """The `tfanime.inputs.Inputs` of the generator."""
        return Inputs(self.latents, self.tag_sampler.vocabulary if self.tag_sampler else None)

    def inputs_from_seeds(self, seeds, wanted=None):
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
            Scalars by name: both losses and their parts, the mean logits of the last critic step, the penalty where
            there is one, accuracies where there are tags, and the norms of the gradients (with several devices only
            where they are clipped, because they would have to cross devices for that).

        Raises:
            ValueError: Tags are missing, or batches have no size that devices and parts can share.
        """
        images, tags, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.tag_sampler and tags is None:
            raise ValueError("data must be pairs of pictures and tags in a game with a vocabulary. Received: no tags")
        if images.shape.rank == 4:
            images = images[:, None]
            tags = None if tags is None else tags[:, None]
        count, critic_steps = self._count(images), images.shape[1]
        step = tf.cast(self.generator_optimizer.iterations.value, tf.int64)
        parts = Parts(self.accumulate)
        for critic_step in range(critic_steps):
            number = step * critic_steps + critic_step  # of this update, over all steps
            last = critic_step == critic_steps - 1
            inputs = self._inputs(count, number)
            reals = images[:, critic_step], tags[:, critic_step] if self.tag_sampler else None
            if last:
                power_iterations(self.generator)
            power_iterations(self.discriminator)
            for rows, (part_inputs, part_reals) in parts.of((inputs, reals)):
                fakes, generator_tape = self._fakes(part_inputs)
                draw = self._uniform(count, number, rows)
                parts.add(self._discriminator_gradients(part_reals, fakes, step, draw, last))
            logs = self._discriminator_update(*parts.mean(), last)
        for _, part_inputs in parts.of(inputs):
            if self.accumulate > 1:
                # The same pass again: to keep those of all parts would take the memory that parts are to save. What it
                # does to the network's statistics was done the first time.
                with keras.StatelessScope(initialize_variables=False):
                    fakes, generator_tape = self._fakes(part_inputs)
            parts.add(self._generator_gradients(fakes, generator_tape))
        logs |= self._generator_update(*parts.mean())
        self._average_generator(count)
        if several_workers():
            # Keras then takes the mean over devices along an axis, which a scalar has none of.
            logs = {name: tf.reshape(value, [1]) for name, value in logs.items()}
        return logs

    def test_step(self, data):
        """A game has no loss to validate: judge its pictures instead, in a callback."""
        raise NotImplementedError("a GAN cannot be evaluated by its losses: leave validation_data out")

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing: all is built. Keras would take the mean of a first batch, which several workers cannot with tags."""

    def _count(self, images):
        count = images.shape[0]
        if count is None:
            if tf.distribute.get_replica_context().num_replicas_in_sync > 1 or self.accumulate > 1:
                raise ValueError(
                    "batches must have one known size when several devices share them, or with accumulate above 1: "
                    f"`dataset.batch(size, drop_remainder=True)`. Received: shape {images.shape}"
                )
            return tf.shape(images)[0]
        if count % self.accumulate:
            raise ValueError(
                f"batches must have a multiple of accumulate, {self.accumulate}, pictures a device. Received: {count}"
            )
        return count

    def _fakes(self, inputs):
        """Pictures for the generator's inputs, `(pictures, their tags or None)`, and the tape of the pass."""
        with tf.GradientTape() as tape:
            images = self.generator(inputs, training=True)
        return (images, inputs[1] if self.tag_sampler else None), tape

    def _inputs(self, count, number):
        """The generator's inputs for this replica's part of the draw of this number."""
        latents = own_part(lambda whole: self.latents.batch(whole, self.seed, number), count)
        if not self.tag_sampler:
            return latents
        return [latents, own_part(lambda whole: self.tag_sampler.batch(whole, self.seed, number), count)]

    def _uniform(self, count, number, rows=slice(None)):
        """The `draw` of penalties (see their module) for some rows of the critic's update of this number."""

        def draw(shape=(), name="alpha"):
            seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(number, tf.int64)])
            # The name makes it a stream of its own, beside the latents'. Not hash(): it differs between processes.
            seed = tf.random.fold_in(seed, tf.constant(zlib.crc32(name.encode()), tf.int64), alg="philox")
            numbers = own_part(lambda whole: tf.random.stateless_uniform([whole, *shape], seed, alg="philox"), count)
            return numbers[rows]

        return draw

    def _apply(self, optimizer, gradients, variables):
        """Applies gradients of this replica's mean loss; returns the norm of all replicas' mean, None if not known."""
        replica = tf.distribute.get_replica_context()
        replicas = replica.num_replicas_in_sync
        norm = None
        if self.gradient_clip is not None and replicas > 1:
            # Clipping each replica's own gradient and adding would be another method.
            reached = [index for index, gradient in enumerate(gradients) if gradient is not None]
            means = replica.all_reduce(tf.distribute.ReduceOp.MEAN, [gradients[index] for index in reached])
            gradients = list(gradients)
            for index, mean in zip(reached, means, strict=True):
                gradients[index] = mean
        if self.gradient_clip is not None or replicas == 1:
            norm = tf.linalg.global_norm(gradients)
        if self.gradient_clip is not None:
            scale = tf.minimum(1.0, self.gradient_clip / tf.maximum(norm, 1e-12))
            gradients = [None if gradient is None else gradient * scale for gradient in gradients]
        # The optimizer sums over replicas, while the losses are means. A weight that the loss does not reach has no
        # gradient, and the optimizer passes it over.
        gradients = [None if gradient is None else gradient / replicas for gradient in gradients]
        optimizer.apply(gradients, variables)
        return norm

    def _judge(self, images):
        """The discriminator's `(logits, tag logits)`, float32; None for the latter in a game without tags."""
        outputs = self.discriminator(images, training=True)
        logits, tag_logits = outputs if self.tag_sampler else (outputs, None)
        return tf.cast(logits, tf.float32), tag_logits

    def _tag_loss(self, tags, tag_logits):
        return tf.reduce_mean(tag_loss(self.tag_sampler.vocabulary, tags, tag_logits, self.exclusive_tags))

    def _discriminator_gradients(self, reals, fakes, step, draw, last):
        """The gradients of the discriminator's loss on these pictures, and at the last critic step what to log."""
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
            penalties = [self._penalty(penalty, real_images, fake_images, step, draw) for penalty in self.penalties]
            total = tf.add_n([*losses, *penalties])
        gradients = tape.gradient(total, self.discriminator.trainable_variables)
        if not last:
            return gradients, {}
        logs |= {"real_logits": tf.reduce_mean(real_logits), "fake_logits": tf.reduce_mean(fake_logits)}
        if self.tag_sampler:
            vocabulary = self.tag_sampler.vocabulary
            logs["real_tag_accuracy"] = tag_accuracy(vocabulary, real_tags, real_tag_logits)
            logs["fake_tag_accuracy"] = tag_accuracy(vocabulary, fake_tags, fake_tag_logits)
        if penalties:
            logs["penalty"] = tf.add_n(penalties)
        return gradients, logs

    def _discriminator_update(self, gradients, logs, last):
        variables = self.discriminator.trainable_variables
        norm = self._apply(self.discriminator_optimizer, gradients, variables)
        if self.constraint:
            self.constraint(variables)
        return logs | {"discriminator_gradient_norm": norm} if last and norm is not None else logs

    def _penalty(self, penalty, real_images, fake_images, step, draw):
        def run():
            value = penalty.function(lambda images: self._judge(images)[0], real_images, fake_images, draw)
            return penalty.weight * penalty.every * value

        if penalty.every == 1:
            return run()
        return tf.cond(step % penalty.every == 0, run, lambda: 0.0)

    def _generator_gradients(self, fakes, generator_tape):
        """The gradients of the generator's loss on the pictures of a pass, and what to log."""
        fake_images, fake_tags = fakes
        logs = {}
        with tf.GradientTape() as tape:
            tape.watch(fake_images)
            logits, tag_logits = self._judge(fake_images)
            adversarial = self.game.generator(logits)
            loss = self.adversarial_weight * adversarial
            if self.tag_sampler:
                logs["generator_adversarial_loss"] = adversarial
                logs["generator_tag_loss"] = self._tag_loss(fake_tags, tag_logits)
                loss += self.tag_weight * logs["generator_tag_loss"]
        logs["generator_loss"] = loss
        variables = self.generator.trainable_variables
        # The chain rule by hand: from the loss to the pictures, then through the pass that drew them.
        slopes = tape.gradient(loss, fake_images)
        return generator_tape.gradient(fake_images, variables, output_gradients=slopes), logs

    def _generator_update(self, gradients, logs):
        norm = self._apply(self.generator_optimizer, gradients, self.generator.trainable_variables)
        return logs if norm is None else logs | {"generator_gradient_norm": norm}

    def _average_generator(self, count):
        batch = tf.cast(count * tf.distribute.get_replica_context().num_replicas_in_sync, tf.float32)
        seen = tf.cast(self.generator_optimizer.iterations.value, tf.float32) * batch
        decay = 0.5 ** (batch / tf.minimum(float(self.ema_half_life), 0.05 * seen))

        def average(mean, value):
            if value.dtype.is_floating:
                mean.assign_sub((1.0 - decay) * (mean - value))
            else:  # a counter has no mean
                mean.assign(value)

        assign_each(average, self.ema_generator.weights, self.generator.weights)
        power_iterations(self.ema_generator)  # averages of unit vectors are none
