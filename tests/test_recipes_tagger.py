import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from recipe_runs import environment, metrics, same, tensors, wait_for_step

from tfanime import data, generate
from tfanime.recipes import tagger
from tfanime.recipes.tagger_scores import as_markdown
from tfanime.runs import RunFolder
from tfanime.tagger import files as tagger_files
from tfanime.tfrecords.convert import convert
from tfanime.tfrecords.settings import Settings

TINY = ["--image_size=16", "--batch_size=16", "--precision=float32"]


@pytest.fixture(scope="module")
def tagged(tmp_path_factory):
    """Shards of drawn avatars with tags, some held out."""
    folder = tmp_path_factory.mktemp("tagged") / "drawn"
    convert(Settings("drawn", str(folder), count=160, size=32, holdout=0.3, workers=1), progress=False)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A network that takes no time."""
    monkeypatch.setattr("tfanime.tagger.network.CHANNELS", (4, 8, 8))


@pytest.mark.slow
def test_tagger_recipe_learns_evaluates_and_writes(tagged, in_tmp, capsys):
    flags = [f"--data={tagged}", *TINY, "--run=Mine 1", "--steps=120", "--epoch_steps=40", "--learning_rate=0.02"]
    assert tagger.main(flags) == 0
    printed, warned = capsys.readouterr()
    assert "no face has" not in warned
    lines = metrics("Mine 1")
    assert [line["step"] for line in lines] == [40, 80, 120]
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"] and lines[-1]["accuracy"] > lines[0]["accuracy"]
    assert lines[-1]["learning_rate"] < 0.005 < lines[0]["learning_rate"]  # means of the epochs

    network = tagger_files.open_tagger("Mine 1/tagger")
    held_out = data.load(tagged, 16, split="holdout")
    assert network.name == "mine_1" and network.image_size == 16 and network.vocabulary.tags == held_out.vocabulary.tags
    card = network.card
    assert "NaN" not in Path("Mine 1/tagger.json").read_text()
    assert card["network"] == {"image_size": 16, "channels": [4, 8, 8], "blocks": 1}
    assert card["terms"] == tagger.TERMS and card["trained_on"]["faces"] + held_out.count == 160
    assert card["trained_on"]["steps"] == 120 and card["trained_on"]["fingerprint"] != held_out.fingerprint
    # The card's figures are those of the network that was written.
    _, logits = network.predict(held_out.images(np.arange(held_out.count)))
    scores = card["holdout"]
    assert scores["faces"] == held_out.count and scores["fingerprint"] == held_out.fingerprint
    for group, where in held_out.vocabulary.slices:
        if group.exclusive:
            (entry,) = [entry for entry in scores["questions"] if entry["name"] == group.name]
            right = logits[:, where].argmax(axis=1) == held_out.tags[:, where].argmax(axis=1)
            assert entry["accuracy"] == pytest.approx(right.mean())
            low, high = entry["ahead_of_majority"]
            assert low <= entry["balanced_accuracy"] - entry["majority"]["balanced_accuracy"] <= high
            assert entry["nearest_colour"]["balanced_accuracy"] > 1 / len(group.tags)
    hair = scores["questions"][0]
    assert hair["name"] == "hair_colour" and hair["balanced_accuracy"] > hair["majority"]["balanced_accuracy"]
    assert {entry["tag"] for entry in scores["tags"]} == set(held_out.vocabulary.tags)
    assert Path("Mine 1/scores.md").read_text() == as_markdown(scores) and as_markdown(scores) in printed

    # Once more: nothing is learnt, the same is written where it is asked for.
    before = Path("Mine 1/tagger.npz").read_bytes()
    assert tagger.main(["--run=Mine 1", "--out=other/one", "--name=two2", "--terms=Ask."]) == 0
    assert metrics("Mine 1") == lines and Path("other/one.npz").read_bytes() == before
    other = tagger_files.open_tagger("other/one").card
    assert (other["name"], other["terms"], other["holdout"]) == ("two2", "Ask.", scores)
    with pytest.raises(ValueError, match=r"model must be the run of a generator. Received: 'Mine 1', .*'tagger'"):
        generate.open_generator("Mine 1")


def test_tagger_recipe_names_tags_without_faces(tagged, in_tmp, monkeypatch):
    def opened():
        warned = []
        faces = tagger.open_data(tagger.Config(data=str(tagged), run="a", image_size=16), RunFolder("a"), warned.append)
        assert faces.vocabulary.priors["hat"] == pytest.approx(
            (faces.tags[:, faces.vocabulary.tags.index("hat")] > 0).mean()
        )
        return warned

    assert opened() == []
    load = data.load

    def without_hats(*arguments, **options):
        faces = load(*arguments, **options)
        faces.tags[:, faces.vocabulary.tags.index("hat")] = -1
        return faces

    monkeypatch.setattr(data, "load", without_hats)
    assert opened() == ["no face has hat: the network cannot learn to see it"]
    assert not Path("a").exists()


@pytest.mark.kill
def test_tagger_recipe_killed_resumes_exactly(tagged, in_tmp):
    flags = [f"--data={tagged}", *TINY, "--steps=30", "--epoch_steps=10"]
    assert tagger.main([*flags, "--run=whole", "--name=a"]) == 0
    code = (
        "import tfanime.tagger.network as t; t.CHANNELS = (4, 8, 8); from tfanime.recipes import tagger; tagger.main()"
    )
    command = [sys.executable, "-c", code, *flags, "--run=parts", "--checkpoint_minutes=1e-9"]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for_step(process, Path("parts"), 5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    step = int(tf.train.latest_checkpoint("parts/checkpoints").rpartition("-")[2])
    assert 5 <= step < 30 and not Path("parts/tagger.json").exists()
    assert tagger.main(["--run=parts", "--name=a"]) == 0
    assert same(tensors("whole"), tensors("parts"))
    for part in ("tag_optimizer/_variables", "moving_variance", "network"):
        assert any(part in name for name in tensors("parts")), sorted(tensors("parts"))
    assert metrics("whole") == metrics("parts")
    assert Path("whole/tagger.npz").read_bytes() == Path("parts/tagger.npz").read_bytes()
    with pytest.raises(ValueError, match=r"--steps must stay what it was when the run in 'parts' began, 30"):
        tagger.main(["--run=parts", "--steps=40"])
    Path("parts/checkpoints").rename("elsewhere")
    with pytest.raises(ValueError, match=r"parts/checkpoints must hold this run's checkpoints. Received: none, after"):
        tagger.main(["--run=parts"])


@pytest.mark.slow
def test_tagger_recipe_evaluates_after_spent_minutes(tagged, in_tmp, capsys):
    flags = [f"--data={tagged}", *TINY, "--run=short", "--steps=100000", "--minutes=0.005"]
    assert tagger.main(flags) == 0
    assert tagger_files.open_tagger("short/tagger").card["trained_on"]["steps"] < 1000


def test_tagger_batches_are_a_function_of_seed_and_step(tagged, in_tmp):
    config = tagger.Config(data=str(tagged), run="a", image_size=16, batch_size=8, seed=3)
    faces = data.load(tagged, 16)
    whole = list(tagger.batches(config, faces).take(3))
    images, tags = next(iter(tagger.batches(config, faces, start=2)))
    assert np.array_equal(images, whole[2][0]) and np.array_equal(tags, whole[2][1])
    assert images.shape == (8, 16, 16, 3) and tags.shape == (8, len(faces.vocabulary))
    assert np.array_equal(tags, faces.tags[faces.indices(3, 2, 8)])
    assert not np.array_equal(
        images, next(iter(tagger.batches(tagger.Config(**{**vars(config), "light": 0}), faces, 2)))[0]
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--data must be a folder of shards with tags and held-out faces. Received: None"),
        (["--image_size=20"], "--image_size must be a multiple of 8. Received: 20"),
        (["--balance=2"], "--balance must be from 0 to 1. Received: 2"),
        (["--least_side=0"], "--least_side must be above 0 and at most 1. Received: 0"),
        (["--name=Mine"], "--name must be a word of small letters, digits and _, such as mine1. Received: 'Mine'"),
        (["--epoch_steps=0"], "--epoch_steps must be at least 1. Received: 0"),
        (["--tags=none"], "arguments must be ones that"),
    ],
)
def test_tagger_recipe_refuses_bad_flags_in_one_line(flags, message, in_tmp, capsys):
    with pytest.raises(SystemExit) as end:
        tagger.main([*flags, *(["--data=here"] if flags else [])])
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_tagger_recipe_refuses_shards_without_held_out_faces_or_tags(shards, in_tmp):
    with pytest.raises(ValueError, match=r"the converter's --holdout 0.05"):
        tagger.main([f"--data={shards}", *TINY])
    folder = "untagged"
    convert(Settings("drawn", folder, count=8, size=32, vocabulary="none", workers=1), progress=False)
    with pytest.raises(ValueError, match=r"--data must be shards with tags. Received: 'untagged'"):
        tagger.main(["--data=untagged", *TINY])
    assert not Path("runs").exists()


def test_tagger_recipe_flags_are_read(in_tmp):
    config = tagger.Config(
        data="a", run="r", steps=100, learning_rate=0.5, weight_decay=0.25, balance=0.5, image_size=8
    )
    vocabulary = tagger_files.VOCABULARY.with_frequencies(np.eye(26))
    classifier = tagger.build(config, vocabulary)
    rates = [float(classifier.tag_optimizer.learning_rate)]
    for step in (5, 100):
        classifier.tag_optimizer.iterations.assign(step)
        rates.append(float(classifier.tag_optimizer.learning_rate))
    assert rates == [0.0, 0.5, 0.0]
    assert classifier.tag_optimizer.weight_decay == 0.25
    decayed = [variable.name for variable in classifier.network.trainable_variables if decays(classifier, variable)]
    assert set(decayed) == {"kernel"} and len(decayed) == 1 + 3 * 2 + 2 + 1
    assert classifier.offsets[0] == pytest.approx(0.5 * np.log(1 / 12)) and classifier.network.input_shape[1] == 8


def decays(classifier, variable):
    return classifier.tag_optimizer._use_weight_decay(variable)
