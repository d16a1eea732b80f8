"""Spectral normalization as in SN-GAN: Miyato et al. 2018 (arXiv 1802.05957), algorithm 1.

Keras' own layer of this name is another method: it overwrites the weights with W / sigma at every training call, passes
no gradient through sigma, and iterates at every call instead of once for each update.
"""

import keras
from keras import ops

EPSILON = 1e-12  # keeps the norms of zero vectors off the denominator, as in the authors' code

# Where the output channels are in a kernel: ... x inputs x outputs, but ... x outputs x inputs if transposed.
_OUTPUTS_LAST = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Embedding,
)
_OUTPUTS_BEFORE_LAST = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)


def _unit(vector):
    return vector / (ops.norm(vector) + EPSILON)


@keras.saving.register_keras_serializable("tfanime")
class SpectralNormalization(keras.layers.Wrapper):
    """A layer that computes with W / sigma(W) instead of its kernel W; the kernel itself does not change.

    sigma(W) = u^T W v estimates the largest singular value of W as a matrix [outputs, everything else]. The vectors u
    and v are weights that are not trained: only `power_iteration` moves them, by one step, so that a pass through the
    layer has no side effect, in training as in inference. A training game calls `power_iterations` once before each
    update of the network; before the first, sigma is ||W^T u|| for a random u, an underestimate.

    The gradient flows through sigma with u and v held constant, which is the paper's equation 12. A kernel of zeros has
    no direction to normalize: its outputs are NaN.

    Args:
        layer: `Dense`, `Conv1D` to `Conv3D`, their transposed forms, or `Embedding`. Precision is the layer's
            affair: in mixed precision sigma, u and v are float32 all the same.
        seed: Seed of u, which is drawn from N(0, 1) and scaled to length 1.
        **kwargs: For `keras.layers.Layer`: `name`, `trainable`.

    Input and output: those of `layer`.

    Raises:
        ValueError: `layer` is of another kind, or has an activity regularizer, whose loss would get lost.
    """

    def __init__(self, layer, seed=None, **kwargs):
        if not isinstance(layer, _OUTPUTS_LAST + _OUTPUTS_BEFORE_LAST):
            raise ValueError(
                "layer must be a Dense, Conv1D to Conv3D, Conv1DTranspose to Conv3DTranspose or Embedding layer. "
                f"Received: {layer}"
            )
        if layer.activity_regularizer is not None:
            raise ValueError(f"layer must have no activity_regularizer. Received: {layer.activity_regularizer}")
        if "dtype" in kwargs:
            raise ValueError(f"dtype must be given to the layer inside. Received: {kwargs['dtype']}")
        # Without autocast the kernel is read unrounded here, and the inputs reach the layer inside as they come.
        super().__init__(
            layer, dtype=keras.backend.result_type(layer.variable_dtype, "float32"), autocast=False, **kwargs
        )
        self.seed = seed

    def build(self, input_shape=None):
        super().build(input_shape)
        outputs, others = self._matrix().shape
        normal = keras.initializers.RandomNormal(0.0, 1.0, seed=self.seed)
        # Every replica computes the same u and v; taking the first one's makes sure of the last bit.
        self.u = self.add_weight(
            name="u",
            shape=(outputs,),
            initializer=lambda shape, dtype=None: _unit(normal(shape, dtype)),
            trainable=False,
            aggregation="only_first_replica",
        )
        self.v = self.add_weight(
            name="v",
            shape=(others,),
            initializer=lambda shape, dtype=None: self._right(ops.convert_to_tensor(self.u)),
            trainable=False,
            aggregation="only_first_replica",
        )

    @property
    def kernel(self):
        """The variable W of the layer inside, not normalized."""
        return self.layer.embeddings if isinstance(self.layer, keras.layers.Embedding) else self.layer.kernel

    def _matrix(self):
        axis = -2 if isinstance(self.layer, _OUTPUTS_BEFORE_LAST) else -1
        kernel = ops.cast(ops.convert_to_tensor(self.kernel), self.variable_dtype)
        return ops.reshape(ops.moveaxis(kernel, axis, 0), (kernel.shape[axis], -1))  # [outputs, others]

    def _right(self, u):
        return _unit(ops.matmul(u, self._matrix()))  # v = W^T u / ||W^T u||

    def power_iteration(self):
        """Moves v and u one step towards the first singular vectors of the present kernel.

        May be called inside a `tf.function` and, by all replicas, inside `strategy.run`.
        """
        v = self._right(ops.convert_to_tensor(self.u))
        self.v.assign(v)
        self.u.assign(_unit(ops.matmul(self._matrix(), v)))  # u = W v / ||W v||

    def sigma(self):
        """The estimate u^T W v of the kernel's largest singular value, a float32 scalar, differentiable in W."""
        return ops.sum(ops.convert_to_tensor(self.u) * ops.matmul(self._matrix(), ops.convert_to_tensor(self.v)))

    def call(self, inputs):
        normalized = ops.cast(ops.convert_to_tensor(self.kernel), self.variable_dtype) / self.sigma()
        # The scope lends the layer inside another value for its kernel, without an assignment.
        with keras.StatelessScope([(self.kernel, normalized)], initialize_variables=False):
            return self.layer(inputs)

    def compute_output_spec(self, inputs):
        return self.layer.compute_output_spec(inputs)

    def get_config(self):
        config = {**super().get_config(), "seed": self.seed}
        del config["dtype"]
        return config


def spectral_layers(model):
    """All `SpectralNormalization` layers of a model (or layer) and of the models inside it, a list."""
    # Keras has no public way to find layers inside layers that are not models.
    return [layer for layer in model._flatten_layers() if isinstance(layer, SpectralNormalization)]


def power_iterations(model):
    """Moves u and v of every `SpectralNormalization` layer of a model by one power iteration.

    To be called once before each update of the model (Miyato et al. 2018, algorithm 1), in a `tf.function` or not; does
    nothing to a model that has no such layer.

    Args:
        model: A built `keras.Model` or layer.
    """
    for layer in spectral_layers(model):
        layer.power_iteration()
