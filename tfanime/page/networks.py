"""Generators as ONNX for a browser: small files that draw the same pictures as TensorFlow.

Weights are stored in 16 or 8 bits and converted to floats when the file is loaded, so that drawing takes the same time.
A network with w (StyleGAN2) becomes two files, `mapping` and `synthesis`. Between them a browser can truncate and mix
styles.
"""

import warnings
from dataclasses import dataclass, field

import numpy as np

from tfanime.export.onnx import TOLERANCE, difference_of_pictures, require_packages

OPSET = 18
SMALLEST = 64  # weights with fewer numbers are not shrunk
BITS = (16, 8)
LARGEST_8 = 32 / 127.5  # largest difference that 8 bits may make at one place of a picture
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Networks:
    """The files with which a browser draws.

    Args:
        files: ONNX files as bytes, by part: `network`, or `mapping` and `synthesis`.
        difference: The largest difference from TensorFlow in grey levels.
        w: For a network with w a dictionary of its number of styles (`count`) and the number of latents whose mean w is
            the centre of truncation (`centre`), see `tfanime.models.stylegan2.draw_truncated`; else None.
    """

    files: dict
    difference: float
    w: dict | None = field(default=None)


def networks(generator, bits=16):
    """Writes a generator as ONNX and compares its pictures with TensorFlow's.

    Args:
        generator: A `tfanime.generator.Generator` with its network, or a `tfanime.page.exported.Exported`.
        bits: Bits of the weights, 16 or 8.

    Returns:
        The `Networks`.

    Raises:
        ImportError: The extra `onnx` is not installed.
        ValueError: ONNX cannot express the network, or its pictures differ too much.
    """
    require_packages()
    if bits not in BITS:
        raise ValueError(f"bits must be one of {BITS}. Received: {bits}")
    try:
        parts, w = _parts(generator)
        files = {name: _shrunk(_converted(*part), bits).SerializeToString() for name, part in parts.items()}
        difference = _difference(generator, files, w)
    except (OSError, ImportError):
        raise
    except Exception as error:  # from tf2onnx or onnxruntime, for an operation that ONNX lacks
        raise ValueError(f"the network must be one that ONNX can express. Received: {str(error)[:300]}") from error
    _require_close(difference, bits)
    return Networks(files, difference * 127.5, w)


def picture_file(network, bits=16):
    """Writes a network from pictures to pictures as ONNX and compares its pictures with TensorFlow's.

    Its input is `pictures`, float32 `[batch, height, width, 3]` in [-1, 1].

    Args:
        network: A `tfanime.generator.PictureNetwork` with its `keras.Model`.
        bits: Bits of the weights, 16 or 8.

    Returns:
        The file as bytes, and the largest difference from TensorFlow in grey levels.

    Raises:
        ImportError, ValueError: See `networks`.
    """
    import tensorflow as tf

    require_packages()

    def draw(pictures):
        return {"images": network.network(pictures, training=False)}

    try:
        content = _shrunk(
            _converted(draw, [tf.TensorSpec([None, None, None, 3], tf.float32, name="pictures")]), bits
        ).SerializeToString()
        difference = difference_of_pictures(content, network)
    except (OSError, ImportError):
        raise
    except Exception as error:  # from tf2onnx or onnxruntime, for an operation that ONNX lacks
        raise ValueError(f"the network must be one that ONNX can express. Received: {str(error)[:300]}") from error
    _require_close(difference, bits)
    return content, difference * 127.5


def _require_close(difference, bits):
    limit = TOLERANCE if bits == 16 else LARGEST_8
    if not difference <= limit:
        raise ValueError(
            f"pictures by ONNX with {bits} bits must be TensorFlow's within {limit * 127.5:.0f} grey levels. "
            f"Received: {difference * 127.5:.1f} grey levels"
        )


