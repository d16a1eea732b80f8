"""The tagger `onnx`: a tagging network of yours, such as WD14, DeepDanbooru or Illustration2Vec, as an ONNX file.

docs/tags.md has the flags that each of these needs.
"""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from PIL import Image

from tfanime.limits import Limit, above, at_least

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
CHANNEL_AXIS = {"NHWC": 3, "NCHW": 1}

NUMBERS = Limit("one number, or three separated by commas", lambda value: _three_numbers(value) is not None)


@dataclass(frozen=True, kw_only=True)
class OnnxTaggerSettings:
    """A tagging network

    Args:
        tagger_model: For `onnx`: the network's ONNX file, with one input for one picture.
        tagger_tags: For `onnx`: its outputs' names in order: a text file with one a line, a CSV with a column `name`,
            or a JSON list.
        tagger_size: For `onnx`: side of the network's input in pixels. Default: read from the file.
        tagger_layout: For `onnx`: whether the channels are the input's last axis or its second. Default: read from the
            file.
        tagger_channels: For `onnx`: order of the channels.
        tagger_mean: For `onnx`: subtracted from the pixels 0 to 255; one number, or three separated by commas in the
            order of --tagger_channels.
        tagger_scale: For `onnx`: divisor of the difference, such as 255 for a network that takes 0 to 1.
        tagger_activation: For `onnx`: `sigmoid` if the network gives logits.
        tagger_threshold: For `onnx`: smallest probability at which a tag holds.
    """

    tagger_model: str | None = None
    tagger_tags: str | None = None
    tagger_size: Annotated[int | None, at_least(1)] = None
    tagger_layout: Literal["NHWC", "NCHW"] | None = None
    tagger_channels: Literal["RGB", "BGR"] = "RGB"
    tagger_mean: Annotated[str, NUMBERS] = "0"
    tagger_scale: Annotated[float, above(0)] = 1.0
    tagger_activation: Literal["none", "sigmoid"] = "none"
    tagger_threshold: Annotated[float, above(0, most=1)] = 0.5

    def rules_of_files(self):
        """Yields `(flag, whether its rule holds, the rule)`; raises FileNotFoundError for a file that is not there."""
        for flag, what in (("tagger_model", "the ONNX file"), ("tagger_tags", "the tag list")):
            value = getattr(self, flag)
            yield flag, value is not None, f"{what} of a network for --tagger onnx"
            if value is not None and not Path(value).is_file():
                raise FileNotFoundError(f"--{flag} must be {what} of a network. Received: {value!r}, no such file")


class OnnxTagger:
    """Predicts tags of the face by a network, at the picture's own resolution.

    Several of its tags may mean one of the vocabulary (aliases): the likeliest counts. In an exclusive group the
    likeliest tag holds if its probability reaches the threshold, and the group is unknown otherwise (Jin et al. 2017
    took the likeliest even below it). An independent tag holds from the threshold on and does not below it; one that
    the network does not have is unknown.

    It can be pickled: the network is loaded from its path at its first use, with one thread, because workers run in
    parallel and a crop's tags must not depend on their number.

    Args:
        vocabulary: The `TagVocabulary`.
        settings: Anything with the fields of `OnnxTaggerSettings`.
        used_words: Not used; all taggers take the same arguments.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: The network or its tag list has another form, or the two do not fit together.
    """

    name = "onnx"

    def __init__(self, vocabulary, settings, used_words=None):
        self.vocabulary = vocabulary
        self.settings = settings
        self.version = _version(settings.tagger_model, settings.tagger_tags)
        names = read_tag_list(settings.tagger_tags)
        self._count = len(names)
        places = {tag: place for place, tag in enumerate(vocabulary.tags)}
        pairs = [(output, places[tag]) for output, name in enumerate(names) if (tag := vocabulary.canonical(name))]
        if not pairs:
            raise ValueError(
                f"--tagger_tags must have tags of vocabulary {vocabulary.name!r}. Received: "
                f"{settings.tagger_tags!r} with {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
            )
        self._outputs, self._places = np.array(pairs).T
        self._network = _Network(settings, self._count)
        self._probabilities(Image.new("RGB", (32, 32), (128, 128, 128)))  # finds errors before the work begins
        self._network = None

    def __getstate__(self):
        return {**self.__dict__, "_network": None}

    def __call__(self, sight):
        probabilities = self._probabilities(sight.square or sight.crop)[self._outputs]
        return self.vocabulary.from_probabilities(self._places, probabilities, self.settings.tagger_threshold)

    def _probabilities(self, crop):
        """The network's probabilities for an RGB `PIL.Image`: float64 `[its tags]`."""
        if self._network is None:
            self._network = _Network(self.settings, self._count)
        outputs = self._network(crop)
        if self.settings.tagger_activation == "sigmoid":
            return (1 + np.tanh(outputs / 2)) / 2  # the logistic function, without overflow
        if not (outputs.min() >= 0 and outputs.max() <= 1.001):
            raise ValueError(
                f"--tagger_activation must be sigmoid for a network that gives logits. Received: 'none', with outputs "
                f"from {outputs.min():.3g} to {outputs.max():.3g} of {self.settings.tagger_model!r}"
            )
        return outputs


