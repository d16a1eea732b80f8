"""Terms, such as penalties on the discriminator, which are added to a player's adversarial loss.

A term's function takes a `Sight` and returns a scalar. Its weight, interval and state are data, a `Term`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import tensorflow as tf

from tfanime.training.replicas import mean_over_replicas

PLAYERS = ("generator", "discriminator")
EPSILON = 1e-12  # below the root, whose slope is infinite at 0; it does not change float32 norms above 1e-2


@dataclass(frozen=True)
class Sight:
    """The inputs of a term in one update, on one device and for one part of its batch. A field is None if the game has
    no such input.

    Args:
        reals: Real pictures `[batch, height, width, 3]`.
        fakes: Generated pictures, of the same shape; in the generator's update gradients flow through them.
        logits_of: (pictures, tags=None) -> the discriminator's logits `[batch]`, float32; the pictures are augmented as
            the reals of this update. `tags` are for a discriminator that takes tags; default: the field `tags`.
        draw: (name, shape=(), normal=False, common=False) -> random numbers, uniform in [0, 1) or N(0, 1), float32
            `[batch, *shape]`, one row a picture; with `common` only `shape`, the same for the whole batch. Each name
            has numbers of its own. They are a function of (seed, number of the update, place in the global batch,
            name).
        inputs: The generator's inputs for the fakes.
        targets: The data's targets for the reals, such as their tags.
        tags: The tags that the discriminator is given with the reals, if it is given tags.
        fake_tags: The tags that it is given with the fakes.
        generator: The generator, for terms with a forward pass of their own.
        real_logits: The discriminator's logits of the reals in this update, if it was called on them.
        fake_logits: Its logits of the fakes, if it was called on them.
        measured: What `Term.measure` returned.
        state: The current values of `Term.state`, by name.
        shared: What terms of one update have computed and others can use, by a key of theirs.
    """

    reals: Any = None
    fakes: Any = None
    logits_of: Any = None
    draw: Any = None
    inputs: Any = None
    targets: Any = None
    tags: Any = None
    fake_tags: Any = None
    generator: Any = None
    real_logits: Any = None
    fake_logits: Any = None
    measured: Any = None
    state: dict[str, tf.Tensor] = field(default_factory=dict)
    shared: dict[Any, tf.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """A term of a player's loss: its function, weight, interval and state.

    A term that runs at some steps only cannot communicate between devices (TensorFlow has no collective operations in a
    `tf.cond`). Communication is therefore outside: `measure` before the term, the means of `state` after it.

    Args:
        function: `Sight` -> scalar, the mean over the batch; with a state, `Sight` -> (scalar, the state's next values
            by name).
        player: `"generator"` or `"discriminator"`.
        weight: Factor of the term in the player's loss, or a function of the training step (an int64 scalar).
        every: The term runs every this many training steps (a lazy term), with `every` times the weight, so that its
            mean weight stays the same (Karras et al. 2020, arXiv 1912.04958, section 3.1). They make separate steps for
            the term and lower Adam's rate and betas for them; here it is added to the loss of an ordinary step.
        state: Initial values by name, floats. The game keeps them in variables, which are in its checkpoint. After an
            update it writes the means of the next values over all parts and devices there.
        measure: `Sight` -> the value of `Sight.measured`. It runs at every step, and may use `mean_over_replicas`.

    Raises:
        ValueError: `player` is unknown, or `every` is below 1.
    """

    function: Callable[[Sight], Any]
    player: Literal["generator", "discriminator"]
    weight: float | Callable[[tf.Tensor], tf.Tensor] = 1.0
    every: int = 1
    state: dict[str, float] = field(default_factory=dict)
    measure: Callable[[Sight], Any] | None = None

    def __post_init__(self) -> None:
        if self.player not in PLAYERS:
            raise ValueError(f"player must be one of {', '.join(PLAYERS)}. Received: {self.player!r}")
        if self.every < 1:
            raise ValueError(f"every must be at least 1. Received: {self.every}")

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def due(self, step: int | tf.Tensor) -> bool | tf.Tensor:
        """Whether it runs at a step, a tensor; the Python value True if it runs at every step."""
        return True if self.every == 1 else step % self.every == 0

    def __call__(self, sight: Sight, step: int | tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """The weighted term and the state's next values; 0 and the present state at steps at which it does not run.

        Args:
            sight: The `Sight`.
            step: The training step, int64 scalar.

        Raises:
            ValueError: The function returned another state than the term's.
        """
        sight = replace(sight, measured=self.measure(sight) if self.measure else None)
        weight = self.weight(step) if callable(self.weight) else self.weight

        def run():
            value, state = self.function(sight) if self.state else (self.function(sight), {})
            if set(state) != set(self.state):
                raise ValueError(f"{self.name} must return the state {sorted(self.state)}. Received: {sorted(state)}")
            return weight * self.every * value, state

        if self.every == 1:
            return run()
        return tf.cond(self.due(step), run, lambda: (0.0, sight.state))


def _gradients(logits_of, images):
    """grad_x D(x), like `images`."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        # One backward pass of the logits' sum gives the gradients of all pictures. If a logit depends on other pictures
        # too (MinibatchStddev), their gradients include its share.
        logits = tf.reduce_sum(logits_of(images))
    return tape.gradient(logits, images)


