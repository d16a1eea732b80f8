"""The detector `onnx`: any face detector of YOLO's form, as an ONNX file."""

import ast
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tfanime.tfrecords.detectors.detection import Detection, Detector, file_version

OVERLAP = 0.45  # of two boxes of one face, as YOLO's own suppression has it
PADDING = 114  # the grey that YOLO is trained with
STRIDE = 32
USUAL_SIDE = 640
MOST_FINAL_BOXES = 1000
CANDIDATES, LEAST_SCORE = 1000, 0.01  # limits before suppression; --threshold comes later
FORMS = (
    "[1, 4 + classes, boxes] (YOLOv8 and later), [1, boxes, 5 + classes] (YOLOv5) or [1, at most "
    f"{MOST_FINAL_BOXES} boxes, 6] (boxes after suppression)"
)


def onnx(settings):
    """A model of YOLO's form. Each of its classes counts as a face; a box's score is that of its best class.

    The picture goes in as RGB, 0 to 1, [1, 3, height, width], as large as fits, in the middle of grey padding.

    Args:
        settings: `DetectSettings`; `detector_model` and, where the model leaves the size of its input open,
            `detect_size` are used.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: No model is named, or it has another form.
        FileNotFoundError: The model does not exist.
    """
    path = model_path(settings)
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "--detector onnx needs the package onnxruntime, which is not installed: pip install 'tfanime[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    # One thread: the workers are the threads, and a picture's boxes must not depend on their number.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the package's own classes, one for each way of failing
        raise ValueError(f"--detector_model must be an ONNX file. Received: {str(path)!r}: {error}") from error
    model = _Model(session, path, settings.detect_size)
    model.require_form()

    def find(image):
        inputs, placement = letterbox(image, *model.size)
        boxes, scores = model(inputs)
        likely = np.argsort(-scores, kind="stable")[:CANDIDATES]
        boxes, scores = placement.to_picture(boxes[likely]), scores[likely]
        left, top, right, bottom = boxes.T
        sized = (right > left) & (bottom > top)
        boxes, scores = boxes[sized], scores[sized]
        corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), LEAST_SCORE, OVERLAP)
        return [Detection(tuple(boxes[index].tolist()), float(scores[index])) for index in np.ravel(kept).astype(int)]

    return Detector(file_version(path), find)


def model_path(settings):
    """The ONNX file of `settings.detector_model`.

    Raises:
        ValueError: None is named.
        FileNotFoundError: It does not exist.
    """
    value = settings.detector_model
    if not value:
        raise ValueError("--detector_model must name an ONNX file for --detector onnx. Received: none")
    if not Path(value).is_file():
        raise FileNotFoundError(f"--detector_model must be an existing ONNX file. Received: {value!r}")
    return Path(value)


