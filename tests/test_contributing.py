"""What CONTRIBUTING.md says is what it takes: one of each is added to a copy of the package, step by step, and used.

What a section tells to write stands here as a text; `REGISTRIES` are the entries, the only edits of existing lines.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_runs import environment

ROOT = Path(__file__).parents[1]

LOSS = '''

def saturating_generator(fake_logits, real_logits=None):
    """E[log(1 - s(D(G(z))))]. Goodfellow et al. 2014, equation 1."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def saturating_discriminator(real_logits, fake_logits):
    """As without saturation."""
    return non_saturating_discriminator(real_logits, fake_logits)

'''

TERM = '''

def brightness_of_reals(sight):
    """mean(reals), over all devices; what `brightness_matching` needs measured."""
    return mean_over_replicas(tf.reduce_mean(sight.reals))


def brightness_matching(sight):
    """(mean(fakes) - m)^2, m a moving average of the mean of reals."""
    average = 0.9 * sight.state["average"] + 0.1 * sight.measured
    return tf.square(tf.reduce_mean(sight.fakes) - average), {"average": average}
'''

NETWORK = '''"""The smallest networks."""

import keras
from keras import layers


@keras.saving.register_keras_serializable("tfanime")
class Scale(layers.Layer):
    """Multiplies by one learned number."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale


def generator(image_size, latent_size):
    """Latents `[batch, latent_size]` -> pictures `[batch, image_size, image_size, 3]` in [-1, 1], float32."""
    shape = (image_size, image_size, 3)
    outputs = layers.Dense(image_size * image_size * 3, "tanh", dtype="float32")
    return keras.Sequential([layers.Input((latent_size,)), Scale(), outputs, layers.Reshape(shape, dtype="float32")])


def discriminator(image_size):
    """Pictures -> logits `[batch]`, float32."""
    shape = (image_size, image_size, 3)
    outputs = layers.Dense(1, dtype="float32")
    return keras.Sequential([layers.Input(shape), layers.Flatten(), outputs, layers.Reshape((), dtype="float32")])
'''

RECIPE = '''"""The smallest recipe."""

from dataclasses import dataclass

from tfanime import command_line
from tfanime.recipes import gan


@dataclass(frozen=True)
class Config(gan.GANSettings):
    """The smallest recipe.

    Args:
        image_size: Height and width of the pictures.
        latent_size: Components of the latents.
        matching: Weight of the term.
    """

    image_size: int = 16
    latent_size: int = 8
    matching: float = 0.1


def build(config, vocabulary=None):
    """The networks and their game."""
    from tfanime.models import plain
    from tfanime.training import Term
    from tfanime.training.terms import brightness_matching, brightness_of_reals

    networks = plain.generator(config.image_size, config.latent_size), plain.discriminator(config.image_size)
    state, measure = {"average": 0.0}, brightness_of_reals
    terms = [Term(brightness_matching, "generator", config.matching, every=2, state=state, measure=measure)]
    return gan.game(config, networks, vocabulary, loss="saturating", terms=terms)


recipe = gan.recipe("plain", Config, "Train the smallest networks.", build)
main = recipe.main


if __name__ == "__main__":
    command_line.run(main)
'''

METRIC = '''"""How bright pictures are, and features that see nothing else."""

from tfanime.metrics.feature_network import FeatureNetwork
from tfanime.metrics.metric import Metric, Number, digits

METRIC = Metric(
    "brightness",
    (Number("brightness", "brightness", None, digits(3), "The mean grey level, 0 to 255."),),
    compute=lambda seen: {"brightness": float(sum(seen) / len(seen))},
    look=lambda images: images.mean(axis=(1, 2, 3)),
)


def mean_colours():
    """`fd_mean_colours`: the three mean colours."""
    rule = "none"
    return FeatureNetwork(
        "mean_colours", "fd_mean_colours", "0" * 64, rule, 0, 3, lambda images: images.mean(axis=(1, 2)) / 255
    )
'''

SETTINGS = "# python -m tfanime.recipes.plain --config plain_16\nbatch_size = 4\nsteps = 2\n"

FILES = {  # what is new, and what is appended
    "training/losses.py": LOSS,
    "training/terms.py": TERM,
    "models/plain.py": NETWORK,
    "recipes/plain.py": RECIPE,
    "recipes/published/plain_16.toml": SETTINGS,
    "metrics/brightness.py": METRIC,
}
REGISTRIES = (
    (
        "training/losses.py",
        "\nLOSSES = {\n",
        '    "saturating": Loss(saturating_discriminator, saturating_generator),\n',
    ),
    ("recipes/__init__.py", "\nRECIPES = {\n", '    "plain": "the smallest recipe",\n'),
    ("metrics/registry.py", "\nfrom tfanime.metrics import", " brightness,"),
    ("metrics/registry.py", "\nMETRICS = (\n", "    brightness.METRIC,\n"),
    ("metrics/features.py", "\nimport numpy as np\n", "from tfanime.metrics.brightness import mean_colours\n"),
    ("metrics/features.py", "\nNETWORKS = {\n", '    "mean_colours": mean_colours,\n'),
)

USE = """
import json, sys
from pathlib import Path

