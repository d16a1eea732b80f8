import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from tfanime.generator import Generator
from tfanime.metrics.attributes import (
    ColourJudge,
    NetworkJudge,
    Share,
    colour_judges,
    count_obeyed,
    in_words_of,
    overall,
    predictions_of,
    tags_obeyed,
)
from tfanime.metrics.intervals import wilson
from tfanime.tag_sampling import TagSampler
from tfanime.tags import JIN34, KONACHAN26, TagGroup, TagVocabulary
from tfanime.tfrecords.detectors.detection import Detection, Detector
from tfanime.tfrecords.taggers.colours import find_eyes

VOCABULARY = TagVocabulary(
    "small", (TagGroup("colour", ("red", "green"), exclusive=True), TagGroup("more", ("hat",), exclusive=False))
)


class Painter(Generator):
    """Writes the tags that it was given into its pictures; of greens every fourth seed shows red instead."""

    def __init__(self, vocabulary=VOCABULARY):
        self.drawn = []

        def draw(seeds, wanted):
            self.drawn += seeds.tolist()
            tags = TagSampler(vocabulary).from_seeds(seeds, wanted).numpy()
            wrong = (seeds % 4 == 0) & (tags[:, 1] > 0)
            tags[wrong, :2] = 1, -1
            images = np.zeros((len(seeds), 4, 4, 3), np.uint8)
            images[:, 0, 0] = np.where(tags > 0, 200, 20)
            return images

        super().__init__(draw, vocabulary)


class Reader:
    """Reads them; has no opinion of hats where the picture is red."""

    name = "reader"
    vocabulary = TagVocabulary("other", (TagGroup("all", ("hat", "crimson", "green"), False),), {"red": "crimson"})

    def __call__(self, images):
        values = np.where(images[:, 0, 0] > 100, 1, -1)
        values[:, 2] *= values[:, 0] < 0
        return values[:, [2, 0, 1]]


def test_tags_obeyed_fixes_one_tag_and_samples_the_others():
    painter = Painter()
    red, green, hat = tags_obeyed(painter, [Reader()], count=40, seed=100, progress=False)
    assert painter.drawn == list(range(100, 220))  # no seed twice
    assert (red.tag, red.group, hat.group) == ("red", "colour", "more")
    assert red.shown["reader"] == Share(40, 40) and green.shown["reader"] == Share(30, 40)
    # What the seeds chose for the pictures drawn for hats, and the reds among them, of whose hats nothing is said.
    seeds = np.arange(180, 220)
    tags = TagSampler(VOCABULARY).from_seeds(seeds, np.tile(np.float32([0, 0, 1]), (40, 1))).numpy()
    seen_red = (tags[:, 0] > 0) | (seeds % 4 == 0)
    assert hat.shown["reader"] == Share(int((~seen_red).sum()), int((~seen_red).sum()))
    assert 0 < hat.shown["reader"].count < 40
    # Red where green was asked for: every fourth of the pictures that were given green.
    greens = np.concatenate([np.arange(140, 180), seeds[tags[:, 1] > 0]])
    assert red.unasked["reader"] == Share(int((greens % 4 == 0).sum()), len(greens))
    assert green.unasked["reader"].yes == 0 and green.unasked["reader"].count == 120 - len(greens)
    assert overall([red, green, hat], "reader") == pytest.approx((1 + 0.75 + 1) / 3)


def test_tags_obeyed_equals_hand_counts():
    drawn = np.array([[1, -1, -1], [1, -1, 1], [-1, 1, -1], [-1, 1, 1], [1, -1, 1]])
    seen = np.array([[1, -1, 0], [-1, 1, 0], [-1, 1, 0], [1, -1, 0], [1, -1, 0]])
    red, green, hat = count_obeyed(VOCABULARY, np.array([0, 0, 1, 1, 2]), drawn, {"a": seen})
    assert (red.shown, red.unasked) == ({"a": Share(1, 2)}, {"a": Share(1, 2)})
    assert (green.shown, green.unasked) == ({"a": Share(1, 2)}, {"a": Share(1, 3)})
    assert (hat.shown, hat.unasked) == ({}, {})  # the judge does not know hats
    assert Share(1, 2).value == 0.5 and Share(1, 2).interval == wilson(1, 2) and Share(0, 0).value is None
    assert overall([hat], "a") is None


def test_predictions_of_takes_the_largest_logit_of_a_group():
    logits = np.array([[-3.0, -1.0, 0.5], [4.0, 2.0, 0.0]])
    assert predictions_of(VOCABULARY, logits).tolist() == [[-1, 1, 1], [1, -1, -1]]