def _zero_centred(logits_of, images):
    """E[||grad_x D(x)||^2] / 2 at `images`."""
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(_gradients(logits_of, images)), axis=[1, 2, 3]))


def _one_lipschitz(logits_of, images):
    """E[(||grad_x D(x)|| - 1)^2] at `images`: norms below 1 cost as much as those above."""
    norms = tf.sqrt(tf.reduce_sum(tf.square(_gradients(logits_of, images)), axis=[1, 2, 3]) + EPSILON)  # [batch]
    return tf.reduce_mean(tf.square(norms - 1.0))


def _interpolate(images, others, draw):
    """A random point on the line between each picture of `images` and that of `others`."""
    alpha = tf.cast(draw("alpha"), images.dtype)[:, None, None, None]
    return images + alpha * (others - images)


def r1(sight: Sight) -> tf.Tensor:
    """E[||grad_x D(x)||^2] / 2 on real images; the weight is gamma. Mescheder et al. 2018 (arXiv 1801.04406), eq. 9."""
    return _zero_centred(sight.logits_of, sight.reals)


def r2(sight: Sight) -> tf.Tensor:
    """The same on fakes. Mescheder et al. 2018, equation 10; beside R1 in R3GAN (Huang et al. 2024)."""
    logits_of = sight.logits_of if sight.fake_tags is None else functools.partial(sight.logits_of, tags=sight.fake_tags)
    return _zero_centred(logits_of, tf.cast(sight.fakes, sight.reals.dtype))


def gradient_penalty(sight: Sight) -> tf.Tensor:
    """E[(||grad D(x + alpha (G(z) - x))|| - 1)^2] with alpha ~ U[0, 1) for each pair; the weight is lambda.

    Gulrajani et al. 2017 (WGAN-GP, arXiv 1704.00028), equation 3, lambda 10 there. The discriminator must treat
    pictures one by one, so no batch norm. The i-th fake lies at the other end of the i-th real picture's line.
    """
    fakes = tf.cast(sight.fakes, sight.reals.dtype)
    return _one_lipschitz(sight.logits_of, _interpolate(sight.reals, fakes, sight.draw))


LECAM_DECAY = 0.99  # of the running mean logits


def lecam(sight):
    """E[max(0, D(x) - a_fake)^2] + E[max(0, a_real - D(G(z)))^2], where a is the running mean of a side's logits.

    Tseng et al. 2021 (LeCam regularisation, arXiv 2104.03310), equation 4, as in their code. The weight is lambda, 0.3
    there with few pictures. The means are those before this update. Use it as `Term(lecam, "discriminator", ...,
    state=LECAM_STATE)`.
    """
    reals, fakes, means = sight.real_logits, sight.fake_logits, sight.state
    value = tf.reduce_mean(tf.square(tf.nn.relu(reals - means["fake"])))
    value += tf.reduce_mean(tf.square(tf.nn.relu(means["real"] - fakes)))

    def moved(name, logits):
        return means[name] + (1.0 - LECAM_DECAY) * (tf.stop_gradient(tf.reduce_mean(logits)) - means[name])

    return value, {"real": moved("real", reals), "fake": moved("fake", fakes)}


