import pickle

import numpy as np
import pytest
from PIL import Image

from tfanime.tagger import files as tagger_files
from tfanime.tagger.network import tagger
from tfanime.tags import JIN34, KONACHAN26, TagGroup, TagVocabulary
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.manifest import Manifest
from tfanime.tfrecords.settings import Settings
from tfanime.tfrecords.taggers.network import NetworkTagger
from tfanime.tfrecords.taggers.tagging import Sight

SMALL = {"image_size": 16, "channels": [2, 3], "blocks": 1}


@pytest.fixture
def say(tmp_path, monkeypatch):
    """A function that makes the network that tfanime carries say these logits (0 elsewhere) of every picture."""
    path = tmp_path / "network" / "tagger"
    monkeypatch.setattr(tagger_files, "PACKAGED", path)

    def write(**logits):
        model = tagger(len(KONACHAN26), **SMALL)
        head = model.get_layer("tag_logits")
        head.kernel.assign(np.zeros(head.kernel.shape))
        head.bias.assign([logits.get(tag, 0.0) for tag in KONACHAN26.tags])
        tagger_files.save(path, "tagger1", SMALL, KONACHAN26, tagger_files.to_arrays(model))

    return write


def said(tagger):
    values = tagger(Sight(Image.new("RGB", (24, 24), (90, 120, 30)), None, None))
    assert values.dtype == np.int8
    return dict(zip(tagger.vocabulary.tags, values.tolist(), strict=True))


def test_network_decides_a_group_from_the_threshold(say):
    # e^4 of e^4 + 11 hair colours, e^.1 of e^.1 + 1 hair lengths, e of e + 11 eye colours
    say(red_hair=4.0, long_hair=0.1, green_eyes=1.0)
    values = said(NetworkTagger(KONACHAN26))
    for group, _ in KONACHAN26.slices:
        given = [values[tag] for tag in group.tags]
        expected = {
            "hair_colour": [1 if tag == "red_hair" else -1 for tag in group.tags],
            "hair_length": [1, -1],
            "eye_colour": [0] * len(group.tags),
        }[group.name]
        assert given == expected, group.name


def test_network_maps_tags_to_another_vocabulary(say):
    say(gray_hair=9.0, short_hair=3.0, bicolored_eyes=9.0)
    values = said(NetworkTagger(JIN34))
    assert values["grey_hair"] == 1 and values["silver_hair"] == values["blonde_hair"] == -1
    assert (values["short_hair"], values["long_hair"]) == (1, -1)  # independent there
    assert values["blue_eyes"] == 0  # what is likeliest is not in the vocabulary
    assert values["smile"] == values["twin_tails"] == 0
    own = TagVocabulary("own", (TagGroup("pale", ("pale", "dark"), True),), {"gray_hair": "pale", "white_hair": "pale"})
    assert said(NetworkTagger(own)) == {"pale": 1, "dark": -1}


def test_network_tagger_can_be_pickled_before_and_after_use(say):
    say(red_hair=4.0)
    tagger = NetworkTagger(KONACHAN26)
    first = said(pickle.loads(pickle.dumps(tagger)))
    assert said(tagger) == first and said(pickle.loads(pickle.dumps(tagger))) == first
    assert len(pickle.dumps(tagger)) < 20_000
    assert (tagger.name, tagger.version) == ("tfanime", "1")


def test_network_tagger_works_in_a_conversion(say, tmp_path):
    say(blue_hair=9.0, long_hair=9.0)
    (tmp_path / "faces").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "faces" / f"{number}.png")
    settings = Settings(
        *(str(tmp_path / "faces"), str(tmp_path / "shards")),
        detector="none",
        size=32,
        tagger="tfanime",
        vocabulary="konachan26",
        workers=1,
    )
    convert(settings, progress=False)
    manifest = Manifest.load(tmp_path / "shards")
    assert manifest.tag_counts["blue_hair"] == manifest.tag_counts["long_hair"] == manifest.count == 3
    assert [(one["name"], one["version"], one["known"]["red_eyes"]) for one in manifest.taggers] == [
        ("tfanime", "1", 0)
    ]


def test_network_tagger_reports_errors_before_the_work(say):
    with pytest.raises(FileNotFoundError, match=r"tagger\.json', which this installation lacks"):
        NetworkTagger(JIN34)
    say()
    with pytest.raises(ValueError, match=r"--vocabulary must have some of the network's tags .* Received: 'own'"):
        NetworkTagger(TagVocabulary("own", (TagGroup("more", ("smile",), False),)))