def test_in_words_of_maps_tags_by_aliases():
    values = in_words_of(JIN34, KONACHAN26, KONACHAN26.encode(["gray_hair", "amber_eyes"])[None])[0]
    said = dict(zip(JIN34.tags, values, strict=True))
    assert (said["grey_hair"], said["silver_hair"], said["yellow_eyes"]) == (1, 1, 1)  # konachan26 has no silver
    assert (said["blonde_hair"], said["smile"]) == (-1, 0) and said["twin_tails"] == 0


def test_judges_predict_tags_of_pictures():
    images = np.full((3, 32, 32, 3), 200, np.uint8)
    images[:, :, :, 0] = 90
    logits = np.zeros((3, 26))
    logits[:, 3] = 1
    network = SimpleNamespace(name="tagger1", vocabulary=KONACHAN26, predict=lambda images: (None, logits))
    judge = NetworkJudge(network)
    assert (judge.name, judge.vocabulary) == ("tagger1", KONACHAN26)
    assert KONACHAN26.decode(judge(images)[1])[0] == KONACHAN26.tags[3]
    colours = ColourJudge(JIN34)
    values = colours(images)
    assert values.shape == (3, len(JIN34)) and not values[:, JIN34.tags.index("smile")].any()
    assert np.array_equal(values[0], values[1])
    assert colours(images[:0]).shape == (0, len(JIN34))


def test_colour_judge_uses_a_detectors_samples(monkeypatch):
    """Where it finds a face, the tagger gets its points and samples, in the place that the face has in the picture."""
    face = Detection((60.0, 60.0, 130.0, 130.0), 0.9, ((120, 90), (72, 90), (96, 120), (96, 110), (96, 130)), ())
    asked, seen = [], []

    def find(image):
        asked.append(image.size)
        pixel = image.getpixel((96, 96))[0]
        return [] if pixel < 50 else [dataclasses.replace(face, score=0.1), face] if pixel < 150 else [face, face]

    judge = ColourJudge(KONACHAN26, Detector("7", find), threshold=0.5)
    assert (judge.name, judge.version) == ("colours, animeface", f"{ColourJudge(KONACHAN26).version}, animeface 7")

    def tagger(sight):
        seen.append(sight)
        return np.ones(len(KONACHAN26), np.int8)

    monkeypatch.setattr(judge, "_tagger", tagger)
    images = np.zeros((3, 64, 64, 3), np.uint8) + np.uint8([0, 100, 200])[:, None, None, None]
    values = judge(images)
    assert not values[0].any() and values[1:].any(axis=1).all() and asked == [(192, 192)] * 3
    assert [sight.detection for sight in seen] == [face, face] and seen[0].crop.size == (64, 64)
    # A point in the middle of what the detector saw is in the middle of the picture.
    np.testing.assert_allclose(find_eyes(seen[0]), [[16, 28], [48, 28]])


def test_colour_judges_lists_available_judges(monkeypatch, capsys):
    def names():
        return [judge.name for judge in colour_judges(KONACHAN26)]

    def broken(settings):
        raise ImportError("it must find a face")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "animeface")
    monkeypatch.setattr("tfanime.tfrecords.detectors.animeface.animeface", lambda settings: Detector("7", None))
    assert names() == ["colours", "colours, animeface"] and not capsys.readouterr().err
    monkeypatch.setattr("tfanime.tfrecords.detectors.animeface.animeface", broken)
    assert names() == ["colours"]
    assert capsys.readouterr().err.startswith("warning: animeface's samples are not used for colours: it must find")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert names() == ["colours"] and not capsys.readouterr().err


def test_colour_judge_abstains_on_tags_that_it_cannot_give(monkeypatch):
    judge = ColourJudge(KONACHAN26)
    values = np.full(len(KONACHAN26), -1, np.int8)
    monkeypatch.setattr(judge, "_tagger", lambda sight: values)
    (seen,) = judge(np.zeros((1, 8, 8, 3), np.uint8))
    unknown = {tag for tag, value in zip(KONACHAN26.tags, seen, strict=True) if value == 0}
    assert unknown == {"long_hair", "short_hair", "bicolored_eyes"}


def test_tags_obeyed_refuses_bad_arguments():
    with pytest.raises(ValueError, match="generator must be one that was trained with tags"):
        tags_obeyed(Generator(None), [Reader()])
    with pytest.raises(ValueError, match=r"count must be at least 20 pictures a tag. Received: 19"):
        tags_obeyed(Painter(), [Reader()], count=19)
