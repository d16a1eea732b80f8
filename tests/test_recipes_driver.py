import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import keras
import pytest
import tensorflow as tf
from keras import layers
from recipe_runs import environment, metrics, points, running, same, sheets, tensors, wait_for_step

from tfanime import callbacks, data, files, generate
from tfanime.data import FaceData
from tfanime.export import __main__ as export
from tfanime.files import write_text
from tfanime.generator import read_card, write_generator
from tfanime.limits import at_least
from tfanime.metrics.features import open_network
from tfanime.recipes import dcgan, driver, wgan
from tfanime.recipes.faces import vocabulary_of
from tfanime.recipes.settings import DataSettings, RunSettings
from tfanime.runs import RunFolder
from tfanime.training import Game

TINY = [
    "--image_size=16",
    "--channels=1",
    "--latent_size=4",
    "--batch_size=4",
    "--precision=float32",
    "--devices=cpu:1",
]
WGAN = [*TINY, "--critic_steps=2"]


def test_resumed_training_equals_an_undisturbed_one(shards, in_tmp, capsys):
    common = [f"--data={shards}", *WGAN, "--seed=3", "--epoch_steps=2", "--sample_steps=3"]
    assert wgan.main([*common, "--run=whole", "--steps=5"]) == 0
    text = capsys.readouterr().out
    assert "wgan: 48 pictures at 16 px, float32, 1 CPU, new -> whole" in text
    pace = RunFolder("whole").read_metrics()[-1]["images_per_second"]  # as the curve has it
    of_losses = r"D -?\d\.\d{3}, G -?\d\.\d{3}"
    summary = rf"^step 5 after \d+\.\d minutes of training, {pace:.0f} images/s at the end, {of_losses} -> whole$"
    assert re.search(summary, text, re.MULTILINE), text
    assert wgan.main([*common, "--run=parts", "--steps=3"]) == 0
    assert wgan.main(["--run=parts", "--steps=5"]) == 0  # the rest is the run's own
    assert "resumed at step 3" in capsys.readouterr().out
    assert same(tensors("whole"), tensors("parts"))
    assert len(tensors("whole")) > 30
    whole, parts = RunFolder("whole"), RunFolder("parts")
    assert [entry["step"] for entry in whole.read_metrics()] == [2, 4, 5]
    assert [entry["step"] for entry in parts.read_metrics()] == [2, 3, 4, 5]  # one more where it ended first
    for run, steps in ((whole, (4, 5)), (parts, (3, 4, 5))):  # every second epoch, since 3 steps are no whole ones
        sheets = {run.sample(step, kind) for step in steps for kind in (None, "interpolation")}
        assert set(run.sample(0).parent.iterdir()) == sheets
    assert whole.sample(4).read_bytes() == parts.sample(4).read_bytes()
    assert whole.sample(5).read_bytes() == parts.sample(5).read_bytes()
    assert whole.load()["data"]["count"] == 48 and whole.load()["data"]["stored_size"] == 32
    # Its budget is spent: nothing more happens.
    before = whole.metrics.read_bytes()
    assert wgan.main(["--run=whole"]) == 0
    assert "has spent its budget: step 5" in capsys.readouterr().out and whole.metrics.read_bytes() == before


DETERMINISTIC = """
import sys
from importlib import import_module
from tensorflow.python.framework.config import is_op_determinism_enabled
assert not is_op_determinism_enabled()
for command in sys.argv[1:]:
    recipe, *arguments = command.split()
    assert import_module(f"tfanime.recipes.{recipe}").main(arguments) == 0
    assert is_op_determinism_enabled()
"""


