import io
import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfanime import __version__, command_line, export, generate
from tfanime.images import to_uint8

SEEDS = np.array([3, 0, 12, 2**40, 7, 5])


@pytest.fixture(scope="module")
def exported(run_folder, tmp_path_factory):
    return export.export(run_folder, tmp_path_factory.mktemp("exports") / "deep" / "dcgan")


@pytest.fixture(scope="module")
def here(run_folder):
    return generate.open_generator(run_folder)


def difference(first, second):
    return np.abs(np.asarray(first).astype(int) - np.asarray(second)).max()


def test_a_seed_is_the_same_avatar_here_and_there(exported, here):
    expected = here.images(SEEDS)
    there = generate.open_generator(exported.parent)
    for batch in (1, 3, 6):
        assert difference(there.images(SEEDS, batch=batch), expected) <= 1


def test_signatures(exported, here):
    signatures = tf.saved_model.load(str(exported))
    signatures, _model = signatures.signatures, signatures
    assert set(signatures) == {"generate", "images", "synthesize", "serving_default"}
    expected = here.images(SEEDS)
    for name in ("generate", "serving_default"):
        encoded = signatures[name](seed=tf.constant(SEEDS))["image_bytes"].numpy()
        pictures = [Image.open(io.BytesIO(data)) for data in encoded]
        assert {picture.format for picture in pictures} == {"PNG"}
        assert difference(np.stack(pictures), expected) <= 1
    assert signatures["images"](seed=tf.constant(SEEDS))["images"].dtype == tf.uint8
    latents = here.latents.from_seeds(SEEDS)
    drawn = signatures["synthesize"](latents=latents)["images"]
    assert drawn.dtype == tf.uint8 and difference(drawn, to_uint8(here.network(latents, training=False))) <= 1
    for name, argument, dtype, size in (("images", "seed", tf.int64, [None]), ("synthesize", "latents", "float32", 5)):
        (spec,) = signatures[name].structured_input_signature[1].values()
        assert spec.name == argument and spec.dtype == dtype and spec.shape[0] is None
        assert size == [None] or spec.shape[1] == size


def test_the_model_card(exported, run_folder):
    card = json.loads((exported / "assets" / "model_card.json").read_text())
    details = json.loads((run_folder / "run.json").read_text())
    assert card["tfanime"] == __version__ and card["image_size"] == [16, 16]
    assert card["latents"] == {"size": 5, "distribution": "uniform"}
    training = card["training"]
    assert training["recipe"] == "dcgan" and training["step"] == 2 and training["data"] == details["data"]
    assert training["config"]["precision"] == "mixed_bfloat16"
    assert str(run_folder.parent) not in json.dumps(card)  # nothing of this machine's folders


def test_versions_count_up(run_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_write", lambda generator, folder: (folder / "assets").mkdir(parents=True))
    assert [export.export(run_folder, tmp_path).name for _ in range(2)] == ["1", "2"]
    (tmp_path / "9").mkdir()
    (tmp_path / "old").mkdir()
    assert export.export(run_folder, str(tmp_path)) == tmp_path / "10"


def test_an_export_that_fails_leaves_nothing(run_folder, tmp_path, monkeypatch):
    def full(generator, folder):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(export, "_write", full)
        export.export(run_folder, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_line(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "_write", lambda generator, folder: (folder / "assets").mkdir(parents=True))
    export.main([str(run_folder), str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert f"exported: {tmp_path / 'out' / '1'}\n" in out and f"--model tfanime={tmp_path / 'out'} --port" in out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["{run}"], 2, "out_dir"),
        (["{run}", "out", "--version=3"], 2, "Received: --version=3"),
        (["nowhere", "out"], 1, "a run folder must hold run.json. Received: 'nowhere', which does not"),
        (["{run}", "file"], 1, "out_dir must be a folder that can be written .*Received: 'file'"),
    ],
)
def test_errors_are_one_line_and_a_status(run_folder, arguments, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as raised:
        command_line.run(lambda: export.main([argument.format(run=run_folder) for argument in arguments]))
    assert raised.value.code == status
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error), error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
