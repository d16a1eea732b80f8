"""JSON to `PredictRequest`s and `PredictResponse`s to JSON, by the rules of TF Serving's REST.

Its texts too, as tensorflow_serving/util/json_tensor.cc has them. Two forms: `instances` is a list of rows, `inputs`
has a tensor an input.
"""

import base64
import binascii
import json
import math

import grpc
import numpy as np
from tensorflow.core.framework import types_pb2

from tfanime.serving.server.status import StatusError, invalid_argument
from tfanime.serving.server.tensors import decode, encode, type_name

ROWS, COLUMNS = "predictions", "outputs"
BYTES_SUFFIX = "_bytes"
_NUMPY = {
    types_pb2.DT_FLOAT: np.float32,
    types_pb2.DT_DOUBLE: np.float64,
    types_pb2.DT_INT8: np.int8,
    types_pb2.DT_INT16: np.int16,
    types_pb2.DT_INT32: np.int32,
    types_pb2.DT_INT64: np.int64,
    types_pb2.DT_UINT8: np.uint8,
    types_pb2.DT_UINT32: np.uint32,
    types_pb2.DT_UINT64: np.uint64,
    types_pb2.DT_BOOL: np.bool_,
    types_pb2.DT_STRING: np.object_,
}


def parse(body):
    """Reads the body of a request.

    Args:
        body: Bytes of JSON.

    Returns:
        A dictionary.

    Raises:
        StatusError: It is not JSON, or not an object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, or nested that deep
        raise invalid_argument(f"JSON Parse error: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_shown(document)} Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise invalid_argument(
            f"JSON Value: {_shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return document


def fill(request, document, signature):
    """Fills the inputs of a request.

    Args:
        request: A `PredictRequest`.
        document: What `parse` returned.
        signature: The `Signature` that is asked for, which knows the types.

    Returns:
        `ROWS` or `COLUMNS`, for `answer`.

    Raises:
        StatusError: The values are not what the signature takes.
    """
    try:
        if "instances" in document:
            if "inputs" in document:
                raise invalid_argument(
                    f"JSON Value: {_shown(document)} Not formatted correctly expecting only one of 'inputs' or "
                    "'instances' keys to exist "
                )
            arrays = _from_rows(document["instances"], document, signature)
        elif "inputs" in document:
            arrays = _from_columns(document["inputs"], signature)
        else:
            raise invalid_argument("Missing 'inputs' or 'instances' key")
    except RecursionError as error:
        raise invalid_argument("JSON Value: nested too deeply") from error
    for alias, array in arrays.items():
        request.inputs[alias].CopyFrom(encode(array))
    return ROWS if "instances" in document else COLUMNS


def answer(response, form):
    """The body of a response.

    Args:
        response: A `PredictResponse`.
        form: `ROWS` or `COLUMNS`.

    Returns:
        Bytes of JSON.

    Raises:
        StatusError: The outputs have no such form.
    """
    outputs = {alias: _plain(alias, decode(proto, alias)) for alias, proto in sorted(response.outputs.items())}
    if form == ROWS:
        sizes = {len(value) if isinstance(value, list) else None for value in outputs.values()}
        if len(sizes) != 1 or None in sizes:
            raise invalid_argument("the outputs must have as many rows each to be answered as predictions: use inputs")
        if len(outputs) == 1:
            (result,) = outputs.values()
        else:
            result = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    else:
        result = next(iter(outputs.values())) if len(outputs) == 1 else outputs
    return json.dumps({form: result}).encode()


def _from_rows(rows, document, signature):
    if not isinstance(rows, list):
        raise invalid_argument(f"JSON Value: {_shown(document)} Excepting 'instances' to be an list/array")
    if not rows:
        raise invalid_argument(f"JSON Value: {_shown(document)} No values in 'instances' array")
    wanted = {entry.alias: entry for entry in signature.inputs}
    named = _is_object(rows[0])
    if not named and len(wanted) != 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    for index, row in enumerate(rows):
        if _is_object(row) != named:
            expected, received = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(f"Expecting {expected} but got {received} at item {index} of input list")
        if named and row.keys() != wanted.keys():
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_shown(row)} keys must be "
                f"equal to: {','.join(sorted(wanted))}"
            )
    if named:
        return {alias: _array([row[alias] for row in rows], entry) for alias, entry in wanted.items()}
    return {alias: _array(rows, entry) for alias, entry in wanted.items()}


def _from_columns(value, signature):
    if not _is_object(value):
        if len(signature.inputs) != 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        return {signature.inputs[0].alias: _array(value, signature.inputs[0])}
    for entry in signature.inputs:
        if entry.alias not in value:
            raise invalid_argument(f"Missing named input: {entry.alias} in 'inputs' object.")
    signature.check_aliases(value)  # TF Serving passes over names that it does not know; a misspelt one is an error
    return {entry.alias: _array(value[entry.alias], entry) for entry in signature.inputs}


def _array(value, entry):
    """The array of a value whose first elements tell the shape; any other element must be where they are."""
    if entry.data_type not in _NUMPY:
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {_shown(value)} to type: {type_name(entry.data_type)}",
        )
    shape = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if entry.shape is not None and len(shape) != len(entry.shape):
        raise invalid_argument(
            f'Expects input "{entry.alias}" to have shape {entry} but [{",".join(map(str, shape))}] is provided'
        )
    values = []
    _collect(value, shape, 0, entry.data_type, values)
    return np.array(values, _NUMPY[entry.data_type]).reshape(shape)


def _collect(value, shape, level, data_type, values):
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {len(shape)}"
            )
        values.append(_element(value, data_type))
        return
    if level >= len(shape):
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for element in value:
        _collect(element, shape, level + 1, data_type, values)


def _element(value, data_type):
    kind = type(value)
    numpy_type = _NUMPY[data_type]
    if data_type == types_pb2.DT_STRING:
        if _is_base64(value):
            return _decoded(value["b64"])
        if kind is str:
            try:
                return value.encode()
            except UnicodeEncodeError:  # half of a pair, "\ud800"
                pass
    elif data_type == types_pb2.DT_BOOL:
        if kind is bool:
            return value
    elif issubclass(numpy_type, np.floating):
        if kind in (int, float):
            if _fits(value, numpy_type):
                return value
            raise invalid_argument(
                f"Cannot convert JSON value: {_shown(value)} to {type_name(data_type)} without loss of precision."
            )
    elif kind is int and np.iinfo(numpy_type).min <= value <= np.iinfo(numpy_type).max:
        return value
    raise invalid_argument(
        f"JSON Value: {_shown(value)} Type: {_kind(value)} is not of expected type: {type_name(data_type)}"
    )


def _fits(value, numpy_type):
    """Whether a number is one of the type: whole numbers exactly, others if they are not too large."""
    if isinstance(value, int):
        return abs(value) < 2 ** (np.finfo(numpy_type).nmant + 1)
    return not math.isfinite(value) or abs(value) <= float(np.finfo(numpy_type).max)


def _decoded(text):
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _plain(alias, array):
    """An output as numbers, texts and lists."""
    if array.dtype != np.object_:
        if array.dtype.kind not in "biuf":  # bfloat16, which NumPy does not know
            array = array.astype(np.float32)
        return array.tolist()
    if alias.endswith(BYTES_SUFFIX):
        values = [{"b64": base64.b64encode(value).decode()} for value in array.ravel()]
    else:
        try:
            values = [value.decode() for value in array.ravel()]
        except UnicodeDecodeError as error:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'output "{alias}" is no text: only names that end in {BYTES_SUFFIX} are encoded',
            ) from error
    strings = np.empty(len(values), object)
    strings[:] = values
    return strings.reshape(array.shape).tolist()


def _is_base64(value):
    return isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _is_object(value):
    return isinstance(value, dict) and not _is_base64(value)


def _kind(value):
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    return {dict: "Object", list: "Array", str: "String"}.get(type(value), "Number")


def _shown(value):
    """The beginning of a value as JSON, which may be megabytes."""
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key[:20])}: ..." for key in list(value)[:5])
        return f"{{{inside}}}"
    return f"[{len(value)} values]" if isinstance(value, list) else json.dumps(value)[:100]