LECAM_STATE = {"real": 0.0, "fake": 0.0}


@dataclass(frozen=True)
class Mismatched:
    """E[w softplus(D(x, y'))]: real pictures with a wrong tag count as fakes, so that tags are obeyed sooner.

    The matching-aware discriminator of Reed et al. 2016 (GAN-CLS, arXiv 1605.05396), algorithm 1. For each picture one
    exclusive group is drawn uniformly, and y' has another tag of it, drawn uniformly. w is 1 if the group of the
    picture is known, else 0. For a discriminator that is given tags.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.

    Raises:
        ValueError: No exclusive group has two tags.
    """

    vocabulary: Any

    def __post_init__(self):
        if not self._groups:
            raise ValueError(f"vocabulary must have an exclusive group of two tags. Received: {self.vocabulary.name!r}")

    @property
    def _groups(self):
        return [where for group, where in self.vocabulary.slices if group.exclusive and len(group.tags) > 1]

    def wrong(self, tags, uniform):
        """Draws wrong tags for pictures.

        Args:
            tags: The tags given to the discriminator, float32 `[batch, len(vocabulary)]`.
            uniform: Numbers in [0, 1), float32 `[batch, 2]`, which choose the group and the tag.

        Returns:
            Tags `[batch, len(vocabulary)]` and weights `[batch]`, 1 or 0.
        """
        chosen = _floor(uniform[:, 0], len(self._groups))
        wrong, weights = tags, tf.zeros_like(uniform[:, 0])
        for number, where in enumerate(self._groups):
            part = tags[:, where]
            count = part.shape[1]
            other = (tf.argmax(part, axis=1, output_type=tf.int32) + 1 + _floor(uniform[:, 1], count - 1)) % count
            known = (chosen == number) & tf.reduce_any(part > 0.0, axis=1)
            changed = tf.pad(tf.one_hot(other, count, 1.0, -1.0), [[0, 0], [where.start, tags.shape[1] - where.stop]])
            inside = tf.range(tags.shape[1])
            inside = (inside >= where.start) & (inside < where.stop)
            wrong = tf.where(known[:, None] & inside, changed, wrong)
            weights += tf.cast(known, tf.float32)
        return wrong, weights

    def __call__(self, sight):
        tags, weights = self.wrong(sight.tags, sight.draw("wrong tags", (2,)))
        return tf.reduce_mean(weights * tf.nn.softplus(sight.logits_of(sight.reals, tags)))


def _floor(uniform, count):
    """Uniform integers 0 to count - 1, from uniform numbers in [0, 1)."""
    return tf.minimum(tf.cast(uniform * count, tf.int32), count - 1)


def deviation(sight: Sight) -> tf.Tensor:
    """The standard deviation of all values of all devices' real pictures, a scalar; the `measure` of `dragan`."""
    mean = mean_over_replicas(tf.reduce_mean(sight.reals))
    return tf.sqrt(mean_over_replicas(tf.reduce_mean(tf.square(sight.reals - mean))))


def dragan(sight: Sight) -> tf.Tensor:
    """E[(||grad D(x + alpha (x_p - x))|| - 1)^2] around real images, x_p = x + std(x) U[0, 1) / 2.

    Kodali et al. 2017 (arXiv 1705.07215), as in their code: alpha ~ U[0, 1) for each picture, the noise U for each
    value, one std over all values of the batch, and D is the logit. The weight is lambda, 10 there.

    Raises:
        ValueError: The std is missing; use `Term(dragan, ..., measure=deviation)`.
    """
    if sight.measured is None:
        raise ValueError("measure must be tfanime.training.terms.deviation for dragan. Received: None")
    noise = tf.cast(sight.draw("noise", sight.reals.shape[1:]), sight.reals.dtype)
    others = sight.reals + 0.5 * sight.measured * noise
    return _one_lipschitz(sight.logits_of, _interpolate(sight.reals, others, sight.draw))
