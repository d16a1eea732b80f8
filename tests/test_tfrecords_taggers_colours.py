import importlib.util
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tfanime.drawn import avatars as drawn
from tfanime.tags import JIN34, KONACHAN26, TagGroup, TagVocabulary
from tfanime.tfrecords.crop import face_square, resize
from tfanime.tfrecords.detectors.registry import DETECTORS, Detection, DetectSettings
from tfanime.tfrecords.taggers import colours
from tfanime.tfrecords.taggers.colours import ColourTagger
from tfanime.tfrecords.taggers.tagging import Sight

HAIR = {
    "black": (40, 36, 44),
    "blonde": (250, 220, 130),
    "blue": (60, 90, 200),
    "brown": (120, 78, 50),
    "green": (90, 170, 90),
    "pink": (250, 160, 195),
    "purple": (140, 90, 185),
    "red": (190, 40, 45),
}
EYES = {"blue": (50, 110, 225), "red": (205, 35, 45)}  # of drawn avatars all colours are tested


def flat_face(hair, eye, size=128, eyes=((0.33, 0.43), (0.67, 0.43)), unit=0.34):
    """A face of flat colours: hair all about, a skin ellipse below the fringe, two eyes; positions as shares."""
    image = Image.new("RGB", (size, size), hair)
    draw = ImageDraw.Draw(image)
    x, y = (np.mean([eye[axis] for eye in eyes]) for axis in (0, 1))
    box = (x - 0.9 * unit, y - 0.35 * unit, x + 0.9 * unit, y + 1.3 * unit)
    draw.ellipse([round(value * size) for value in box], (255, 230, 215))
    for x, y in eyes:
        for radius, colour in ((0.27, (70, 40, 45)), (0.22, eye), (0.06, (25, 20, 30))):
            box = (x - radius * unit, y - radius * unit, x + radius * unit, y + radius * unit)
            draw.ellipse([round(value * size) for value in box], colour)
    return image


def said(tagger, image, detection=None, region=None):
    return tagger.vocabulary.decode(tagger(Sight(image, detection, None, region)))


@pytest.mark.parametrize("vocabulary", [JIN34, KONACHAN26], ids=lambda vocabulary: vocabulary.name)
def test_colours_of_flat_faces_are_found(vocabulary):
    tagger = ColourTagger(vocabulary, None, None)
    for index, (name, hair) in enumerate(HAIR.items()):
        eye = list(EYES)[index % len(EYES)]
        tags = said(tagger, flat_face(hair, EYES[eye]))
        assert f"{name}_hair" in tags, (name, tags)
    for name, eye in EYES.items():
        tags = said(tagger, flat_face((120, 78, 50), eye))
        assert f"{name}_eyes" in tags, (name, tags)


def test_colours_decide_a_whole_group_or_nothing():
    tagger = ColourTagger(KONACHAN26, None, None)
    values = tagger(Sight(flat_face(HAIR["red"], EYES["blue"]), None, None))
    assert values.dtype == np.int8 and values.shape == (len(KONACHAN26),)
    for group, where in KONACHAN26.slices:
        if group.name == "hair_length":
            assert not values[where].any()
        else:
            assert sorted(values[where]) == [-1] * (len(group.tags) - 1) + [1]


def test_colours_of_grey_pictures_are_unknown():
    tagger = ColourTagger(JIN34, None, None)
    face = flat_face(HAIR["red"], EYES["blue"])
    for image in (face.convert("L").convert("RGB"), *(Image.new("RGB", (64, 64), 3 * (v,)) for v in (0, 90, 255))):
        assert not tagger(Sight(image, None, None)).any()


def test_colours_below_the_threshold_are_unknown(monkeypatch):
    sight = Sight(flat_face(HAIR["red"], EYES["blue"]), None, None)
    tagger = ColourTagger(JIN34, None, None)
    monkeypatch.setitem(colours.LEAST_CONFIDENCE, "hair", 1.01)
    tags = JIN34.decode(tagger(sight))
    assert tags == ("blue_eyes",)


