import sys

import numpy as np
import pytest
from PIL import Image

from tfanime.tfrecords.detectors.onnx import Placement, letterbox, onnx
from tfanime.tfrecords.detectors.registry import DetectSettings

package = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = package.helper
FLOAT = package.TensorProto.FLOAT


def save(path, nodes, constants, shape=(1, 3, 64, 64), output=(None, None, None), outputs=("out",), kind=FLOAT, **data):
    """Writes a graph from the input `in` to `outputs`."""
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("in", kind, shape)],
        [helper.make_tensor_value_info(name, kind, output) for name in outputs],
        [package.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, data)
    package.save(model, path)
    return str(path)


def constant(path, values, outputs=("out",), **keywords):
    """A model that answers `values` whatever it sees."""
    nodes = [helper.make_node("Identity", ["values"], [name]) for name in outputs]
    values = np.asarray(values, np.float16 if keywords.get("kind") == package.TensorProto.FLOAT16 else np.float32)
    keywords.setdefault("output", values.shape)
    return save(path, nodes, {"values": values}, outputs=outputs, **keywords)


def red_square_finder(path, shape=(1, 3, 64, 64), side=64):
    """A model of YOLOv8's form whose first of eight boxes is the bounding box of all red pixels."""
    index = np.arange(side, dtype=np.float32)
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "channels": np.array([1]),
        "high": np.float32(0.5),
        "low": np.float32(0.5),
        "index": index,
        "index1": index + 1,
        "reverse": side - index,
        "side": np.float32(side),
        "half": np.float32(0.5),
        "column": np.array([1, 1, 1]),
        "first": np.eye(1, 8, dtype=np.float32)[np.newaxis],
    }
    nodes = [
        helper.make_node("Slice", ["in", "zero", "one", "channels"], ["red"]),
        helper.make_node("Slice", ["in", "one", "two", "channels"], ["green"]),
        helper.make_node("Greater", ["red", "high"], ["is_red"]),
        helper.make_node("Less", ["green", "low"], ["is_not_green"]),
        helper.make_node("And", ["is_red", "is_not_green"], ["is_in"]),
        helper.make_node("Cast", ["is_in"], ["mask"], to=FLOAT),
        helper.make_node("ReduceMax", ["mask"], ["score"], axes=[0, 1, 2, 3], keepdims=0),
    ]
    for name, axes in (("x", [0, 1, 2]), ("y", [0, 1, 3])):
        nodes += [
            helper.make_node("ReduceMax", ["mask"], [f"line_{name}"], axes=axes, keepdims=0),
            helper.make_node("Mul", [f"line_{name}", "reverse"], [f"from_end_{name}"]),
            helper.make_node("ReduceMax", [f"from_end_{name}"], [f"before_{name}"], keepdims=0),
            helper.make_node("Sub", ["side", f"before_{name}"], [f"start_{name}"]),
            helper.make_node("Mul", [f"line_{name}", "index1"], [f"from_start_{name}"]),
            helper.make_node("ReduceMax", [f"from_start_{name}"], [f"end_{name}"], keepdims=0),
            helper.make_node("Add", [f"start_{name}", f"end_{name}"], [f"sum_{name}"]),
            helper.make_node("Mul", [f"sum_{name}", "half"], [f"centre_{name}"]),
            helper.make_node("Sub", [f"end_{name}", f"start_{name}"], [f"extent_{name}"]),
        ]
    values = ("centre_x", "centre_y", "extent_x", "extent_y", "score")
    nodes += [helper.make_node("Reshape", [value, "column"], [f"{value}_row"]) for value in values]
    nodes += [
        helper.make_node("Concat", [f"{value}_row" for value in values], ["box"], axis=1),
        helper.make_node("Mul", ["box", "first"], ["out"]),
    ]
    return save(path, nodes, constants, shape, (1, 5, 8))


def detector(path, **values):
    return onnx(DetectSettings(detector="onnx", detector_model=path, **values))


# x, y, width, height in the input of 64x64. The second overlaps the first (0.78), the fourth has no area.
BOXES = np.array([[20, 20, 16, 16], [21, 21, 16, 16], [50, 40, 10, 20], [30, 30, 0, 0], [5, 5, 4, 4], [9, 50, 4, 4]])
SQUARE = Image.new("RGB", (64, 64))


def rows(scores, count):
    """The six boxes with their scores, and below them boxes without any, [1, count, 4 + n]."""
    values = np.zeros((1, count, 4 + np.shape(scores)[1]))
    values[0, :6] = np.concatenate([BOXES, scores], axis=1)
    return values