class _Network:
    """An ONNX file that is loaded, with the form of its input."""

    def __init__(self, settings, count):
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                "--tagger onnx needs the package onnxruntime, which is not installed: pip install 'tfanime[onnx]'"
            ) from error
        self.settings = settings
        self.count = count
        self.path = settings.tagger_model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the package has many exception classes
            raise ValueError(f"--tagger_model must be an ONNX file. Received: {self.path!r}: {error}") from error
        inputs = self.session.get_inputs()
        shape = inputs[0].shape if inputs else []
        if len(inputs) != 1 or len(shape) != 4 or inputs[0].type not in TYPES or _fixed(shape[0]) not in (None, 1):
            described = ", ".join(f"{one.name} {one.shape} {one.type}" for one in inputs) or "no input"
            raise ValueError(
                "--tagger_model must have one input of four axes, float32 or float16, for one picture. "
                f"Received: {self.path!r} with {described}"
            )
        self.input, self.type = inputs[0].name, TYPES[inputs[0].type]
        self.layout = self._layout(shape)
        self.size = self._size(shape)
        self.mean = np.array(_three_numbers(settings.tagger_mean), np.float32)

    def _layout(self, shape):
        fitting = [layout for layout, axis in CHANNEL_AXIS.items() if _fixed(shape[axis]) == 3]
        asked = self.settings.tagger_layout
        if asked is None and len(fitting) != 1:
            raise ValueError(
                f"--tagger_layout must be NHWC or NCHW for a network whose input does not say it. "
                f"Received: none, with {self.path!r} of input {shape}"
            )
        layout = asked or fitting[0]
        if _fixed(shape[CHANNEL_AXIS[layout]]) not in (None, 3):
            raise ValueError(
                f"--tagger_layout must fit the network's input {shape}, with 3 channels. Received: {layout!r}"
            )
        return layout

    def _size(self, shape):
        sides = {_fixed(side) for axis, side in enumerate(shape) if axis not in (0, CHANNEL_AXIS[self.layout])} - {None}
        asked = self.settings.tagger_size
        if not sides and asked is None:
            raise ValueError(
                f"--tagger_size must be given for a network that takes any size. "
                f"Received: none, with {self.path!r} of input {shape}"
            )
        if len(sides) > 1 or (asked is not None and sides - {asked}):
            raise ValueError(f"--tagger_size must fit the network's input {shape}, a square. Received: {asked}")
        return asked or sides.pop()

    def __call__(self, crop):
        """The network's outputs for an RGB `PIL.Image`: float64 `[count]`."""
        if crop.size != (self.size, self.size):
            crop = crop.resize((self.size, self.size), Image.Resampling.BICUBIC)
        pixels = np.asarray(crop, np.float32)  # [size, size, 3]
        if self.settings.tagger_channels == "BGR":
            pixels = pixels[..., ::-1]
        pixels = (pixels - self.mean) / np.float32(self.settings.tagger_scale)
        if self.layout == "NCHW":
            pixels = pixels.transpose(2, 0, 1)
        pixels = np.ascontiguousarray(pixels[np.newaxis], self.type)
        try:
            outputs = [np.ravel(output) for output in self.session.run(None, {self.input: pixels})]
        except Exception as error:  # of onnxruntime: sizes that do not fit one another
            raise ValueError(
                f"--tagger_model must take an input of {list(pixels.shape)}. Received: {self.path!r}: {error}"
            ) from error
        fitting = [output for output in outputs if len(output) == self.count]
        if not fitting:
            counts = " and ".join(f"{len(output):,}" for output in outputs)
            raise ValueError(
                f"--tagger_tags must have a name for each output of the network. Received: {self.count:,} names in "
                f"{self.settings.tagger_tags!r}, {counts} outputs of {self.path!r}"
            )
        return fitting[0].astype(np.float64)


def read_tag_list(path):
    """Reads the names of a network's outputs.

    Args:
        path: A CSV with a column `name` (WD14's selected_tags.csv), a JSON list (Illustration2Vec's tag_list.json), or
            any other text file with one name a line (DeepDanbooru's tags.txt).

    Returns:
        The names in order.

    Raises:
        ValueError: It is not such a file.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            names = [row["name"] for row in csv.DictReader(text.splitlines())]
        elif path.suffix.lower() == ".json":
            names = json.loads(text)
        else:
            names = [line.strip() for line in text.splitlines() if line.strip()]
    except (ValueError, KeyError, csv.Error) as error:
        raise ValueError(
            "--tagger_tags must be a text file with one name a line, a CSV with a column name, or a JSON list. "
            f"Received: {str(path)!r}: {type(error).__name__} {error}"
        ) from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f"--tagger_tags must be a list of names. Received: {str(path)!r}")
    return names


def _version(*paths):
    """The first 12 hexadecimal digits of the SHA-256 of the files."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _fixed(side):
    """The length of an axis as the file says it, None where it leaves it open."""
    return side if isinstance(side, int) and side > 0 else None


def _three_numbers(text):
    """Three finite numbers of a text with one or three, None for another text."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        return None
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all():
        return None
    return tuple(numbers * 3 if len(numbers) == 1 else numbers)