def test_colours_take_eyes_from_the_detector():
    points = ((88.0, 80.0), (60.0, 78.0), (74.0, 104.0), (74.0, 92.0), (74.0, 116.0))
    detection = Detection((40.0, 50.0, 110.0, 120.0), 0.9, points)
    eyes = colours.find_eyes(Sight(Image.new("RGB", (96, 96)), detection, None, (28.0, 32.0, 96.0)))
    assert np.allclose(eyes, [[32, 46], [60, 48]])  # sorted from left to right in the picture
    half = colours.find_eyes(Sight(Image.new("RGB", (48, 48)), detection, None, (28.0, 32.0, 96.0)))
    assert np.allclose(half, eyes / 2)


def test_colours_without_points_search_the_usual_place_of_eyes():
    plain = Image.new("RGB", (100, 100), (200, 60, 60))  # nothing stands out
    assert np.allclose(colours.find_eyes(Sight(plain, None, None)), [[33, 43], [67, 43]])
    boxed = Detection((10.0, 20.0, 110.0, 120.0), 0.9)
    eyes = colours.find_eyes(Sight(plain, boxed, None, (10.0, 20.0, 100.0)))
    assert np.allclose(eyes, [[31, 41], [68, 41]])
    together = Detection((10.0, 20.0, 110.0, 120.0), 0.9, 5 * ((60.0, 60.0),))  # points that cannot be right
    assert np.allclose(colours.find_eyes(Sight(plain, together, None, (10.0, 20.0, 100.0))), eyes)


@pytest.mark.parametrize("places", [((0.33, 0.43), (0.67, 0.43)), ((0.37, 0.56), (0.64, 0.56))])
def test_colours_find_eyes_by_search(places):
    image = flat_face(HAIR["brown"], EYES["blue"], 128, places, unit=places[1][0] - places[0][0])
    eyes = colours.find_eyes(Sight(image, None, None)) / 128
    assert np.abs(eyes - places).max() < 0.045  # an iris is 0.06 to 0.07 wide, half of it


def test_colours_follow_the_points_of_an_off_centre_face():
    eyes = ((0.52, 0.66), (0.72, 0.72))  # small, low, tilted
    image = flat_face(HAIR["green"], EYES["red"], 192, eyes, unit=0.21)
    left, right = ((192 * x, 192 * y) for x, y in eyes)
    detection = Detection((90.0, 100.0, 150.0, 160.0), 0.9, (right, left, left, left, left))
    tagger = ColourTagger(JIN34, None, None)
    assert set(said(tagger, image, detection, (0.0, 0.0, 192.0))) == {"green_hair", "red_eyes"}


def test_colours_repeat_the_border_outside_the_crop():
    crop = np.zeros((20, 20, 3), np.uint8)
    crop[:, -1] = 9
    pixels = colours.take_pixels(crop, np.array([[15.0, 10.0], [25.0, 10.0]]))
    assert (pixels[:, -5:] == 9).all() and (pixels[:, 0] == 0).all()


def test_colours_use_the_detectors_samples():
    grey = flat_face((150, 150, 156), (120, 120, 130))
    points = tuple((128 * x, 128 * y) for x, y in ((0.67, 0.43), (0.33, 0.43), (0.5, 0.7), (0.5, 0.6), (0.5, 0.8)))

    def probabilities(*hair):
        samples = (("skin", (255, 230, 215)), ("hair", hair), ("left_eye", (90, 90, 90)), ("right_eye", (90, 90, 90)))
        fitted = colours.load_colours()
        lab = colours.to_lab(colours.take_pixels(np.asarray(grey), np.array(points[1::-1])))
        features = colours.describe(
            lab, colours.to_lab([colour for _, colour in samples]), fitted.words, fitted.centres
        )
        return dict(zip(fitted.names["hair"], fitted.probabilities(features)["hair"], strict=True))

    assert probabilities(220, 30, 40)["red"] > probabilities(30, 60, 220)["red"]
    assert probabilities(30, 60, 220)["blue"] > probabilities(220, 30, 40)["blue"]