def found(model, threshold):
    faces = [face for face in detector(model).find(SQUARE) if face.score >= threshold]
    assert all(face.points == face.colours == () and type(face.box[0]) is type(face.score) is float for face in faces)
    return [(*face.box, round(face.score, 3)) for face in faces]


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (1, 3, "height", "width"), ("batch", 3, 64, 64)])
def test_onnx_form_8_takes_the_best_class_and_one_box_for_each_face(tmp_path, shape):
    scores = [[0.7, 0.1], [0.2, 0.9], [0.8, 0.0], [1, 1], [0.3, 0.4], [0, 0]]
    model = constant(tmp_path / "m.onnx", rows(scores, 20).transpose(0, 2, 1), shape=shape, imgsz="[64, 64]")
    faces = detector(model, detect_size=0).find(SQUARE)
    assert [face.box for face in faces] == [(13, 13, 29, 29), (45, 30, 55, 50), (3, 3, 7, 7)]
    assert [face.score for face in faces] == pytest.approx([0.9, 0.8, 0.4])


def test_onnx_form_5_multiplies_by_objectness(tmp_path):
    scores = [[1, 0.6, 0.1], [0.5, 0.2, 1], [0.9, 1, 0], [1, 1, 1], [0, 1, 1], [0.6, 0.5, 0.9]]
    model = constant(tmp_path / "m.onnx", rows(scores, 20))
    assert found(model, 0.53) == [(45, 30, 55, 50, 0.9), (12, 12, 28, 28, 0.6), (7, 48, 11, 52, 0.54)]


def test_onnx_form_5_reads_one_class(tmp_path):
    scores = [[0.5, 0.8], [0.5, 0.5], [0.9, 1], [1, 1], [0, 1], [0, 1]]
    assert found(constant(tmp_path / "m.onnx", rows(scores, 1575)), 0.3) == [
        (45, 30, 55, 50, 0.9),
        (12, 12, 28, 28, 0.4),
    ]


def test_onnx_suppressed_boxes_are_corners(tmp_path):
    values = np.zeros((1, 300, 6))
    values[0, :2] = [[1, 2, 30, 40, 0.9, 1], [33, 2, 60, 30, 0.6, 0]]
    assert found(constant(tmp_path / "m.onnx", values), 0.5) == [(1, 2, 30, 40, 0.9), (33, 2, 60, 30, 0.6)]
    assert found(constant(tmp_path / "m.onnx", np.zeros((1, 0, 6))), 0.5) == []