import tensorflow as tf
import test_layers

from tfanime import __main__
from tfanime.evaluate.__main__ import main as evaluate
from tfanime.generator import open_generator
from tfanime.recipes import plain

data, run = sys.argv[1], sys.argv[2]
for name, test in vars(test_layers).items():
    if name.startswith("test_"):
        test()
__main__.main([])
for steps in ("2", "4"):  # begins, goes on
    assert plain.main(["--config=plain_16", f"--data={data}", f"--run={run}", f"--steps={steps}"]) == 0
last = json.loads(Path(run, "metrics.jsonl").read_text().splitlines()[-1])
assert last["step"] == 4 and last["generator_loss"] < 0 and "generator_terms" in last, last
variables = tf.train.list_variables(str(Path(run, "checkpoints")))
assert any("average" in name for name, _ in variables), variables
assert open_generator(run).images(range(3)).shape == (3, 16, 16, 3)
evaluate([run, f"--data={data}", f"--out={run}/judged", "--features=mean_colours", "--samples=6"])
evaluation = json.loads(Path(run, "judged", "evaluation.json").read_text())
values = evaluation["rows"][0]["values"]
assert 0 < values["brightness"] < 255 and values["distance"] > 0, values
assert evaluation["protocol"]["network"]["value"] == "fd_mean_colours"
"""


def sections():
    """Heading -> numbered steps of every `## Add ...`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (Add .*)\n", text, flags=re.MULTILINE)[1:]
    return {
        heading: re.findall(r"^\d\. ", body, re.MULTILINE) for heading, body in zip(*[iter(parts)] * 2, strict=True)
    }


def test_contributing_sections_have_five_steps():
    assert len(sections()) == 5 and {tuple(steps) for steps in sections().values()} == {
        tuple(f"{i}. " for i in range(1, 6))
    }


def test_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = [path for path in re.findall(r"`([a-z_]+/[\w/.]*)`", text) if "NAME" not in path]
    assert len(named) > 8 and [path for path in named if not (ROOT / path).exists()] == []
    for registry, path in re.findall(r"`([A-Z]+)`\s(?:in|of)\s`([\w/.]+)`", text):
        assert f"\n{registry} = " in (ROOT / path).read_text(encoding="utf-8"), registry


@pytest.mark.slow
def test_contributing_steps_are_enough_to_add_and_use_one(tmp_path):
    package = tmp_path / "tfanime"
    shutil.copytree(ROOT / "tfanime", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, addition in FILES.items():
        file = package / path
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        begin, registry, end = before.partition("\nLOSSES = {\n")  # functions stand above the registry that names them
        file.write_text(begin + addition + registry + end, encoding="utf-8")
    for path, place, entry in REGISTRIES:
        text = (package / path).read_text(encoding="utf-8")
        assert text.count(place) == 1, (path, place)
        (package / path).write_text(text.replace(place, place + entry), encoding="utf-8")
    command = [sys.executable, "-c", USE, str(ROOT / "tests" / "golden" / "shards"), str(tmp_path / "run")]
    process = subprocess.run(
        command,
        env=environment(PYTHONPATH=f"{tmp_path}:{ROOT / 'tests'}"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "the smallest recipe" in process.stdout
