"""The game: a Keras model whose train step lets a generator and a discriminator play."""

import zlib

import keras
import tensorflow as tf

from tfanime.latents import Latents
from tfanime.training.constraints import assign_each
from tfanime.training.losses import LOSSES, Loss
from tfanime.training.penalties import Penalty


class GAN(keras.Model):
    """A generator and a discriminator, trained by `fit` on batches of pictures.

    One training step is `critic_steps` updates of the discriminator, each on fresh pictures, and one of the generator.
    The generator's last forward pass serves both its own update and the discriminator's, which sees those fakes first.
    An exponential moving average of the generator's weights (`ema_generator`, in inference mode) is what to draw with.

    Everything random is a function of (`seed`, step, place in the global batch); the step is the generator
    optimizer's count of updates, so that a checkpoint of this model is all that a resumed run needs. What to keep of a
    trained game is `ema_generator.save("generator.keras")`.

    Under a `tf.distribute.MirroredStrategy` several devices compute what one would.

    Args:
        generator: Functional or sequential `keras.Model`, latents `[batch, latents.size]` -> pictures
            `[batch, height, width, 3]` in [-1, 1].
        discriminator: Built `keras.Model`, pictures -> logits `[batch]`.
        latents: The `Latents` that the generator draws from; default: N(0, 1) of the generator's input size.
        ema_half_life: Images after which an old weight counts half in `ema_generator`; shorter in the beginning
            (at most 5 % of the images seen; Karras et al. 2020's ramp).
        seed: Seed of the latents.
    """

    def __init__(self, generator, discriminator, *, latents=None, ema_half_life=10_000, seed=0, **kwargs):
        super().__init__(**kwargs)
        if not ema_half_life > 0:
            raise ValueError(f"ema_half_life must be above 0 images. Received: {ema_half_life}")
        if not -(2**63) <= seed < 2**63:
            raise ValueError(f"seed must fit into 64 bits. Received: {seed}")
        for name, network in (("generator", generator), ("discriminator", discriminator)):
            if not network.built:
                raise ValueError(f"{name} must be built: call it once, or give it an Input. Received: {network}")
        self.generator = generator
        self.discriminator = discriminator
        self.latents = latents or Latents(size=generator.input_shape[-1])
        if self.latents.size != generator.input_shape[-1]:
            raise ValueError(
                f"latents.size must be the generator's input, {generator.input_shape[-1]}. "
                f"Received: {self.latents.size}"
            )
        self.ema_half_life = ema_half_life
        self.seed = seed
        self.ema_generator = keras.models.clone_model(generator)
        self.ema_generator.set_weights(generator.get_weights())
        self.ema_generator.trainable = False
        self.built = True  # its networks are; Keras would otherwise trace a call to find out

    def compile(self, generator_optimizer, discriminator_optimizer, loss, penalties=(), constraint=None, **kwargs):
        """Sets the rules of the game. Call it under the strategy's scope, where the networks were made.

        Args:
            generator_optimizer: A Keras optimizer.
            discriminator_optimizer: Another one.
            loss: A name in `tfanime.training.losses.LOSSES`, or a `Loss`.
            penalties: `Penalty`s that are added to the discriminator's loss.
            constraint: Called with the discriminator's trainable weights after each of its updates, see
                `tfanime.training.constraints`.
            **kwargs: For `keras.Model.compile`: `jit_compile`, `run_eagerly`.

        Raises:
            ValueError: `loss` is not known, a penalty is no `Penalty`, or one optimizer is given for both networks.
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
        for penalty in penalties:
            if not isinstance(penalty, Penalty):
                raise ValueError(f"penalties must be Penalty(function, weight, every). Received: {penalty!r}")
        super().compile(optimizer=None, **kwargs)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.game = loss
        self.penalties = tuple(penalties)
        self.constraint = constraint

    @property
    def step(self):
        """Training steps done so far, an int: the updates of the generator."""
        return int(self.generator_optimizer.iterations.value.numpy())

    def call(self, latents):
        """Draws pictures `[batch, height, width, 3]` in [-1, 1] from latents `[batch, size]`, with averaged weights."""
        return self.ema_generator(latents, training=False)

    def train_step(self, data):
        """One step of the game.

        Args:
            data: Pictures, float32 in [-1, 1], `[batch, height, width, 3]` for one critic step or
                `[batch, critic_steps, height, width, 3]` for several.

        Returns:
            Scalars by name: both losses, the mean logits of the last critic step, the penalty where there is one.
        """
        images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        if images.shape.rank == 4:
            images = images[:, None]
        count, critic_steps = self._count(images), images.shape[1]
        step = tf.cast(self.generator_optimizer.iterations.value, tf.int64)
        for critic_step in range(critic_steps):
            number = step * critic_steps + critic_step  # of this update, over all steps
            latents = self._latents(count, number)
            if critic_step < critic_steps - 1:
                fake_images = self.generator(latents, training=True)
            else:
                with tf.GradientTape() as generator_tape:
                    fake_images = self.generator(latents, training=True)
            logs = self._discriminator_update(images[:, critic_step], fake_images, step, number)
        logs |= self._generator_update(fake_images, generator_tape)
        self._average_generator(count)
        return logs

    def test_step(self, data):
        """A game has no loss to validate: judge its pictures instead, in a callback."""
        raise NotImplementedError("a GAN cannot be evaluated by its losses: leave validation_data out")

    def _count(self, images):
        if images.shape[0] is not None:
            return images.shape[0]
        if tf.distribute.get_replica_context().num_replicas_in_sync > 1:
            raise ValueError(
                "batches must have one known size when several devices share them: "
                f"`dataset.batch(size, drop_remainder=True)`. Received: shape {images.shape}"
            )
        return tf.shape(images)[0]

    def _latents(self, count, number):
        return self._own_part(lambda whole: self.latents.batch(whole, self.seed, number), count)

    def _uniform(self, count, number):
        """The `draw` of penalties (see their module) at the critic's update of this number."""

        def draw(shape=(), name="alpha"):
            seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(number, tf.int64)])
            # The name makes it a stream of its own, beside the latents'. Not hash(): it differs between processes.
            seed = tf.random.fold_in(seed, tf.constant(zlib.crc32(name.encode()), tf.int64), alg="philox")
            return self._own_part(lambda whole: tf.random.stateless_uniform([whole, *shape], seed, alg="philox"), count)

        return draw

    def _own_part(self, make, count):
        # Every replica makes the whole batch's numbers, which are few, and takes its own part: two devices then see
        # what one would see.
        replica = tf.distribute.get_replica_context()
        whole = make(count * replica.num_replicas_in_sync)
        begin = tf.cast(replica.replica_id_in_sync_group, tf.int32) * count
        return whole[begin : begin + count]

    def _apply(self, optimizer, gradients, variables):
        # The optimizer sums over replicas, while the losses are means.
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        # A weight that the loss does not reach has no gradient, and the optimizer passes it over.
        gradients = [None if gradient is None else gradient / replicas for gradient in gradients]
        optimizer.apply(gradients, variables)

    def _discriminator_update(self, real_images, fake_images, step, number):
        variables = self.discriminator.trainable_variables
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real_images, training=True)
            fake_logits = self.discriminator(tf.stop_gradient(fake_images), training=True)
            loss = self.game.discriminator(real_logits, fake_logits)
            penalties = [self._penalty(penalty, real_images, fake_images, step, number) for penalty in self.penalties]
            total = tf.add_n([loss, *penalties])
        self._apply(self.discriminator_optimizer, tape.gradient(total, variables), variables)
        if self.constraint:
            self.constraint(variables)
        logs = {
            "discriminator_loss": loss,
            "real_logits": tf.reduce_mean(real_logits),
            "fake_logits": tf.reduce_mean(fake_logits),
        }
        return logs | ({"penalty": tf.add_n(penalties)} if penalties else {})

    def _penalty(self, penalty, real_images, fake_images, step, number):
        draw = self._uniform(self._count(real_images), number)

        def run():
            value = penalty.function(
                lambda images: self.discriminator(images, training=True), real_images, fake_images, draw
            )
            return penalty.weight * penalty.every * value

        if penalty.every == 1:
            return run()
        return tf.cond(step % penalty.every == 0, run, lambda: 0.0)

    def _generator_update(self, fake_images, generator_tape):
        with tf.GradientTape() as tape:
            tape.watch(fake_images)
            loss = self.game.generator(self.discriminator(fake_images, training=True))
        variables = self.generator.trainable_variables
        # The chain rule by hand: from the loss to the pictures, then through the pass that drew them.
        gradients = generator_tape.gradient(fake_images, variables, output_gradients=tape.gradient(loss, fake_images))
        self._apply(self.generator_optimizer, gradients, variables)
        return {"generator_loss": loss}

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
