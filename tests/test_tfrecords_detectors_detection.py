import pytest
from PIL import Image

from tfanime.tfrecords.detectors.detection import Detection, file_version, shrunk


def recorder(seen):
    """A detector that finds one face, at fixed fractions of whatever it sees."""

    def find(image):
        seen.append(image)
        width, height = image.size
        box = (0.25 * width, 0.5 * height, 0.75 * width, height)
        return [Detection(box, 0.9, ((0.5 * width, 0.25 * height),), (("hair", (1, 2, 3)),))]

    return find


@pytest.mark.parametrize("size", [(1000, 400), (400, 1000), (333, 777)])
def test_detections_are_in_coordinates_of_the_whole_picture(size):
    seen = []
    (face,) = shrunk(recorder(seen), 100)(Image.new("RGB", size))
    width, height = size
    assert max(seen[0].size) == 100
    assert seen[0].width / seen[0].height == pytest.approx(width / height, rel=0.03)
    assert face.box == pytest.approx((0.25 * width, 0.5 * height, 0.75 * width, height))
    assert face.points[0] == pytest.approx((0.5 * width, 0.25 * height))
    assert face.score == 0.9 and face.colours == (("hair", (1, 2, 3)),)


def test_shrunk_keeps_small_pictures():
    seen, picture = [], Image.new("RGB", (100, 60))
    shrunk(recorder(seen), 100)(picture)
    shrunk(recorder(seen), 0)(picture.resize((3000, 2000)))
    assert seen[0] is picture and seen[1].size == (3000, 2000)


def test_shrunk_keeps_at_least_one_pixel():
    seen = []
    shrunk(recorder(seen), 100)(Image.new("RGB", (5000, 3)))
    assert seen[0].size == (100, 1)


def test_shrunk_is_antialiased():
    stripes = Image.new("L", (800, 800))
    stripes.putdata([255 * (x % 2) for _ in range(800) for x in range(800)])
    seen = []
    shrunk(recorder(seen), 100)(stripes.convert("RGB"))
    values = seen[0].convert("L").getextrema()
    assert 120 <= values[0] <= values[1] <= 135


def test_file_version_is_a_hash_of_its_contents(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"other")
    assert file_version(tmp_path / "a") == "e3b0c44298fc" != file_version(tmp_path / "b")