def _parts(generator):
    """`(parts, w)`: the function and `tf.TensorSpec`s of each part by name, and `Networks.w`."""
    import tensorflow as tf

    from tfanime.models.stylegan2 import CENTRE_LATENTS, has_styles

    network, inputs = generator.network, generator.inputs
    if network is None:  # exported: one function, which returns uint8 pictures
        return {"network": (generator.synthesize, inputs.specs)}, None
    if not has_styles(network):

        def draw(*values):
            return {"images": network(inputs.of(*values), training=False)}

        return {"network": (draw, inputs.specs)}, None
    mapping, synthesis = network.get_layer("mapping"), network.get_layer("synthesis")
    taken = {spec.name: spec for spec in inputs.specs}
    specs = [taken[each.name] for each in mapping.inputs if each.name in taken]

    def style(*values):
        given = dict(zip((spec.name for spec in specs), values, strict=True))
        # Inputs that matter in training only are zeros.
        parts = [
            given[each.name] if each.name in given else tf.zeros([tf.shape(values[0])[0], each.shape[1]])
            for each in mapping.inputs
        ]
        return {"w": mapping(parts if len(parts) > 1 else parts[0], training=False)}

    def paint(styles, noise):
        return {"images": synthesis([styles, noise], training=False)}

    painted = [tf.TensorSpec([None, *each.shape[1:]], tf.float32, name=each.name) for each in synthesis.inputs]
    w = {"count": synthesis.inputs[0].shape[1], "centre": CENTRE_LATENTS}
    return {"mapping": (style, specs), "synthesis": (paint, painted)}, w


def _converted(function, specs):
    import tensorflow as tf
    import tf2onnx

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*np\.object", category=FutureWarning)
        function = tf.function(function, input_signature=specs)
        model, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=OPSET)
    return model


def _shrunk(model, bits):
    """The model with its float weights in 16 bits, or in 8 bits with a scale for each channel of the output."""
    from onnx import TensorProto, helper, numpy_helper

    axes = {}
    for node in model.graph.node:
        for name in node.input:
            axes[name] = {"Conv": 0, "ConvTranspose": 1}.get(node.op_type, -1)
    nodes = []

    def keep(name, values):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    for old in list(model.graph.initializer):
        values = numpy_helper.to_array(old)
        if values.dtype != np.float32 or values.size < SMALLEST:
            continue
        model.graph.initializer.remove(old)
        if bits == 16 or values.ndim < 2:
            limit = np.finfo(np.float16).max
            kept = keep(f"{old.name}/16", np.clip(values, -limit, limit).astype(np.float16))
            nodes.append(helper.make_node("Cast", [kept], [old.name], to=TensorProto.FLOAT))
            continue
        others = tuple(axis for axis in range(values.ndim) if axis != axes.get(old.name, -1) % values.ndim)
        scale = np.abs(values).max(axis=others, keepdims=True) / 127.0
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        kept = keep(f"{old.name}/8", np.rint(values / scale).astype(np.int8))
        nodes.append(helper.make_node("Cast", [kept], [f"{old.name}/float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{old.name}/float", keep(f"{old.name}/scale", scale)], [old.name]))
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _difference(generator, files, w):
    import onnxruntime
    import tensorflow as tf

    sessions = {
        name: onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for name, content in files.items()
    }

    def run(name, values):
        session = sessions[name]
        given = {each.name: values[each.name] for each in session.get_inputs()}
        return session.run(None, given)[0]

    largest = 0.0
    for batch in (1, len(SEEDS)):
        parts = generator.inputs.from_seeds(np.array(SEEDS[:batch], np.int64))
        if generator.network is None:
            expected = generator.synthesize(*tf.nest.flatten(parts))["images"]
        else:
            expected = generator.network(parts, training=False)
        names = generator.inputs.sizes
        values = {name: np.asarray(part) for name, part in zip(names, tf.nest.flatten(parts), strict=True)}
        if w:
            values["styles"] = np.repeat(run("mapping", values)[:, None], w["count"], axis=1)
            images = run("synthesis", values)
        else:
            images = run("network", values)
        largest = max(largest, float(np.abs(_in_range(images) - _in_range(np.asarray(expected))).max()))
    return largest


def _in_range(images):
    return images / np.float32(127.5) - 1 if images.dtype == np.uint8 else np.clip(images, -1, 1)
