"""A signature of a SavedModel: its inputs, the check of a request, and the call.

Everything is checked here, before the model runs, because TF Serving leaves shapes to the kernels, a session casts
double to float silently, and a batch of 0 crashes some kernels. The texts are TF Serving's (predict_util.cc in
tensorflow_serving/servables/tensorflow, tensorflow/cc/saved_model/util.cc), except for shapes, where it has none.
"""

from dataclasses import dataclass

import tensorflow as tf

from tfanime.serving.server.status import from_tensorflow, invalid_argument
from tfanime.serving.server.tensors import type_name


@dataclass(frozen=True)
class Input:
    """An input of a signature.

    Args:
        alias: Its name in requests.
        feed: Its name in the graph.
        data_type: An int of the enum `DataType`.
        shape: A tuple of sizes, -1 for any; None if the rank is free too.
    """

    alias: str
    feed: str
    data_type: int
    shape: tuple[int, ...] | None

    @property
    def batched(self):
        """Whether the first dimension counts the pictures."""
        return bool(self.shape) and self.shape[0] == -1

    def fits(self, shape):
        """Whether a tensor of `shape` can be given."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(wanted in (-1, size) for wanted, size in pairs)

    def __str__(self):
        sizes = ["?" if size == -1 else str(size) for size in self.shape or ()]
        if self.batched:
            sizes[0] = "batch"
        return f"[{','.join(sizes)}]"


class Signature:
    """A signature and its function.

    Args:
        name: Its key in the SavedModel, such as `serving_default`.
        definition: Its `SignatureDef`.
        function: The function of a loaded SavedModel, `loaded.signatures[name]`.
        owner: The loaded SavedModel, which must live as long as the signature, because the function has only weak
            references to its variables.

    `batched` says whether requests can be joined: the first dimension of every input counts the pictures.
    """

    def __init__(self, name, definition, function, owner=None):
        self.name = name
        self._owner = owner
        self.function = function
        self.inputs = tuple(_input(alias, definition.inputs[alias]) for alias in sorted(definition.inputs))
        self.outputs = tuple(sorted(definition.outputs))
        self.batched = bool(self.inputs) and all(wanted.batched for wanted in self.inputs)

    def check_aliases(self, given):
        """Refuses unknown inputs, and missing ones.

        Args:
            given: The aliases, an iterable.

        Raises:
            StatusError: INVALID_ARGUMENT.
        """
        given = set(given)
        known = {wanted.alias for wanted in self.inputs}
        if len(given) != len(known):
            raise invalid_argument(
                f"input size does not match signature: {len(given)}!={len(known)} len({_set(given)}) != "
                f"len({_set(known)}). Sent extra: {_set(given - known)}. Missing but required: {_set(known - given)}."
            )
        for wanted in self.inputs:
            if wanted.alias not in given:
                raise invalid_argument(
                    f"Signature input alias: {wanted.alias}(feed name: {wanted.feed}) not found in request and no "
                    f"default value provided. Inputs expected to be in the request {_set(given)}, or default input "
                    "alias set: "
                )

    def check(self, given, max_batch=None, batching=False):
        """Refuses inputs that the function does not take.

        Args:
            given: A dictionary from alias to `(data_type, shape)`, whose aliases passed `check_aliases`.
            max_batch: The largest batch allowed; None for any.
            batching: Whether requests are joined, which a scalar cannot be.

        Raises:
            StatusError: INVALID_ARGUMENT, with the first thing that is wrong.
        """
        for index, wanted in enumerate(self.inputs):
            data_type, _ = given[wanted.alias]
            if data_type != wanted.data_type:
                raise invalid_argument(
                    f"Expects arg[{index}] to be {type_name(wanted.data_type)} but {type_name(data_type)} is provided"
                )
        if batching and self.batched and not all(given[wanted.alias][1] for wanted in self.inputs):
            raise invalid_argument("Batching Run() input tensors must have at least one dimension")
        for wanted in self.inputs:
            _, shape = given[wanted.alias]
            if not wanted.fits(shape):
                sizes = ",".join(map(str, shape))
                raise invalid_argument(
                    f'Expects input "{wanted.alias}" to have shape {wanted} but [{sizes}] is provided'
                )
        self._check_batch({given[wanted.alias][1][0] for wanted in self.inputs if wanted.batched}, max_batch)

    def _check_batch(self, sizes, max_batch):
        if len(sizes) > 1:
            raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
        for size in sizes:
            if size == 0:
                raise invalid_argument(f"Task size must be at least 1 but is 0 (signature {self.name})")
            if max_batch is not None and size > max_batch:
                raise invalid_argument(f"Task size {size} is larger than maximum input batch size {max_batch}")

    def chosen_outputs(self, output_filter):
        """The aliases to answer with: those of `output_filter`, or all if it is empty.

        Raises:
            StatusError: INVALID_ARGUMENT for an unknown or a repeated alias.
        """
        chosen = []
        for alias in output_filter:
            if alias not in self.outputs:
                raise invalid_argument(
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                    f"{_set(self.outputs)}."
                )
            if alias in chosen:
                raise invalid_argument(f"duplicate output tensor alias: {alias}")
            chosen.append(alias)
        return tuple(chosen) or self.outputs

    def run(self, inputs):
        """Calls the function.

        Args:
            inputs: A dictionary from alias to array, which passed `check`.

        Returns:
            A dictionary from alias to NumPy array, all outputs.

        Raises:
            StatusError: The function failed; the kernel's code and text.
        """
        try:
            outputs = self.function(**{alias: tf.constant(array) for alias, array in inputs.items()})
            return {alias: tensor.numpy() for alias, tensor in outputs.items()}
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error


def _input(alias, info):
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(dimension.size for dimension in shape.dim)
    return Input(alias, info.name, info.dtype, sizes)


def _set(names):
    return "{" + ",".join(sorted(names)) + "}"
