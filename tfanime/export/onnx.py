"""Writes networks as ONNX, for use without TensorFlow: latents, tags and noise, or pictures, to pictures."""

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np

from tfanime.files import replacing, require_writable_folder

PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
TOLERANCE = 1 / 127.5  # one grey level of pictures in [-1, 1]
BATCHES = (1, 5)
SIDES = ((16, 16), (32, 20), (17, 41))  # of pictures to try, times the least multiple
SEEDS = (
    "What a seed s names: Philox4x32-10 (Salmon et al. 2011), as TensorFlow's stateless random numbers with "
    "alg='philox' use it. One call with key (0x3ec8f720, 0x02461e29) on the counter (s low 32 bits, s high, "
    "stream low, stream high) gives m0..m3. The words are the calls with key (m0, m1) on the counters (0, 0, m2, "
    "m3), (1, 0, m2, m3) ... A word w is the number u = (w & 0x7fffff) / 2**23. Uniform latents are 2 u - 1. "
    "Normal ones come in pairs of u, v: sqrt(-2 ln max(u, 1e-7)) times sin(2 pi v), then times cos(2 pi v). "
    "Streams: latents 0, tags 1, noise crc32('input noise'). Tags: an independent one holds (+1) if its own u is "
    "below its prior; of an exclusive group the first tag holds whose cumulated share of the group's priors is "
    "above the u of the group's first tag; others are -1."
)
"""How to make a generator's inputs from a seed, without TensorFlow."""


def require_packages():
    """Checks that the extra `onnx` is installed, without loading it.

    Raises:
        ImportError: It is not.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise ImportError(
            f"ONNX needs the packages {', '.join(PACKAGES)}. Not installed: {', '.join(missing)}. "
            "Run pip install 'tfanime[onnx]'"
        )


def require_onnx(path):
    """Checks the arguments before any work.

    Args:
        path: Where the file shall be.

    Raises:
        ImportError: The extra `onnx` is not installed.
        OSError: `path` cannot be written.
    """
    require_packages()
    if Path(path).is_dir():
        raise IsADirectoryError(f"onnx must be a file, such as faces.onnx. Received the folder: {path}")
    require_writable_folder(Path(path).parent, "the folder of onnx")


def write_onnx(path, generator, card):
    """Writes the network and checks that ONNX Runtime draws what TensorFlow does; tf2onnx reports success for files
    that nothing can load.

    Inputs `latents`, float32 `[batch, size]`, and of a generator with tags `tags`, float32 `[batch, len(vocabulary)]`
    of +1 and -1, of one with noise `noise`, float32 `[batch, size]`, of one with styles `psi`, float32 `[batch]`, the
    truncation, 1 for none; output `images`, float32 `[batch, height, width, 3]` in [-1, 1]. The file's metadata have
    the model card, as JSON under `model_card`.

    A network from pictures to pictures has the input `pictures`, float32 `[batch, height, width, 3]` in [-1, 1] of any
    size (multiples of the card's `multiple`).

    Args:
        path: The file, which appears only when it is whole and right.
        generator: A `tfanime.generator.Generator` or `PictureNetwork` with its network, in float32.
        card: The model card, a dictionary.

    Returns:
        The largest difference from TensorFlow in grey levels, a float.

    Raises:
        ImportError, OSError: See `require_onnx`.
        ValueError: The network holds something that ONNX has not, or the pictures differ by more than one grey level.
    """
    require_onnx(path)
    import keras
    import onnx
    import onnxruntime

    of_seeds = generator.kind == "seeds"
    samples = _inputs(generator) if of_seeds else _pictures(generator.form)
    draw, inputs = _function(generator)
    names = [each.name for each in inputs]
    network = keras.Model(inputs, {"images": draw(*inputs)})
    network(samples[0])  # Keras exports only called networks
    with replacing(path) as temporary:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=r".*np\.object", category=FutureWarning)
                network.export(str(temporary), format="onnx", verbose=False)
            model = onnx.load(str(temporary))
            properties = {"model_card": json.dumps(card), **({"seeds": SEEDS} if of_seeds else {})}
            onnx.helper.set_model_props(model, properties)
            onnx.save(model, str(temporary))
            session = onnxruntime.InferenceSession(str(temporary), providers=["CPUExecutionProvider"])
            difference = max(_difference(session, draw, names, values) for values in samples)
        except OSError:
            raise
        except Exception as error:  # of tf2onnx or onnxruntime, for an operation that ONNX has not
            raise ValueError(f"the network must be one that ONNX can express. Received: {str(error)[:300]}") from error
        if not difference <= TOLERANCE:
            raise ValueError(
                "pictures by ONNX Runtime must be TensorFlow's within one grey level. "
                f"Received: {difference * 127.5:.1f} grey levels. The file is not kept"
            )
    return difference * 127.5


def _function(generator):
    """What draws, of Keras' symbolic tensors and of others, and its inputs, a list of `keras.Input`."""
    import keras

    from tfanime.models.stylegan2 import draw_truncated, has_styles

    if generator.kind != "seeds":
        return generator.network, [keras.Input((None, None, 3), name="pictures")]
    join, network = generator.inputs.of, generator.network
    inputs = [keras.Input(spec.shape[1:], name=spec.name) for spec in generator.inputs.specs]
    if not has_styles(network):
        return lambda *given: network(join(*given)), inputs

    class Truncated(keras.layers.Layer):  # a layer, since a mean over tags needs the number of rows
        def __init__(self):
            super().__init__(dtype="float32", name="truncated")
            self.network = network

        def call(self, given):
            *parts, psi = given
            return draw_truncated(self.network, join(*parts), psi[:, None, None])

    truncated = Truncated()
    return lambda *given: truncated(list(given)), [*inputs, keras.Input((), name="psi")]


def _inputs(generator):
    """Inputs of a generator to try, of each batch a list."""
    from tfanime.models.stylegan2 import has_styles

    samples = []
    for batch in BATCHES:
        random = np.random.default_rng(batch)
        values = [random.normal(size=(batch, spec.shape[1])).astype(np.float32) for spec in generator.inputs.specs]
        if generator.vocabulary:
            values[1] = np.where(values[1] > 0, 1, -1).astype(np.float32)
        if has_styles(generator.network):
            values.append(random.uniform(size=batch).astype(np.float32))
        samples.append(values)
    return samples


def _pictures(form):
    """Pictures of several sizes to try."""
    random = np.random.default_rng(0)
    sizes = [(batch, *(form.multiple * side for side in sides), 3) for batch, sides in enumerate(SIDES, 1)]
    return [[random.uniform(-1, 1, size).astype(np.float32)] for size in sizes]


def difference_of_pictures(content, generator):
    """The largest difference of an ONNX file's pictures from TensorFlow's, in [-1, 1].

    Args:
        content: The file of a network from pictures to pictures, as bytes.
        generator: The `tfanime.generator.PictureNetwork`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    samples = _pictures(generator.form)
    return max(_difference(session, generator.network, ["pictures"], values) for values in samples)


def _difference(session, draw, names, values):
    import keras

    (images,) = session.run(["images"], dict(zip(names, values, strict=True)))
    expected = np.asarray(draw(*map(keras.ops.convert_to_tensor, values)))
    return float(np.abs(images - expected).max())
