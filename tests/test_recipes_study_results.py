import json
from types import SimpleNamespace

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.data import provider
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

from tfanime.recipes.study import results
from tfanime.recipes.study.plan import StudyRun
from tfanime.runs import RunFolder


def row(rate, norm, metrics, state="finished", **more):
    varied = {"learning_rate": rate, "norm": norm}
    return {"name": f"learning_rate={rate}", "state": state, "varied": varied, "metrics": metrics, **more}


ROWS = [
    row(0.1, "batch", {"step": 1000, "seconds": 12.5, "generator_weight_norm": 3.0, "generator_loss": 0.123456}),
    row(0.5, "none", {"step": 20, "seconds": 1.0, "generator_loss": 1e-7, "fid": 33.0}, "failed", error="not finite"),
    row(0.9, "none", {}, "to do"),
]


def test_results_table_has_every_metric_norms_last():
    columns = results.columns_of(ROWS)
    titles = [title for title, _ in columns]
    assert titles == [
        *("learning_rate", "norm", "state", "step", "seconds", "generator_loss", "fid", "generator_weight_norm")
    ]
    assert [of(ROWS[0]) for _, of in columns] == ["0.1", "batch", "finished", "1000", "12.5", "0.1235", "", "3"]
    assert results.markdown_table(columns[:4], ROWS).splitlines() == [
        "| learning_rate | norm | state | step |",
        "| --- | --- | --- | --- |",
        "| 0.1 | batch | finished | 1000 |",
        "| 0.5 | none | failed | 20 |",
        "| 0.9 | none | to do |  |",
    ]


def test_results_table_fits_the_terminal():
    assert results.terminal_table(ROWS, 42).splitlines() == [
        "learning_rate  norm   state     step",
        "0.1            batch  finished  1000",
        "0.5            none   failed    20",
        "0.9            none   to do",
    ]
    assert results.terminal_table(ROWS, 500).splitlines()[0].endswith("fid  generator_weight_norm")
    assert results.terminal_table(ROWS, 3).splitlines()[0] == "learning_rate"


def test_results_files_are_written(tmp_path):
    sheet = tmp_path / "sheet.png"
    Image.new("RGB", (40, 30), (255, 0, 0)).save(sheet)
    plan = SimpleNamespace(name="mine", recipe="wgan", settings={"steps": 9, "data": "faces"}, columns=2)
    folder = SimpleNamespace(
        plan=plan,
        rows=lambda: ROWS,
        newest_sheets=lambda: [sheet, None, sheet],
        results=tmp_path / "results.md",
        results_for_programs=tmp_path / "results.json",
        sheets=tmp_path / "sheets.png",
    )
    results.write(folder)
    assert json.loads(folder.results_for_programs.read_text()) == {
        "study": "mine",
        "recipe": "wgan",
        "settings": plan.settings,
        "runs": ROWS,
    }
    text = folder.results.read_text()
    assert "Recipe `wgan`, in every run `--steps 9 --data faces`" in text and "![Sheets of avatars](sheets.png)" in text
    assert "| 0.1 | batch | finished | 1000 |" in text and "learning_rate=0.5 failed: not finite" in text
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]
    # Two columns, two rows: the sheets of the first and the third run are below one another.
    pixels = np.asarray(Image.open(folder.sheets))
    red = np.argwhere((pixels == (255, 0, 0)).all(axis=-1))
    assert len(red) == 2 * 40 * 30
    tops, lefts = red[:: 40 * 30].T
    assert lefts[0] == lefts[1] and tops[1] - tops[0] > 30
    dark = np.argwhere(pixels.sum(axis=-1) < 100)
    assert (dark[:, 0] < tops[0]).any() and (
        dark[:, 1] > pixels.shape[1] / 2
    ).any()  # captions, the sheetless run's too


def session_groups(folder):
    """What the HParams page shows of a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    backend = backend_context.Context(
        base_plugin.TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(folder)))
    )
    request, nothing = (
        context.RequestContext(),
        provider.ListHyperparametersResult(hyperparameters=[], session_groups=[]),
    )
    experiment = backend.experiment_from_metadata(request, "", True, backend.hparams_metadata(request, ""), nothing)
    asked = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        col_params=[api_pb2.ColParams(metric=metric.name) for metric in experiment.metric_infos],
        start_index=0,
        slice_size=10,
    )
    return list_session_groups.Handler(request, backend, "", asked).run().session_groups


def test_hparams_page_has_settings_and_last_metrics(tmp_path):
    for name, rate, succeeded in (("a", 0.1, True), ("b", 0.5, False)):
        run = RunFolder(tmp_path / name)
        with tf.summary.create_file_writer(str(run.tensorboard)).as_default():
            for step, loss in ((5, 9.0), (10, 2 * rate)):
                tf.summary.scalar("loss/generator", loss, step)
        varied = {"learning_rate": rate, "flip": succeeded, "norm": "none", "steps": 3}
        planned = StudyRun(name, varied, varied, None)
        results.write_hparams(run, "mine", planned, False, 0.0)
        results.write_hparams(run, "mine", planned, succeeded, 7.0)  # a failed run that went on
        assert len(list(run.tensorboard.glob("*.hparams"))) == 1
    groups = session_groups(tmp_path)
    assert [group.name for group in groups] == ["mine/a", "mine/b"]
    for group, rate, succeeded in zip(groups, (0.1, 0.5), (True, False), strict=True):
        assert group.hparams["learning_rate"].number_value == rate
        assert group.hparams["flip"].bool_value is succeeded and group.hparams["norm"].string_value == "none"
        assert group.hparams["steps"].number_value == 3
        (value,) = group.metric_values
        assert (value.name.tag, value.training_step) == ("loss/generator", 10) and abs(value.value - 2 * rate) < 1e-6
        assert group.sessions[0].status == (api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE)
        assert group.sessions[0].start_time_secs == 7.0 and group.sessions[0].end_time_secs > 7.0
