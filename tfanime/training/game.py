"""`Game`: the base of all trainings of several networks."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from tfanime.models.spectral import power_iterations
from tfanime.training.constraints import assign_each
from tfanime.training.replicas import mean_over_replicas, own_part, several_workers
from tfanime.training.terms import Sight, Term


class Game(keras.Model):
    """A Keras model of several networks, each with an optimizer of its own, that `fit` trains.

    A subclass sets its networks as attributes, passes their optimizers to `set_players`, and implements `train_step`
    with the methods here: `rows`, `draws`, `add_terms`, `update`, `keep`, `average`, `as_logs`.

    Everything random is a function of (`seed`, step, place in the global batch); the step is the first optimizer's
    count of updates. A checkpoint of this model is therefore all that a resumed run needs.

    Under a `tf.distribute.MirroredStrategy` several devices compute the same as one, under a
    `tf.distribute.MultiWorkerMirroredStrategy` those of several machines.

    Args:
        seed: Seed of all random numbers.
        **kwargs: For `keras.Model`.

    Attributes:
        form: The `tfanime.generator.Form` of a game whose generator takes pictures; None for any other game.

    Raises:
        ValueError: `seed` is out of its range.
    """

    form = None

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not -(2**63) <= seed < 2**63:
            raise ValueError(f"seed must fit into 64 bits. Received: {seed}")
        self.seed = seed
        self.players: tuple[str, ...] = ()
        self.terms: tuple[Term, ...] = ()
        self.built = True  # its networks are built; Keras would otherwise trace a call to find out

    def set_players(
        self,
        players: dict[str, tuple[keras.Model, keras.optimizers.Optimizer]],
        terms: Iterable[Term] = (),
        gradient_clip: float | None = None,
        accumulate: int = 1,
        **kwargs: Any,
    ) -> None:
        """Sets optimizers, terms and options. A subclass's `compile` calls it, under the strategy's scope.

        Args:
            players: A dictionary from name to a pair of network and Keras optimizer, which becomes the attribute
                `NAME_optimizer`. The updates of the first player count as steps.
            terms: `Term`s of the players' losses.
            gradient_clip: Global norm to which the gradients of one update are clipped, over all devices; None for no
                limit. Gradients then cross devices twice.
            accumulate: Equal parts in which a batch is computed, see `tfanime.training.accumulation.Parts`.
            **kwargs: For `keras.Model.compile`: `jit_compile` (XLA, default False, on one device only), `run_eagerly`.

        Raises:
            ValueError: One optimizer is given to two players, a term is not a `Term`, two terms with a state have one
                name, a number is out of its range, or `jit_compile` is True where the step cannot be compiled.
        """
        optimizers = {name: optimizer for name, (_, optimizer) in players.items()}
        if len(set(map(id, optimizers.values()))) < len(optimizers):
            names = " and ".join(f"{name}_optimizer" for name in optimizers)
            raise ValueError(f"{names} must be {len(optimizers)}. Received: the same one twice")
        if gradient_clip is not None and not gradient_clip > 0:
            raise ValueError(f"gradient_clip must be above 0. Received: {gradient_clip}")
        if accumulate < 1:
            raise ValueError(f"accumulate must be at least 1. Received: {accumulate}")
        terms = tuple(terms)  # an iterator would be empty after the check
        for term in terms:
            if not isinstance(term, Term):
                raise ValueError(f"terms must be Term(function, player, weight, every). Received: {term!r}")
        named = [term.name for term in terms if term.state]
        if len(set(named)) < len(named):
            raise ValueError(f"terms with a state must have functions of different names. Received: {named}")
        # 0.68x on a CPU (docs/reports/speed.md), not measured on a GPU; Keras' "auto" would switch it on.
        kwargs.setdefault("jit_compile", False)
        devices = self.distribute_strategy.num_replicas_in_sync
        if kwargs["jit_compile"] is True and devices > 1:
            # An XLA program cannot reach the other devices' copies of the weights.
            raise ValueError(f"jit_compile must be False on several devices. Received: True on {devices}")
        super().compile(optimizer=None, **kwargs)
        if kwargs["jit_compile"] is True and not self.jit_compile:  # Keras only warns
            raise ValueError(
                "jit_compile must be False with run_eagerly, deterministic operations, or layers unknown to XLA. "
                "Received: True"
            )
        for name, (network, optimizer) in players.items():
            setattr(self, f"{name}_optimizer", optimizer)
            optimizer.build(network.trainable_variables)
        self._make_states(terms)
        self.players = tuple(players)
        self.terms = terms
        self.gradient_clip = gradient_clip
        self.accumulate = accumulate

    def _make_states(self, terms):
        """Makes the variables of the terms' states, attributes `term_FUNCTION_VALUE`, which checkpoints contain."""
        for term in self.terms:
            for name in term.state:
                delattr(self, f"term_{term.name}_{name}")
        for term in terms:
            self.make_state(term)

    def make_state(self, term):
        """Makes the variables of one state: that of a term or of another object with a `name` and a `state`."""
        for name, first in term.state.items():
            if hasattr(self, f"term_{term.name}_{name}"):
                delattr(self, f"term_{term.name}_{name}")
            variable = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(first),
                dtype="float32",
                trainable=False,
                aggregation="only_first_replica",  # all have the mean
                name=f"term_{term.name}_{name}",
            )
            setattr(self, variable.name, variable)

    def state_of(self, term: Term) -> dict[str, keras.Variable]:
        """The variables of a state that `make_state` made, by name."""
        return {name: getattr(self, f"term_{term.name}_{name}") for name in term.state}

    @property
    def step(self) -> int:
        """Training steps done so far, an int: the updates of the first player."""
        return int(self.optimizers[0].iterations.value.numpy())

    @property
    def optimizers(self) -> tuple[keras.optimizers.Optimizer, ...]:
        """All optimizers, as a tuple."""
        return tuple(getattr(self, f"{name}_optimizer") for name in self.players)

    def present_step(self) -> tf.Tensor:
        """The step inside of `train_step`, an int64 scalar; the first player's next update does not change it."""
        # `tf.cast` of an int64 variable would return the variable itself, which changes.
        return tf.cast(tf.convert_to_tensor(self.optimizers[0].iterations.value), tf.int64)

    def rows(self, batch: tf.Tensor) -> int | tf.Tensor:
        """Number of rows of a batch on this device.

        Args:
            batch: A tensor `[rows, ...]`.

        Raises:
            ValueError: The batch has no size that devices and parts can share.
        """
        count = batch.shape[0]
        if count is None:
            if tf.distribute.get_replica_context().num_replicas_in_sync > 1 or self.accumulate > 1:
                raise ValueError(
                    "batches must have one known size when several devices share them, or with accumulate above 1: "
                    f"`dataset.batch(size, drop_remainder=True)`. Received: shape {batch.shape}"
                )
            return tf.shape(batch)[0]
        if count % self.accumulate:
            raise ValueError(
                f"batches must have a multiple of accumulate, {self.accumulate}, pictures a device. Received: {count}"
            )
        return count

    def draws(
        self, count: int, number: tf.Tensor, rows: slice = slice(None), player: str = "discriminator"
    ) -> Callable[..., tf.Tensor]:
        """The `draw` of a `Sight`.

        Args:
            count: Rows that this device has of the batch.
            number: Number of the update, over all steps.
            rows: The rows that the sight has, a slice.
            player: The player that is updated; each player gets numbers of its own.
        """

        def draw(name, shape=(), normal=False, common=False):
            seed = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(number, tf.int64)])
            stream = name if player == "discriminator" else f"{player} {name}"
            # The name gives it a stream of its own, apart from the latents'. Not hash(): it differs between processes.
            seed = tf.random.fold_in(seed, tf.constant(zlib.crc32(stream.encode()), tf.int64), alg="philox")
            numbers = tf.random.stateless_normal if normal else tf.random.stateless_uniform
            if common:
                return numbers(shape, seed, alg="philox")
            return own_part(lambda whole: numbers([whole, *shape], seed, alg="philox"), count)[rows]

        return draw

    def add_terms(
        self, player: str, step: tf.Tensor, among: Iterable[Term] | None = None, **sight: Any
    ) -> tuple[list[tf.Tensor], dict[str, dict[str, tf.Tensor]]]:
        """Computes the terms of a player's loss.

        Args:
            player: The player's name.
            step: The training step.
            among: The terms to choose from; default: all of the game.
            **sight: The fields of a `Sight`, except those that belong to a term.

        Returns:
            `(values, states)`: the weighted values, a list of scalars, and the next values of the states, a dictionary
                by term and name. Average both over the parts; `keep` writes the states.
        """
        values: list[tf.Tensor] = []
        states: dict[str, dict[str, tf.Tensor]] = {}
        for term in self.terms if among is None else among:
            if term.player == player:
                state = {name: tf.convert_to_tensor(variable) for name, variable in self.state_of(term).items()}
                value, next_state = term(Sight(**sight, state=state), step)
                values.append(value)
                states |= {term.name: next_state} if term.state else {}
        return values, states

    def keep(self, states: dict[str, dict[str, tf.Tensor]], step: tf.Tensor) -> None:
        """Writes the means over all devices of `add_terms`' next states. Do not call it in a `tf.cond`."""
        for term in self.terms:
            if term.name in states and term.state:
                for name, variable in self.state_of(term).items():
                    value = mean_over_replicas(tf.cast(states[term.name][name], tf.float32))
                    # The mean of an unchanged value may differ from it by rounding.
                    variable.assign(tf.where(term.due(step), value, variable.value))

    def update(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        gradients: list[tf.Tensor | None],
        constraint: Callable[..., None] | None = None,
    ) -> tf.Tensor | None:
        """One update of a player.

        Args:
            network: Its network.
            optimizer: Its optimizer.
            gradients: Gradients of this device's mean loss by the network's trainable variables; None for variables
                that the loss does not reach.
            constraint: Called with these variables afterwards, see `tfanime.training.constraints`.

        Returns:
            The norm of the gradients over all devices before clipping; None if only the norm would need communication.
        """
        replica = tf.distribute.get_replica_context()
        replicas = replica.num_replicas_in_sync
        norm = None
        if self.gradient_clip is not None and replicas > 1:
            # Clipping each replica's gradient before adding would be another method.
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
        # The optimizer sums over replicas, while the losses are means. It skips weights without a gradient, which the
        # loss does not reach.
        gradients = [None if gradient is None else gradient / replicas for gradient in gradients]
        optimizer.apply(gradients, network.trainable_variables)
        if constraint:
            constraint(network.trainable_variables)
        return norm

    def average(self, mean: keras.Model, network: keras.Model, count: int, half_life: float) -> None:
        """Moves an exponential moving average of a network's weights, after an update of the first player.

        Args:
            mean: The network that holds the average.
            network: The network.
            count: Pictures for each device and step.
            half_life: Half-life of the average in images; shorter in the beginning, at most 5 % of the images seen (the
                ramp of Karras et al. 2020). Batch norm's moving statistics are averaged too, because they belong to the
                weights. (Karras et al., whose generators have no batch norm, copy all variables that are not weights.)
        """
        batch = tf.cast(count * tf.distribute.get_replica_context().num_replicas_in_sync, tf.float32)
        seen = tf.cast(self.optimizers[0].iterations.value, tf.float32) * batch
        decay = 0.5 ** (batch / tf.minimum(float(half_life), 0.05 * seen))

        def move(average, value):
            if value.dtype.is_floating:
                average.assign_sub((1.0 - decay) * (average - value))
            else:  # a counter has no mean
                average.assign(value)

        assign_each(move, mean.weights, network.weights)
        power_iterations(mean)  # averages of unit vectors are not unit vectors

    def as_logs(self, logs: dict[str, Any]) -> dict[str, tf.Tensor]:
        """The logs of a step in the form that Keras takes, scalars by name; values of None are left out."""
        logs = {name: value for name, value in logs.items() if value is not None}
        # With several workers Keras takes the mean along an axis, which a scalar does not have.
        return {name: tf.reshape(value, [1]) for name, value in logs.items()} if several_workers() else logs

    def test_step(self, data):
        """Raises an error, because a game has no validation loss. Evaluate its pictures in a callback."""
        raise NotImplementedError("a game cannot be evaluated by its losses: leave validation_data out")

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing, because all networks are built. Keras would average a first batch, which fails with tags on
        several workers.
        """


def copy_for_average(network: keras.Model) -> keras.Model:
    """A copy of a network for the average of its weights, see `Game.average`; it is not trainable."""
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy
