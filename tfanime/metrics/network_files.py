"""Feature networks in files of the user's: Keras, SavedModel or ONNX.

Such files do not say how pictures are scaled, so options after the path do: `PATH:size=224,scale=255`.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfanime.files import without_wildcards
from tfanime.metrics.feature_network import FeatureNetwork, hash_of_files

PROBE = 2  # pictures of a first call, from which the dimensions are read

READ = {
    "size": int,
    "mean": lambda text: tuple(map(float, text.split("/"))),
    "scale": float,
    "channels": str,
    "output": str,
}


@dataclass(frozen=True)
class Form:
    """The input scaling of a network, and the output with the features.

    Args:
        size: Height and width of its input in pixels; None for what the file says.
        mean: Subtracted from the pixels, 0 to 255: one number, or three in the order of `channels`.
        scale: Divisor of the difference; 127.5 for both gives -1 to 1.
        channels: `rgb` or `bgr`.
        output: Name of the output, or of a Keras model's layer, that gives the features; None for the only one. More
            axes than two are flattened.
    """

    size: int | None = None
    mean: tuple = (127.5,)
    scale: float = 127.5
    channels: str = "rgb"
    output: str | None = None

    @classmethod
    def of(cls, options, path):
        """Reads options as they stand behind a path, a dictionary of texts.

        Raises:
            ValueError: An option is unknown, or its value is not allowed.
        """
        values = {}
        for name, text in options.items():
            try:
                values[name] = READ[name](text)
            except KeyError as error:
                known = ", ".join(cls.__dataclass_fields__)
                raise ValueError(f"options of {str(path)!r} must be of {known}. Received: {name!r}") from error
            except ValueError as error:
                rule = "one number, or three separated by /" if name == "mean" else "a number"
                raise ValueError(f"{name} of {str(path)!r} must be {rule}. Received: {text!r}") from error
        form = cls(**values)
        for name, holds, rule in (
            ("size", form.size is None or form.size >= 1, "at least 1"),
            ("mean", len(form.mean) in (1, 3) and np.isfinite(form.mean).all(), "one finite number, or three"),
            ("scale", 0 < form.scale < float("inf"), "above 0"),
            ("channels", form.channels in ("rgb", "bgr"), "rgb or bgr"),
        ):
            if not holds:
                raise ValueError(f"{name} of {str(path)!r} must be {rule}. Received: {getattr(form, name)!r}")
        return form

    def prepare(self, images, size):
        """Resizes and scales pictures: bicubic, antialiased; uint8 tensor `[batch, ...]` -> float32, NHWC."""
        import tensorflow as tf

        if tuple(images.shape[1:3]) != (size, size):
            images = tf.clip_by_value(tf.image.resize(images, (size, size), "bicubic", antialias=True), 0.0, 255.0)
        images = tf.cast(images, tf.float32)
        images = images[..., ::-1] if self.channels == "bgr" else images
        return (images - tf.constant(self.mean)) / self.scale

    def as_text(self, size):
        """The input scaling as text, for the protocol."""
        mean = " ".join(f"{value:g}" for value in self.mean)
        scaled = f"(x - {mean if len(self.mean) == 1 else f'[{mean}]'}) / {self.scale:g}"
        parts = ["bicubic", "antialiased", "clipped", str(size), scaled, self.channels]
        return ", ".join([*parts, *([self.output] if self.output else [])])


def from_file(path, options):
    """A feature network from a file.

    Args:
        path: A `.keras` file, a folder of a SavedModel, or an `.onnx` file.
        options: Of `Form`, a dictionary of texts.

    Returns:
        A `FeatureNetwork`, whose value is called `fd_`, the file's stem and eight digits of a hash of it and its
        options.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not such a network, or an option does not fit it.
        ImportError: onnxruntime or onnx is not installed.
    """
    path = Path(path)
    form = Form.of(options, path)
    if path.is_dir() and (path / "saved_model.pb").is_file():
        load = _saved_model
    elif path.is_file() and path.suffix == ".keras":
        load = _keras
    elif path.is_file() and path.suffix == ".onnx":
        load = _onnx
    elif path.exists():
        raise ValueError(f"a feature network must be .keras, .onnx or a SavedModel's folder. Received: {str(path)!r}")
    else:
        raise FileNotFoundError(f"the file of a feature network must exist. Received: {str(path)!r}")
    run, size = load(path, form)
    size = form.size or size
    if size is None:
        raise ValueError(f"size must be given for a network that takes any, such as {path}:size=224. Received: none")
    compute = _computed(run, form, size, path)
    dimensions = compute(np.zeros((PROBE, size, size, 3), np.uint8)).shape[-1]
    digest = hash_of_files(path)
    name = re.sub(r"\W+", "_", path.stem)
    # One file is several networks: by its layers, and by how pictures are scaled for it.
    tail = hashlib.sha256(f"{digest} {form.as_text(size)}".encode()).hexdigest()[:8]
    return FeatureNetwork(
        name, f"fd_{name}_{tail}", digest, form.as_text(size), size, dimensions, compute, takes_floats=load is _keras
    )


def _computed(run, form, size, path):
    """uint8 array `[batch, height, width, 3]` -> float32 array `[batch, dimensions]`."""

    def compute(images):
        try:
            features = np.asarray(run(images, size), np.float32)
        except Exception as error:  # each library has its own for an input that does not fit
            raise ValueError(f"{path} must take [batch, {size}, {size}, 3]. Received from it: {error}") from error
        if features.ndim < 2 or len(features) != len(images):
            raise ValueError(f"{path} must give a row for each of {len(images)} pictures. Received: {features.shape}")
        return features.reshape(len(features), -1)

    return compute


def traced(network, prepare):
    """A TensorFlow network behind the function that prepares its pictures, as one graph.

    Args:
        network: float32 `[batch, size, size, 3]` -> features.
        prepare: (uint8 or float32 tensor, size) -> float32 tensor.

    Returns:
        (uint8 or float32 array, size) -> features; traced once for a size and type of picture.
    """
    import tensorflow as tf

    graphs = {}

    def run(images, size):
        kind = (images.shape[1:], images.dtype)
        if kind not in graphs:  # the batch is left open, or the last one of a set would be traced again
            signature = [tf.TensorSpec((None, *kind[0]), kind[1])]
            graphs[kind] = tf.function(lambda images: network(prepare(images, size)), input_signature=signature)
        return graphs[kind](tf.constant(images)).numpy()

    return run


def _keras(path, form):
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # of zipfile, json, h5py and Keras
        raise ValueError(f"{path} must be a Keras model. Received: {type(error).__name__} {error}") from error
    if not getattr(model, "outputs", None):
        raise ValueError(f"{path} must be a functional or sequential Keras model. Received: {type(model).__name__}")
    outputs = model.outputs
    if form.output:
        names = [layer.name for layer in model.layers]
        if form.output not in names:
            raise ValueError(f"output of {path} must be one of its layers {', '.join(names)}. Received: {form.output}")
        outputs = [model.get_layer(form.output).output]
    if len(outputs) != 1 or len(model.inputs) != 1:
        raise ValueError(
            f"{path} must have one input, and one output unless output names a layer. "
            f"Received: {len(model.inputs)} and {len(outputs)}"
        )
    network = keras.Model(model.inputs, outputs[0])
    return traced(lambda images: network(images, training=False), form.prepare), network.inputs[0].shape[1]


def _saved_model(path, form):
    import tensorflow as tf

    try:
        with without_wildcards(path) as plain:
            model = tf.saved_model.load(plain)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ValueError(f"{path} must be a SavedModel. Received: {error}") from error
    signature = model.signatures.get("serving_default")
    if signature is None:
        raise ValueError(f"{path} must have the signature serving_default. Received: {sorted(model.signatures)}")
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ValueError(f"{path} must have one input, pictures. Received: {', '.join(inputs) or 'none'}")
    ((name, spec),) = inputs.items()
    outputs = list(signature.structured_outputs)
    wanted = form.output or (outputs[0] if len(outputs) == 1 else None)
    if wanted not in outputs:
        raise ValueError(f"output of {path} must be one of {', '.join(outputs)}. Received: {wanted or 'none'}")

    def network(images, model=model):  # the signature alone does not keep the model's variables alive
        return signature(**{name: images})[wanted]

    return traced(network, form.prepare), spec.shape[1] if spec.shape.rank == 4 else None


def _require_whole(path, onnx):
    """Refuses an ONNX file with external weights: its hash, which is part of its values' name, would not cover them."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own class, which the package does not hand on
        raise ValueError(f"{path} must be an ONNX file. Received: {error}") from error
    entries = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    beside = sorted({entry.value for entry in entries if entry.key == "location"})
    if beside:
        raise ValueError(f"{path} must hold its weights itself. Received: weights in {', '.join(beside)}")


def _onnx(path, form):
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"an ONNX network needs the package {error.name}, which is not installed: pip install 'tfanime[onnx]'"
        ) from error
    _require_whole(path, onnx)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the package's own classes, one for each way of failing
        raise ValueError(f"{path} must be an ONNX file. Received: {error}") from error
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    shape = inputs[0].shape if inputs else []
    if len(inputs) != 1 or len(shape) != 4 or inputs[0].type != "tensor(float)":
        described = ", ".join(f"{each.name} {each.shape} {each.type}" for each in inputs) or "no input"
        raise ValueError(f"{path} must have one float32 input of four axes, pictures. Received: {described}")
    wanted = form.output or (outputs[0] if len(outputs) == 1 else None)
    if wanted not in outputs:
        raise ValueError(f"output of {path} must be one of {', '.join(outputs)}. Received: {wanted or 'none'}")
    first, single = shape[1] == 3, shape[0] == 1  # channels first; a batch of one picture
    side = shape[2]

    def run(images, size):
        import tensorflow as tf

        pixels = form.prepare(tf.constant(images), size).numpy()
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if first else pixels
        parts = [pixels[i : i + 1] for i in range(len(pixels))] if single else [pixels]
        return np.concatenate([session.run([wanted], {inputs[0].name: part})[0] for part in parts])

    return run, side if isinstance(side, int) else None
