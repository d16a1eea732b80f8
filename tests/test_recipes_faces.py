import json
import os

import pytest

from tfanime.recipes.faces import open_faces
from tfanime.runs import RunFolder


def test_open_faces_explains_missing_shards_of_a_run(in_tmp):
    run = RunFolder("moved/run")
    run.path.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"^--data: shards must be an existing folder. Received: 'old'"):
        open_faces(run, "old", 16)
    run.details.write_text(json.dumps({"format": 1, "config": {"data": "old"}}))
    message = (
        r"^--data must name the shards of the run in 'moved/run', .* last started \(moved/run/config.toml\). "
        rf"Received: 'old', looked for from the working folder '{os.getcwd()}': "
    )
    with pytest.raises(FileNotFoundError, match=message):
        open_faces(run, "old", 16)
    with pytest.raises(FileNotFoundError, match=r"^--data: .*'new'"):  # the user's own word
        open_faces(run, "new", 16)