class Placement:
    """The place of a picture in the input of a model.

    Args:
        picture: (width, height) of the picture.
        width: Width of the input.
        height: Height of the input.

    Attributes:
        size: (width, height) of the picture there.
        corner: (left, top) of the picture there.
    """

    def __init__(self, picture, width, height):
        scale = min(width / picture[0], height / picture[1])
        self.picture = picture
        self.size = tuple(max(1, round(side * scale)) for side in picture)
        self.corner = ((width - self.size[0]) // 2, (height - self.size[1]) // 2)

    def to_picture(self, boxes):
        """Boxes [n, 4] (left, top, right, bottom) in pixels of the input to ones of the picture, cut at its edges."""
        scale = np.array(self.picture, np.float64) / self.size
        boxes = (boxes - np.tile(self.corner, 2)) * np.tile(scale, 2)
        return np.clip(boxes, 0, np.tile(self.picture, 2))


def letterbox(image, width, height):
    """A picture as the input of a model: as large as fits, in the middle of grey.

    Args:
        image: RGB `PIL.Image`.
        width: Width of the input.
        height: Height of the input.

    Returns:
        `(inputs, placement)`: float32 [1, 3, height, width] in [0, 1], and the `Placement`.
    """
    placement = Placement(image.size, width, height)
    canvas = Image.new("RGB", (width, height), (PADDING,) * 3)
    canvas.paste(image.resize(placement.size, Image.Resampling.BILINEAR, reducing_gap=3.0), placement.corner)
    return np.asarray(canvas, np.float32).transpose(2, 0, 1)[np.newaxis] / 255, placement


class _Model:
    """A session with its sizes, and its output as boxes and scores."""

    def __init__(self, session, path, detect_size):
        self.session = session
        self.path = path
        inputs, outputs = session.get_inputs(), session.get_outputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or len(shape) != 4 or shape[1] != 3:
            raise ValueError(
                f"--detector_model must have one input [1, 3, height, width]. "
                f"Received: {str(path)!r} with {_shapes(inputs)}"
            )
        if len(outputs) != 1:
            raise ValueError(
                f"--detector_model must have one output, {FORMS}. Received: {str(path)!r} with {_shapes(outputs)}"
            )
        self.input = inputs[0]
        self.type = np.float16 if "float16" in self.input.type else np.float32
        self.size = tuple(side if isinstance(side, int) else self._free_side(detect_size) for side in shape[:1:-1])

    def _free_side(self, detect_size):
        """Side of an input whose size the model leaves open, a multiple of its stride."""
        sides = self.session.get_modelmeta().custom_metadata_map.get("imgsz")
        side = detect_size or (max(ast.literal_eval(sides)) if sides else USUAL_SIDE)
        return -(-side // STRIDE) * STRIDE

    def __call__(self, inputs):
        """Inputs float32 [1, 3, height, width] to boxes float64 [n, 4] (left, top, right, bottom) and scores [n]."""
        (output,) = self.session.run(None, {self.input.name: inputs.astype(self.type)})
        final = output.ndim == 3 and output.shape[2] == 6 and output.shape[1] <= MOST_FINAL_BOXES
        if output.ndim != 3 or output.shape[0] != 1 or (min(output.shape[1:]) < 5 and not final):
            raise ValueError(
                f"--detector_model must have the output {FORMS}. Received: {str(self.path)!r} with {list(output.shape)}"
            )
        output = output[0].astype(np.float64)
        rows, columns = output.shape
        if final:  # left, top, right, bottom, score, class
            return output[:, :4], output[:, 4]
        if rows < columns:  # x, y, width, height, classes
            output = output.T
            scores = output[:, 4:].max(axis=1)
        else:  # x, y, width, height, whether there is anything, classes
            scores = output[:, 4] * (output[:, 5:].max(axis=1) if columns > 5 else 1.0)
        centres, halves = output[:, :2], output[:, 2:4] / 2
        return np.concatenate([centres - halves, centres + halves], axis=1), scores

    def require_form(self):
        """Runs on a grey picture: landmarks or masks in place of classes are not likelihoods.

        Raises:
            ValueError: The model has another form.
        """
        width, height = self.size
        try:
            _, scores = self(np.full([1, 3, height, width], PADDING / 255, np.float32))
        except ValueError:
            raise
        except Exception as error:  # of onnxruntime: sizes that do not fit one another
            raise ValueError(
                f"--detector_model must take [1, 3, {height}, {width}]. Received: {str(self.path)!r}: {error}"
            ) from error
        least, most = scores.min(initial=0), scores.max(initial=0)
        if not (least >= 0 and most <= 1.001):
            raise ValueError(
                f"--detector_model must give scores between 0 and 1 in the output {FORMS}. Received: "
                f"{str(self.path)!r} with {least:.3g} to {most:.3g}: raw logits, or landmarks or masks "
                "beside the boxes"
            )


def _shapes(values):
    return ", ".join(f"{value.name} {value.shape}" for value in values) or "none"