def test_to_lab_equals_known_values():
    lab = colours.to_lab([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]])
    assert np.allclose(lab, [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]], atol=0.1)


def test_colours_split_gray_into_silver_by_lightness(monkeypatch):
    def hair(vocabulary, colour):
        monkeypatch.setitem(colours.LEAST_CONFIDENCE, "hair", 0.0)
        fitted = colours.load_colours()
        chances = np.eye(len(fitted.names["hair"]))[fitted.names["hair"].index("gray")]
        eyes = np.eye(len(fitted.names["eyes"]))[0]
        monkeypatch.setattr(colours.Colours, "probabilities", lambda self, _: {"hair": chances, "eyes": eyes})
        return [tag for tag in said(ColourTagger(vocabulary), flat_face(colour, EYES["blue"])) if "hair" in tag]

    light, dark = (192, 198, 212), (112, 112, 122)
    assert hair(JIN34, light) == ["silver_hair"] and hair(JIN34, dark) == ["grey_hair"]
    assert hair(KONACHAN26, light) == hair(KONACHAN26, dark) == ["gray_hair"]


def test_colours_work_with_other_vocabularies():
    groups = (
        TagGroup("haar", ("red_hair", "grey_hair", "rainbow_hair"), exclusive=True),
        TagGroup("single", ("blue_eyes",), exclusive=True),
        TagGroup("free", ("green_hair", "green_eyes"), exclusive=False),
    )
    tagger = ColourTagger(TagVocabulary("own", groups))
    values = tagger(Sight(flat_face(HAIR["red"], EYES["blue"]), None, None))
    assert values.tolist() == [1, -1, -1, 0, 0, 0]  # one colour is nothing to choose from
    values = tagger(Sight(flat_face(HAIR["green"], EYES["blue"]), None, None))
    assert not values.any()  # a colour that the group does not have says nothing of the others


def test_colours_tagger_can_be_pickled():
    sight = Sight(flat_face(HAIR["pink"], EYES["blue"]), None, None)
    tagger = ColourTagger(JIN34, SimpleNamespace(), ["red_hair"])
    other = pickle.loads(pickle.dumps(tagger))
    assert tagger(sight).any() and np.array_equal(other(sight), tagger(sight))
    assert (other.name, other.version) == (tagger.name, tagger.version) and tagger.name == "colours"


def score(sights):
    """Accuracy where a colour was said, and the share of faces where it was, for hair and eyes of drawn avatars."""
    tagger = ColourTagger(JIN34)
    truths = np.array([truth for truth, _ in sights])
    values = np.array([tagger(sight) for _, sight in sights])
    result = {}
    for group, where in JIN34.slices:
        if group.exclusive:
            known = values[:, where].any(axis=1)
            right = (values[known, where].argmax(1) == truths[known, where].argmax(1)).mean()
            result[group.name] = right, known.mean()
    return result


def avatars(count, size):
    for seed in range(count):
        yield drawn.drawn_tags(seed), Image.fromarray(drawn.draw(seed, size=size))


def test_colours_of_drawn_avatars_without_a_detector():
    sights = [(tags, Sight(image, None, None)) for tags, image in avatars(100, 64)]
    scores = score(sights)
    assert all(value > 0.65 for value in scores["hair_colour"])  # accuracy, coverage; of 13 colours
    assert all(value > 0.55 for value in scores["eye_colour"])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("animeface") is None, reason="needs tfanime[faces]")
def test_colours_of_drawn_avatars_with_animeface():
    find = DETECTORS["animeface"](DetectSettings(detector="animeface")).find
    sights = []
    for tags, image in avatars(100, 192):
        faces = sorted(find(image), key=lambda face: -face.score)[:1]
        for face in faces:
            region = face_square(image, face.box, 1.5)
            crop = resize(region, 96, 10)
            sights.append((tags, Sight(crop, face, None, (region.left, region.top, region.side))))
    assert len(sights) > 80
    for name, (accuracy, coverage) in score(sights).items():
        assert accuracy > 0.8 and coverage > 0.7, name
