"""From shards to a served model below folders whose names TensorFlow takes for patterns."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tfanime import generate
from tfanime.export import export
from tfanime.recipes import dcgan
from tfanime.serving.server.models import load

TINY = "--image_size=16 --channels=1 --latent_size=4 --batch_size=4 --precision=float32 --devices=cpu:1"


@pytest.mark.slow
def test_paths_with_brackets_work(shards, in_tmp):
    shutil.copytree(shards, "[Group] faces*?/shards")
    run = Path("[Group] faces*?/run")
    flags = [*TINY.split(), "--data=[Group] faces*?/shards", "--epoch_steps=1", "--best_by=generator_loss"]
    assert dcgan.main([*flags, f"--run={run}", "--steps=4", "--checkpoint_minutes=0.000001"]) == 0
    assert dcgan.main([f"--run={run}", "--steps=5"]) == 0
    names = sorted(path.name for path in (run / "checkpoints").glob("*.index"))
    assert names == ["ckpt-3.index", "ckpt-4.index", "ckpt-5.index"]
    assert len(list((run / "best").glob("*.index"))) == 1
    generator = generate.open_generator(run)
    assert generator.card["step"] == 5 and generate.open_generator(run, "best").card["step"] >= 1
    version = export(run, "[Group] faces*?/exports")
    assert version == Path("[Group] faces*?/exports/1")
    expected = generator.images([3, 7]).astype(int)
    for path in (version, version.parent):
        assert np.abs(generate.open_generator(path).images([3, 7]) - expected).max() <= 1
    answer = load("faces", 1, version).signature("images").run({"seed": np.array([3, 7])})
    assert np.abs(np.asarray(answer["images"]) - expected).max() <= 1
