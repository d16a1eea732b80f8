import numpy as np
import pytest
import tiny_networks
from PIL import Image

from tfanime.latent_space.portraits import pictures_in, portrait, tags_of
from tfanime.tags import TagGroup, TagVocabulary
from tfanime.tfrecords.detectors.detection import Detection


def test_pictures_in_lists_a_path(in_tmp):
    with pytest.raises(
        FileNotFoundError, match=r"picture must be a picture file, or a folder of pictures. Received: 'a.png'"
    ):
        pictures_in("a.png")
    (in_tmp / "faces").mkdir()
    with pytest.raises(ValueError, match="picture must be a folder with pictures"):
        pictures_in("faces")
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (in_tmp / "faces" / name).touch()
    assert [path.name for path in pictures_in("faces")] == ["a.jpg", "b.PNG"]
    assert [path.name for path in pictures_in("faces/a.jpg")] == ["a.jpg"]
    (in_tmp / "faces" / "a.png").touch()
    with pytest.raises(ValueError, match=r"pictures must have different names, .* Received twice: 'a'"):
        pictures_in("faces")


def test_portrait_crops_the_best_face_or_the_middle(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:20, 40:50] = (200, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    faces = [Detection((0, 0, 20, 20), 0.6), Detection((40, 10, 50, 20), 0.9)]
    face = portrait(tmp_path / "a.png", 16, lambda image: faces, "test", zoom=1)
    assert (face == (200, 0, 0)).all() and face.shape == (16, 16, 3)
    middle = portrait(tmp_path / "a.png", 40)
    np.testing.assert_array_equal(middle, pixels[:, 10:50])
    with pytest.raises(
        ValueError, match=r"picture must show a face that test finds. .*a.png'; if it is cropped .* use --no_crop"
    ):
        portrait(tmp_path / "a.png", 16, lambda image: [], "test")


def test_tags_of_predicts_tags():
    class Tagger:
        vocabulary = tiny_networks.VOCABULARY

        def predict(self, images):
            return None, np.array([[3.0, 1.0, -1.0, 2.0, -2.0], [-3.0, -1.0, -1.0, -2.0, 2.0]])

    other = TagVocabulary("other", (TagGroup("colour", ("green", "red"), True), TagGroup("more", ("smile",), False)))
    values = tags_of(other, Tagger(), np.zeros((2, 8, 8, 3), np.uint8))
    assert values.tolist() == [[-1, 1, -1], [0, 0, 1]]