def test_onnx_keeps_the_likeliest_of_many_candidates(tmp_path):
    values = np.zeros((1, 5, 5000))  # rows of boxes 3 px apart, of which no two overlap, the likeliest last
    values[0, 0] = 3 * (np.arange(5000) % 20) + 2
    values[0, 1] = 3 * (np.arange(5000) // 20 % 20) + 2
    values[0, 2:4] = 2
    values[0, 4] = np.linspace(0, 0.5, 5000)
    values[0, :, -1] = (40, 40, 30, 30, 0.9)
    faces = detector(constant(tmp_path / "m.onnx", values)).find(SQUARE)
    assert faces[0].box == (25, 25, 55, 55) and faces[0].score == pytest.approx(0.9)
    assert len(faces) == 401  # each place once


def test_onnx_runs_in_half_precision(tmp_path):
    scores = [[0.5, 0.25], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
    model = constant(tmp_path / "m.onnx", rows(scores, 20).transpose(0, 2, 1), kind=package.TensorProto.FLOAT16)
    assert found(model, 0.4) == [(12, 12, 28, 28, 0.5)]


def test_onnx_boxes_are_clipped_to_the_picture(tmp_path):
    values = np.zeros((1, 5, 20))
    values[0, :, :3] = np.transpose([[2, 32, 16, 20, 0.9], [60, 60, 30, 30, 0.8], [32, 5, 30, 6, 0.7]])
    # The picture takes the middle half of the input's height; the third box is all above it, in the grey.
    faces = detector(constant(tmp_path / "m.onnx", values)).find(Image.new("RGB", (128, 64)))
    assert [face.box for face in faces] == [(0, 12, 20, 52), (90, 58, 128, 64)]


@pytest.mark.parametrize(
    ("size", "square"),
    [
        ((64, 64), (8, 16, 24, 40)),
        ((128, 64), (16, 8, 48, 40)),  # shrunk to half, grey above and below
        ((64, 256), (8, 128, 40, 200)),  # shrunk to a quarter, grey on both sides
        ((32, 16), (4, 2, 12, 10)),  # enlarged
        ((300, 210), (30, 45, 150, 90)),
    ],
)
def test_onnx_finds_a_square_at_its_place(tmp_path, size, square):
    picture = Image.new("RGB", size, (0, 0, 255))
    picture.paste((255, 0, 0), square)
    (face,) = detector(red_square_finder(tmp_path / "m.onnx")).find(picture)
    pixel = max(size) / 64
    assert face.box == pytest.approx(square, abs=pixel if pixel > 4 else 0.01)
    assert face.score == 1.0


def test_onnx_input_is_rgb_from_0_to_1(tmp_path):
    find = detector(red_square_finder(tmp_path / "m.onnx")).find
    assert len(find(Image.new("RGB", (64, 64), (255, 0, 0)))) == 1
    for colour in ((0, 0, 255), (120, 0, 0), (255, 140, 0), (255, 255, 255)):
        assert find(Image.new("RGB", (64, 64), colour)) == []


def test_onnx_open_input_takes_the_detect_size(tmp_path):
    model = red_square_finder(tmp_path / "m.onnx", (1, 3, "height", "width"), side=96)  # fits no other side
    picture = Image.new("RGB", (192, 96))
    picture.paste((255, 0, 0), (20, 30, 60, 80))
    (face,) = detector(model, detect_size=90).find(picture)
    assert face.box == (20, 30, 60, 80)
    with pytest.raises(ValueError, match=r"--detector_model must take \[1, 3, 128, 128\]"):
        detector(model, detect_size=97)


@pytest.mark.parametrize("picture", [(640, 480), (480, 640), (1000, 37), (1, 1), (333, 777), (64, 64)])
def test_onnx_placement_round_trip_is_exact(picture):
    width, height = 320, 256
    inputs, placement = letterbox(Image.new("RGB", picture, (255, 255, 255)), width, height)
    left, top = placement.corner
    right, bottom = left + placement.size[0], top + placement.size[1]
    white = (inputs[0] == 1).all(axis=0)
    assert inputs.shape == (1, 3, height, width) and inputs.dtype == np.float32
    assert white[top:bottom, left:right].all() and white.sum() == (right - left) * (bottom - top)
    assert np.unique(inputs[0][:, ~white]).tolist() in ([], [np.float32(114) / np.float32(255)])
    whole = placement.to_picture(np.array([[left, top, right, bottom]]))
    assert whole.tolist() == [[0, 0, *picture]]
    boxes = np.array([[0.1, 0.2, 0.6, 0.9], [0.0, 0.5, 0.25, 1.0]]) * np.tile(picture, 2)
    there = boxes * np.tile(np.divide(placement.size, picture), 2) + np.tile(placement.corner, 2)
    assert placement.to_picture(there) == pytest.approx(boxes, rel=1e-12, abs=1e-9)
    assert Placement(picture, width, height).size == placement.size


def test_onnx_refuses_other_output_shapes(tmp_path):
    path = tmp_path / "m.onnx"
    for values, keywords, message in (
        (np.zeros((1, 4, 20)), {}, r"output \[1, 4 \+ classes.*\[1, 4, 20\]"),
        (np.zeros((20, 7)), {}, r"\[20, 7\]"),
        (np.zeros((1, 3, 8, 8, 6)), {}, r"\[1, 3, 8, 8, 6\]"),
        (np.zeros((1, 5, 20)), {"outputs": ("out", "masks")}, r"one output.*out \[1, 5, 20\], masks \[1, 5, 20\]"),
        (np.zeros((1, 5, 20)), {"shape": (1, 64, 64, 3)}, r"one input \[1, 3, .*in \[1, 64, 64, 3\]"),
        (np.full((1, 20, 50), 37.0), {}, "scores between 0 and 1.*37.*landmarks"),
        (np.full((1, 5, 20), np.nan), {}, "scores between 0 and 1.*nan"),
    ):
        with pytest.raises(ValueError, match=rf"--detector_model must .*{message}"):
            detector(constant(path, values, **keywords))


def test_onnx_refuses_other_files(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"--detector_model must be an ONNX file.*m\.onnx"):
        detector(str(path))


def test_onnx_without_onnxruntime_names_its_extra(tmp_path, monkeypatch):
    path = constant(tmp_path / "m.onnx", np.zeros((1, 5, 20)))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'tfanime\[onnx\]'"):
        detector(path)


def test_onnx_version_is_a_hash_of_the_file(tmp_path):
    one = detector(constant(tmp_path / "1.onnx", np.zeros((1, 5, 20)))).version
    same = detector(constant(tmp_path / "2.onnx", np.zeros((1, 5, 20)))).version
    other = detector(constant(tmp_path / "3.onnx", np.zeros((1, 5, 21)))).version
    assert one == same != other and len(one) == 12
