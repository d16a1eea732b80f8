import numpy as np
from PIL import Image, ImageDraw

from tfanime.metrics.nearest_colour import NearestColour, face_colours
from tfanime.tags import JIN34, KONACHAN26
from tfanime.tfrecords.taggers.colours import to_lab

HAIR = {"red": (190, 40, 45), "blue": (60, 90, 200), "green": (90, 170, 90)}
EYES = {"blue": (50, 110, 225), "red": (205, 35, 45)}


def face(hair, eye, size=64):
    """Hair all about, skin below the fringe, two eyes."""
    image = Image.new("RGB", (size, size), hair)
    draw = ImageDraw.Draw(image)
    draw.ellipse((0.2 * size, 0.31 * size, 0.8 * size, 0.87 * size), (255, 230, 215))
    for x in (0.33, 0.67):
        x, y, radius = x * size, 0.43 * size, 0.075 * size
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), eye)
    return np.asarray(image)


def faces():
    pairs = [(hair, eye) for hair in HAIR for eye in EYES]
    tags = [KONACHAN26.encode([f"{hair}_hair", f"{eye}_eyes", "long_hair"]) for hair, eye in pairs]
    return np.stack([face(HAIR[hair], EYES[eye]) for hair, eye in pairs]), np.stack(tags)


def test_nearest_colour_measures_hair_and_eyes():
    colours = face_colours(np.stack([face(HAIR["red"], EYES["blue"])]))
    assert colours.shape == (1, 2, 3) and colours.dtype == np.float32
    np.testing.assert_allclose(colours[0], to_lab([HAIR["red"], EYES["blue"]]), atol=1)


def test_nearest_colour_predicts_the_nearest_mean():
    images, tags = faces()
    colours = face_colours(images)
    nearest = NearestColour(KONACHAN26, colours, tags)
    scores = nearest.scores(colours)
    for group, where in KONACHAN26.slices:
        if group.name == "hair_length":
            assert np.isnan(scores[:, where]).all()
        else:
            assert (scores[:, where].argmax(axis=1) == (tags[:, where] > 0).argmax(axis=1)).all()
    blonde = KONACHAN26.tags.index("blonde_hair")
    assert (scores[:, blonde] == -np.inf).all()  # no face had it
    shifted = colours + np.float32([0, 3, 4])
    own = scores[0, KONACHAN26.tags.index("red_hair")] - nearest.scores(shifted)[0, KONACHAN26.tags.index("red_hair")]
    assert abs(own - 5) < 0.01  # distances are Euclidean


def test_nearest_colour_ignores_faces_of_several_colours():
    images, tags = faces()
    colours = face_colours(images)
    several = np.concatenate([tags, KONACHAN26.encode(["red_hair", "blue_hair"])[None]])
    both = np.concatenate([colours, np.zeros((1, 2, 3), np.float32)])
    expected = NearestColour(KONACHAN26, colours, tags).scores(colours)
    np.testing.assert_array_equal(NearestColour(KONACHAN26, both, several).scores(colours), expected)


def test_nearest_colour_without_tags_predicts_nothing():
    colours = np.zeros((2, 2, 3), np.float32)
    scores = NearestColour(JIN34, colours, np.zeros((2, len(JIN34)), np.int8)).scores(colours)
    assert np.isnan(scores).all()