@pytest.mark.slow
def test_deterministic_training_resumed_in_a_new_process_has_the_same_bits(shards, in_tmp):
    common = f"--data={shards} --deterministic --horizontal_flip --seed=3 --epoch_steps=2 --sample_steps=2"
    common = f"{common} {' '.join(TINY).replace('batch_size=4', 'batch_size=8')}"
    games = {
        "sngan": "--networks_of=dcgan --critic_steps=2 --decay=none --gradient_clip=1",
        # with batch norm in the generator
        "wgan_gp": "--tags=frequencies --critic_steps=2",
        "dcgan": "--accumulate=2 --discriminator_norm=none --r1_gamma=1 --r1_every=2 --minibatch_stddev",
    }
    first = [
        f"{name} {common} {flags} --run={name}_{run} --steps={steps}"
        for name, flags in games.items()
        for run, steps in (("whole", 6), ("parts", 3))
    ]
    second = [f"{name} --run={name}_parts --steps=6" for name in games]
    for commands in (first, second):
        result = subprocess.run(
            [sys.executable, "-c", DETERMINISTIC, *commands], env=environment(), capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
    assert "resumed at step 3" in result.stdout
    for name in games:
        whole = tensors(f"{name}_whole")
        assert same(whole, tensors(f"{name}_parts"))
        held = ["generator_optimizer", "discriminator_optimizer", "ema_generator", "_iterations", "moving_variance"]
        for part in [*held, "/u/"] if name == "sngan" else held:
            assert any(part in each for each in whole), part
        assert whole["gan/generator_optimizer/_iterations/.ATTRIBUTES/VARIABLE_VALUE"] == 6
        # The line of step 4 is of two steps in the whole run, and of one after the end at step 3.
        lines = {line["step"]: line for line in metrics(f"{name}_parts")}
        assert [line for line in metrics(f"{name}_whole") if line["step"] != 4] == [lines[2], lines[6]]
        last = [sheet for sheet in sheets(f"{name}_whole") if "00000006" in sheet]
        assert last and all(sheets(f"{name}_whole")[sheet] == sheets(f"{name}_parts")[sheet] for sheet in last)


@pytest.mark.slow
def test_interrupted_training_equals_an_undisturbed_one(shards, in_tmp, monkeypatch, capsys):
    keras.Sequential([layers.Input((16, 16, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)]).save("pool.keras")
    value = open_network("pool.keras").value
    flags = [f"--data={shards}", *WGAN, "--epoch_steps=2", "--sample_steps=3", f"--best_by={value}", "--steps=7"]
    flags += ["--fid_every=3", "--fid_samples=8", "--fid_features=pool.keras", "--learning_rate=0.01"]
    assert wgan.main([*flags, "--run=whole"]) == 0

    class Signal(callbacks.Budget):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.step + 1 == self.at:
                self.interrupt(signal.SIGTERM)

    class Samples(callbacks.Samples):
        def draw(self):
            saved = tf.train.latest_checkpoint(str(self.run.checkpoints)) or ""
            assert saved.endswith(f"ckpt-{self.model.step}")  # what a second of grace would be enough for
            super().draw()

    for step in (4, 5):  # at an epoch's end with everything due, and in the middle of the one after
        Signal.at = step
        with monkeypatch.context() as patch:
            patch.setattr(callbacks, "Budget", Signal)
            patch.setattr(callbacks, "Samples", Samples)
            if step == 4:
                patch.setattr(callbacks.FID, "compute", None)
            assert wgan.main([*flags, "--run=parts"]) == 143
        assert f"step {step} after" in capsys.readouterr().out
        assert metrics("parts")[-1]["step"] == step and RunFolder("parts").sample(step).is_file()
    assert wgan.main(["--run=parts"]) == 0 and "resumed at step 5" in capsys.readouterr().out
    assert [line["step"] for line in metrics("whole") if value in line] == [4]
    assert metrics("parts") == metrics("whole") and points("parts") == points("whole")
    assert sheets("parts") == sheets("whole") and len(sheets("whole")) == 4
    for folder in ("checkpoints", "best"):
        assert same(tensors("parts", folder), tensors("whole", folder))


@pytest.mark.slow
def test_best_state_is_kept_over_restarts_and_drawn(shards, in_tmp, capsys):
    flags = [f"--data={shards}", *WGAN, "--learning_rate=0.01", "--epoch_steps=1", "--checkpoint_minutes=1e-9"]
    assert wgan.main([*flags, "--run=a", "--steps=3", "--best_by=generator_loss", "--best_mode=max"]) == 0
    assert wgan.main(["--run=a", "--steps=5"]) == 0
    losses = {line["step"]: line["generator_loss"] for line in metrics("a")}
    best = max(losses, key=losses.get)
    printed = capsys.readouterr().out
    assert f", best generator_loss {losses[best]:.4g} at step {best} -> a\n" in printed
    assert "--checkpoint best" in printed
    names = {path.name for path in Path("a/best").iterdir()}
    assert names == {"checkpoint", f"ckpt-{best}.index", f"ckpt-{best}.data-00000-of-00001"}
    # Another metric may be asked for later; it begins anew.
    assert wgan.main(["--run=a", "--steps=6", "--best_by=generator_weight_norm", "--best_mode=min"]) == 0
    assert "best generator_weight_norm" in capsys.readouterr().out

    drawn = {
        which: generate.open_generator("a", which).images([1, 2]).tobytes()
        for which in ("newest", "best", "4", "5", "6")
    }
    assert drawn["newest"] == drawn["6"] == drawn["best"] != drawn["5"] != drawn["4"]
    with pytest.raises(FileNotFoundError, match=r"checkpoint must be one of 4, 5, 6, newest, best in 'a'. .*'3'"):
        generate.open_generator("a", "3")
    generate.main(["a", "--seeds=1-2", "--checkpoint=5", "--out=five"])
    assert "wrote 2 avatars to five" in capsys.readouterr().out
    export.main(["a", "exports", "--checkpoint=5"])
    assert generate.open_generator("exports").card["training"]["step"] == 5
    with pytest.raises(ValueError, match=r"checkpoint must be left out unless model is a run folder. Received: 'best'"):
        generate.open_generator("exports", "best")

    before = {path: path.read_bytes() for path in Path("a").rglob("*.*") if "checkpoints" not in path.parts}
    shutil.rmtree("a/checkpoints")
    with pytest.raises(ValueError, match=r"a/checkpoints must hold this run's checkpoints. Received: none, after 6 st"):
        wgan.main(["--run=a", "--steps=8"])
    assert {path: path.read_bytes() for path in Path("a").rglob("*.*")} == before


@pytest.mark.slow
def test_generator_folder_is_restored_from_the_newest_checkpoint(shards, in_tmp, monkeypatch):
    flags = [f"--data={shards}", *WGAN, "--learning_rate=0.01", "--checkpoint_minutes=1e-9", "--run=a"]

    def full(folder, network, inputs, provenance):
        if provenance["step"] == 2:
            raise OSError(28, "No space left on device")
        write_generator(folder, network, inputs, provenance)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr("tfanime.generator.write_generator", full)  # a kill between a checkpoint and what goes with it
        wgan.main([*flags, "--steps=3"])
    assert read_card("a/generator")["provenance"]["step"] == 1
    assert Path("a/checkpoints/ckpt-2.index").is_file()
    assert wgan.main(["--run=a", "--steps=2"]) == 0  # nothing is left to train
    assert read_card("a/generator")["provenance"]["step"] == 2
    by_recipe = generate.open_generator("a", "2").images([1, 2])
    assert (generate.open_generator("a").images([1, 2]) == by_recipe).all()
    shutil.rmtree("a/generator")  # as a version before left it
    assert (generate.open_generator("a").images([1, 2]) == by_recipe).all()
    assert wgan.main(["--run=a", "--steps=3"]) == 0
    assert read_card("a/generator")["provenance"]["step"] == 3
    images = generate.open_generator("a").images([1, 2])
    assert (images == generate.open_generator("a", "3").images([1, 2])).all() and (images != by_recipe).any()


@pytest.mark.slow
def test_best_by_refuses_an_unknown_metric(shards, in_tmp):
    flags = [f"--data={shards}", *WGAN, "--run=a", "--steps=4", "--epoch_steps=2"]
    with pytest.raises(ValueError, match=r"best_by must be one of the metrics discriminator_gradient_norm, .*'kid'"):
        wgan.main([*flags, "--best_by=kid"])
    assert wgan.main(["--run=a", "--best_by=null"]) == 0  # may be changed
    with pytest.raises(FileNotFoundError, match=r"checkpoint must be one of 4, newest in 'a'. Received: 'best'"):
        generate.open_generator("a", "best")


@pytest.mark.slow
def test_infinite_losses_end_the_run_and_advise_another(shards, in_tmp):
    flags = [f"--data={shards}", *TINY, "--critic_steps=1", "--clip=1e30", "--optimizer=sgd", "--learning_rate=1e3"]
    ends = set()
    for _ in range(2):  # it goes on at the last good checkpoint, and ends where it ended before
        # A loss, or a weight when it is to be saved, whichever is infinite first.
        with pytest.raises(FloatingPointError, match=r"finite\. .* at step \d\. .* is a/checkpoints/ckpt-\d") as raised:
            wgan.main([*flags, "--steps=4", "--checkpoint_minutes=1e-9", "--run=a"])
        ends.add(re.search(r"at step .*ckpt-\d", str(raised.value))[0])
    assert len(ends) == 1
    with pytest.raises(ValueError, match=r"--learning_rate must stay what it was .* 1000\.0.* Name a new folder"):
        wgan.main(["--run=a", "--learning_rate=1e-4"])
    assert wgan.main(["--config=a/config.toml", "--learning_rate=1e-4", "--run=b"]) == 0
    assert RunFolder("b").load()["config"]["optimizer"] == "sgd" and RunFolder("b").read_metrics()[-1]["step"] == 4


@pytest.mark.slow
def test_profile_belongs_to_one_start(shards, in_tmp, capsys):
    flags = [f"--data={shards}", *WGAN, "--run=a", "--epoch_steps=1"]
    assert wgan.main([*flags, "--steps=3", "--profile=2,3"]) == 0
    (trace,) = Path("a/tensorboard/plugins/profile").glob("*/*.xplane.pb")
    assert trace.stat().st_size > 1000
    assert re.search(r"^profile: +steps 2 to 3, .*tensorboard-plugin-profile", capsys.readouterr().out, re.MULTILINE)
    assert wgan.main(["--run=a", "--steps=5", "--profile=3,4"]) == 0
    assert "profile:     none, the training ended before step 3 of this start\n" in capsys.readouterr().out
    assert len(list(trace.parent.parent.iterdir())) == 1 and "profile" not in RunFolder("a").config.read_text()


def test_bad_settings_leave_no_run_folder(shards, in_tmp):
    with pytest.raises(ValueError, match=r"--batch_size must be at most the 48 pictures. Received: 49"):
        wgan.main([f"--data={shards}", *WGAN, "--run=a", "--batch_size=49"])
    with pytest.raises(ValueError, match=r"--batch_size must be a multiple of --accumulate, 3, on each of 1 .*: 4"):
        wgan.main([f"--data={shards}", *WGAN, "--run=a", "--accumulate=3"])
    with pytest.raises(ValueError, match=r"image_size must be from 1 to that of the shards in .*, 32. Received: 64"):
        wgan.main([f"--data={shards}", *WGAN, "--run=a", "--image_size=64"])
    with pytest.raises(FileNotFoundError, match=r"shards must be an existing folder. Received: 'nowhere'"):
        wgan.main(["--data=nowhere", *WGAN, "--run=a"])
    with pytest.raises(ValueError, match=r"--batch_size must be a multiple of 4 with --minibatch_stddev on 1 device"):
        flags = [f"--data={shards}", "--image_size=16", "--channels=2", "--batch_size=6", "--minibatch_stddev=true"]
        dcgan.main([*flags, "--run=a"])
    (in_tmp / "file").touch()
    with pytest.raises(OSError, match="run must be a folder that can be written"):
        wgan.main([f"--data={shards}", *WGAN, "--run=file/below"])
    (in_tmp / "other").mkdir()
    (in_tmp / "other" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="run must be a new or empty folder, or a run folder"):
        wgan.main([f"--data={shards}", *WGAN, "--run=other"])
    assert not Path("a").exists() and len(list(Path("other").iterdir())) == 1


def test_precision_seed_and_batches_follow_the_flags(shards, in_tmp, monkeypatch):
    class Enough(Exception):
        pass

    built, asked = [], []

    def spy(config, vocabulary):
        gan = wgan.build(config, vocabulary)
        built.append((keras.config.dtype_policy().name, gan.generator.weights[0].numpy().tolist()))
        return gan

    def batches(self, batch_size, **options):
        asked.append((batch_size, options["seed"], options["critic_steps"], options["horizontal_flip"]))
        raise Enough

    monkeypatch.setattr(FaceData, "batches", batches)
    settings = ((3, "float32", 4, "false"), (3, "mixed_bfloat16", 6, "true"), (4, "float32", 4, "false"))
    for number, (seed, precision, batch_size, flip) in enumerate(settings):
        flags = [
            f"--seed={seed}",
            f"--precision={precision}",
            f"--batch_size={batch_size}",
            f"--horizontal_flip={flip}",
        ]
        with pytest.raises(Enough):
            dataclasses.replace(wgan.recipe, build=spy).main([f"--data={shards}", *WGAN, *flags, f"--run={number}"])
    assert asked == [(4, 3, 2, False), (6, 3, 2, True), (4, 4, 2, False)]
    policies, weights = zip(*built, strict=True)
    assert policies == ("float32", "mixed_bfloat16", "float32")
    assert weights[0] == weights[1] != weights[2]


def test_run_in_use_is_refused(shards, in_tmp):
    config = wgan.recipe.parse([f"--data={shards}", *WGAN, "--run=a"])
    RunFolder("a").start("wgan", config, {}, config.resumable)
    before = RunFolder("a").details.read_bytes()
    with files.locked("a", "run"), pytest.raises(OSError, match=r"run must not be in use. Received: 'a'"):
        wgan.main(["--run=a", "--steps=7"])
    assert RunFolder("a").details.read_bytes() == before


def test_training_without_data_draws_avatars_and_obeys_minutes(shards, in_tmp, monkeypatch):
    monkeypatch.setattr("tfanime.tfrecords.default.default_shards", {16: shards}.__getitem__)
    assert wgan.main([*WGAN, "--run=a", "--minutes=1e-9"]) == 0
    assert [entry["step"] for entry in RunFolder("a").read_metrics()] == [1]  # the budget ends after the first step


@pytest.mark.kill
def test_ctrl_c_and_kill_are_resumed(shards, in_tmp, capsys):
    interrupted, killed = in_tmp / "interrupted", in_tmp / "killed"
    arguments = [f"--data={shards}", *WGAN, "--epoch_steps=3", "--sample_steps=3", "--checkpoint_minutes=0.0005"]
    processes = [running([*arguments, f"--run={run}"]) for run in (interrupted, killed)]
    wait_for_step(processes[0], interrupted, 2)
    processes[0].send_signal(signal.SIGINT)
    wait_for_step(processes[1], killed, 5)
    processes[1].kill()
    text = processes[0].communicate(timeout=240)[0]
    processes[1].communicate()

    assert processes[0].returncode == 130 and "Traceback" not in text, text
    step = int(re.search(r"^step ([\d,]+) after", text, re.MULTILINE)[1].replace(",", ""))
    assert tf.train.latest_checkpoint(str(interrupted / "checkpoints")).endswith(f"ckpt-{step}")
    assert RunFolder(interrupted).read_metrics()[-1]["step"] == step and RunFolder(interrupted).sample(step).is_file()

    with open(killed / "metrics.jsonl", "a") as file:
        file.write('{"step": 99')  # as if cut short
    killed_at = int(tf.train.latest_checkpoint(str(killed / "checkpoints")).rpartition("-")[2])
    capsys.readouterr()
    assert wgan.main([f"--run={killed}", f"--steps={killed_at + 2}"]) == 0
    assert f"resumed at step {killed_at}" in capsys.readouterr().out
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    steps, seconds = [line["step"] for line in lines], [line["seconds"] for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] == killed_at + 2
    assert seconds == sorted(seconds) and seconds[0] > 0


def test_full_disk_error_names_the_right_folder(tmp_path):
    run, workers = RunFolder(tmp_path / "run"), SimpleNamespace(chief=True, require_same=lambda same: None)
    message = r"no space left on the device that holds the run: '.*run'"
    with pytest.raises(OSError, match=message), driver._writable(run, workers, {}):
        Path("/dev/full").write_text("1")
    with pytest.raises(OSError, match=r"^\[Errno 28\] full: 'cache'$"), driver._writable(run, workers, {}):
        raise OSError(28, "full", "cache")


class Mean(Game):
    """Learns the mean colour of pictures: one player, no latents, no generator."""

    def __init__(self, network, **options):
        super().__init__(**options)
        self.network = network

    def train_step(self, images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.network(tf.zeros([1, 1])) - tf.reduce_mean(images, (0, 1, 2))) ** 2)
        gradients = tape.gradient(loss, self.network.trainable_variables)
        return self.as_logs({"loss": loss, "norm": self.update(self.network, self.mean_optimizer, gradients)})


@dataclasses.dataclass(frozen=True)
class Photographs:
    image_size: int
    count: int = 6
    vocabulary: None = None
    identity = property(lambda self: {"photographs": self.count})


@dataclasses.dataclass(frozen=True)
class MeanConfig(DataSettings, RunSettings):
    rate: Annotated[float, at_least(0)] = 0.1


def test_recipe_with_other_data_and_its_own_keep_is_trained(in_tmp, capsys):
    ends = []

    def build(config, vocabulary):
        game = Mean(keras.Sequential([keras.Input((1,)), layers.Dense(3)]), seed=config.seed)
        game.set_players({"mean": (game.network, keras.optimizers.SGD(config.rate))})
        return game

    def batches(config, data, start, parts, own):
        shape = (config.batch_size, data.image_size, data.image_size, 3)
        return tf.data.Dataset.counter(start).map(lambda step: tf.fill(shape, tf.cast(step, tf.float32)))

    means = driver.Recipe(
        "mean",
        MeanConfig,
        "Learn a mean.",
        build,
        data=lambda config, run, warn: Photographs(config.image_size),
        batches=batches,
        keep=lambda game, folder, provenance: write_text(folder / "mean.json", json.dumps(provenance)),
        finish=lambda session: ends.append((session.start, session.model.step, session.status)),
    )
    flags = ["--run=a", "--image_size=4", "--batch_size=2", "--precision=float32", "--epoch_steps=1"]
    assert means.main([*flags, "--steps=2"]) == 0 and means.main(["--run=a", "--steps=3"]) == 0
    assert "mean: 6 pictures at 4 px, float32, 1 CPU, resumed at step 2 -> a" in capsys.readouterr().out
    assert means.main(["--run=a"]) == 0
    assert ends == [(0, 2, 0), (2, 3, 0), (3, 3, None)]
    assert json.loads(Path("a/generator/mean.json").read_text())["step"] == 3
    losses = [line["loss"] for line in metrics("a")]
    assert losses == pytest.approx([0, 1, (2 - 0.2 / 3) ** 2])  # at step 1 a third of rate * 2 on the way
    with pytest.raises(ValueError, match=r"--rate must stay what it was .*, 0.1. Received: 0.5"):
        means.main(["--run=a", "--rate=0.5"])
    with pytest.raises(ValueError, match=r"--batch_size must be at most the 6 pictures. Received: 7"):
        means.main([*flags, "--run=b", "--batch_size=7"])


@pytest.mark.slow
def test_groups_without_faces_are_left_out_of_the_game(shards, in_tmp, monkeypatch, capsys):
    load = data.load

    def without_hair(*arguments, **options):
        faces = load(*arguments, **options)
        faces.tags[:, faces.vocabulary.slices[0][1]] = 0
        faces.tags[:, faces.vocabulary.tags.index("hat")] = -1
        return faces

    whole = load(shards, 16).vocabulary
    monkeypatch.setattr(data, "load", without_hair)
    assert wgan.main([*WGAN, f"--data={shards}", "--run=new", "--steps=1", "--tags=frequencies"]) == 0
    warnings = capsys.readouterr().err
    assert "warning: no face has a tag of hair_colour: left out of the game" in warnings
    generator = generate.open_generator("new")
    untrained = generator.vocabulary.untrained
    assert "hat" in untrained and f"warning: no face has {', '.join(untrained)}: the generator cannot" in warnings
    assert [group.name for group in generator.vocabulary.groups] == [group.name for group in whole.groups[1:]]
    assert generator.images([1], "smile").shape == (1, 16, 16, 3)
    with pytest.raises(ValueError, match=r"Received: hat, which the generator was never shown"):
        generate.main(["new", "--seeds=1", "--tags=hat", "--out=hat.png"])
    generate.main(["new", "--seeds=1", "--tags=hat", "--out=hat.png", "--allow_untrained_tags"])
    assert Path("hat.png").is_file()
    assert wgan.main(["--run=new", "--steps=2"]) == 0  # goes on
    # A run of an older version has the whole vocabulary, and networks for it.
    details = json.loads(Path("new/run.json").read_text())
    Path("old").mkdir()
    Path("old/run.json").write_text(json.dumps(details | {"vocabulary": whole.to_json()}))
    config, faces = wgan.Config(tags="priors"), without_hair(shards, 16)
    vocabulary = vocabulary_of(config, faces, RunFolder("old"))
    assert vocabulary.groups == whole.groups and {"hat", "red_hair"} <= set(vocabulary.untrained)
    faces.tags[:] = 0
    with pytest.raises(ValueError, match=r"--tags must be none for .* no face has a tag. Received: 'priors'"):
        vocabulary_of(config, faces, RunFolder("none"))
