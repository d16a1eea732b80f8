"""One evaluation from its settings to its files."""

import hashlib
import os
import re
import sys
from pathlib import Path

import numpy as np

from tfanime import __version__
from tfanime.evaluate import page, results
from tfanime.evaluate.disagreement import disagreements
from tfanime.evaluate.judge import LEAST, Judge
from tfanime.evaluate.results import Evaluation
from tfanime.evaluate.sources import averages, held_out, open_models
from tfanime.files import replacing, require_writable_folder

SHEET = 64  # pictures on it


def evaluate(
    models,
    data,
    out,
    *,
    samples=2048,
    seed=0,
    checkpoint="newest",
    features="hed_vgg16",
    finder=None,
    baselines=True,
    tag_pictures=20,
    also=(),
    earlier=(),
    progress=True,
):
    """Evaluates generators against the pictures of a folder of shards.

    Args:
        models: Paths or names of generators, see `tfanime.generator.open_generator`.
        data: Folder of shards.
        out: Folder for `evaluation.json`, `evaluation.html` and sheets.
        samples: Pictures of each.
        seed: Seed of the first.
        checkpoint: Checkpoint of run folders.
        features: See `tfanime.metrics.features.open_network`. Of two networks, separated by a comma, the first is used
            for all numbers and the second for additional distances.
        finder: A `tfanime.metrics.faces.FaceFinder`, or None.
        baselines: Whether held-out real pictures and averages of real ones are evaluated too. With a `finder` averages
            always are, because a share of faces means little without theirs.
        tag_pictures: Number of pictures for each tag, to measure which tags models obey, see
            `tfanime.metrics.attributes`; 0 for no such measurement.
        also: Optional metrics, see `tfanime.metrics.registry.parse_metric`.
        earlier: Paths of earlier `evaluation.json`s of the same protocol, whose rows are added to the table; a new row
            replaces one of the same name and path.
        progress: Whether to show progress bars.

    Returns:
        `(evaluation, warnings)`: the `Evaluation`, and a list of warnings.

    Raises:
        ValueError: Protocols differ, there are too few pictures, something cannot be read, or a model cannot be
            evaluated; the other models' rows are still written.
        OSError: A file does not exist or cannot be written.
    """
    from tfanime import data as shards
    from tfanime.metrics.features import open_network, parse_network, parse_networks
    from tfanime.metrics.reference import reference
    from tfanime.metrics.second import Second
    from tfanime.tagger.files import open_tagger
    from tfanime.tfrecords.manifest import Manifest

    earlier = [(path, Evaluation.load(path)) for path in earlier]
    out = require_writable_folder(out, "out")
    sources = open_models(models, checkpoint, samples, seed)
    network, *others = [open_network(text) for text in parse_networks(features, most=2)]
    faces = shards.load(data, sources[0].size, progress=progress)
    holdout, warnings = None, []
    held = (Manifest.load(data).holdout or {"count": 0})["count"]
    if baselines and held >= LEAST:
        holdout = shards.load(data, sources[0].size, split="holdout", progress=progress)
    elif baselines:
        some = f"only {held} faces out, and {LEAST} are needed" if held else "no faces out"
        warnings.append(f"{data} holds {some} (--holdout of the converter), so the table has no row of real faces.")
    named = map(parse_network, parse_networks(features))
    own = next((options["file"] for name, options in named if name == "tagger" and "file" in options), None)
    tagger = open_tagger(own) if tag_pictures else None
    real = reference(network, faces, progress=progress)
    second = next((Second(other, reference(other, faces, progress=progress)) for other in others), None)
    judge = Judge(network, real, samples, finder, progress, tagger, tag_pictures, also, seed, second)
    judge.require_also(sources)
    evaluation = Evaluation(judge.protocol, _provenance(judge, seed), judge.real_histogram.tolist())
    for path, other in earlier:  # before any picture is drawn
        evaluation.require_same_protocol(other, path)
    if holdout:
        sources.append(held_out(holdout, samples))
    if baselines or finder:
        sources.append(averages(faces, samples, seed))
    _require_one_table(sources, [row for _, other in earlier for row in other.rows], tagger)
    files = _Files(out)
    rows, failed = {}, {}
    for path, other in earlier:
        for row in other.rows:
            rows[row["name"]] = {"provenance": other.provenance, **row, **files.taken(row, path)}
    for source in sources:
        try:
            found = judge.row(source)
        except ValueError as error:  # for example, features that are not finite
            failed[source.name] = error
            continue
        rows[source.name] = {
            "name": source.name,
            "generated": source.generated,
            "samples": source.count,
            "origin": source.origin,
            "values": found.values,
            "tags": None,  # for models with tags, filled from the details
            **found.details,
            "histogram": found.histogram.tolist(),
            "pairs": found.pairs,
            **files.drawn(source, faces, found.pairs),
        }
    if not any(row["generated"] for row in rows.values()):
        raise next(iter(failed.values()))
    evaluation.rows = sorted(rows.values(), key=lambda row: not row["generated"])
    warnings += disagreements(evaluation) + _warnings(evaluation)
    files.write()
    evaluation.save(out)
    page.write(evaluation, out, warnings)
    if failed:
        causes = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise ValueError(
            f"models must be ones that can be evaluated; the others' rows are in {out}. Received: {causes}"
        )
    return evaluation, warnings


def _require_one_table(sources, earlier, tagger):
    """Raises an error for rows of two models with one name, and for shares of tags that are means over different tags
    or come from different judges.
    """
    from tfanime.metrics.attributes import colour_judges

    paths, tags, judges = {}, {}, {}
    origins = [(row["name"], row["generated"], row["origin"]) for row in earlier]
    for name, generated, origin in [*origins, *((each.name, each.generated, each.origin) for each in sources)]:
        path = os.path.realpath(origin["path"]) if generated else name
        if paths.setdefault(name, path) != path:
            raise ValueError(
                f"models in one table must have different names. Received: {name} of {paths[name]} and of {path}; "
                "in one evaluation they are named by their whole paths"
            )
    for row in earlier:
        if row["tags"]:
            tags[row["name"]] = tuple(each["tag"] for each in row["tags"]["rows"])
            judges[row["name"]] = row["tags"]["judges"]
    for source in sources if tagger else ():
        if source.generator and source.generator.vocabulary:
            tags[source.name] = tuple(source.generator.vocabulary.tags)
            judges[source.name] = {each.name: each.version for each in colour_judges(source.generator.vocabulary)}
    first = {}
    for name, versions in judges.items():
        for judge, version in versions.items():
            other, expected = first.setdefault(judge, (name, version))
            if version != expected:
                raise ValueError(
                    f"tags in one table must be seen by one version of {judge}, or --tag_pictures must be 0. "
                    f"Received: {expected} for {other}, {version} for {name}"
                )
    if len(set(tags.values())) > 1:
        raise ValueError(
            "models in one table must have the same tags, or --tag_pictures must be 0. Received: "
            + ", ".join(f"{name} with {len(own)} tags" for name, own in tags.items())
        )


def _provenance(judge, seed):
    import keras
    import tensorflow as tf

    return {
        "tfanime": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "reference": judge.reference.digest,
        "first_seed": seed,
        "devices": ", ".join(device.name for device in tf.config.list_physical_devices()),
    }


def _warnings(evaluation):
    from tfanime.metrics.frechet import too_few

    network, most = evaluation.protocol["network"], evaluation.protocol["samples"]
    found = []
    real = evaluation.protocol["reference"]["count"]
    for each in (network, evaluation.protocol.get("second")):
        if each and (few := too_few(min(most, real), each["dimensions"])):
            found.append(f"{each['value']}: {few}.")
    if real < most:
        found.append(
            f"there are {real:,} real pictures and not {most:,}: precision, recall, density and coverage use "
            f"{real:,}, and can be compared only with others of as many."
        )
    fewer = [row for row in evaluation.rows if row["samples"] < min(most, real)]
    found += [
        f"{row['name']} has {row['samples']:,} pictures and not {most:,}: its {network['value']} is too large beside "
        "the others, and precision, recall, density and coverage are not comparable either; KID is."
        for row in fewer
    ]
    found += [
        f"{row['name']} has tags that no judge knows, so tags obeyed are left out."
        for row in evaluation.rows
        if row["tags"] and not any(tag["shown"] for tag in row["tags"]["rows"])
    ]
    return found


class _Files:
    """Sheets of an evaluation, in its folder. They are written at the end, because the folder may hold older numbers.

    Args:
        folder: The `pathlib.Path` of the evaluation's folder.
    """

    def __init__(self, folder):
        self.folder = folder
        self._contents = {}  # pictures, or the bytes of files, by file name

    def write(self):
        """Writes all files."""
        from tfanime.images import write_png

        for name, content in self._contents.items():
            if isinstance(content, bytes):
                with replacing(self.folder / name) as temporary:
                    temporary.write_bytes(content)
            else:
                write_png(self.folder / name, content)

    def drawn(self, source, faces, pairs):
        """Draws a source's sheet and its closest pairs; returns their files' names."""
        from tfanime.images import grid

        names = self._names(source.name)
        self._contents[names["sheet"]] = grid(source.images(np.arange(min(SHEET, source.count))))
        own = source.images(np.array([pair[0] for pair in pairs]))
        real = faces.images([pair[1] for pair in pairs])
        both = np.concatenate([own, real], axis=2)  # side by side
        columns = max(1, round(np.sqrt(len(both) / 2)))
        self._contents[names["closest"]] = grid(both, columns)
        return names

    def taken(self, row, path):
        """Copies the pictures of a row of an earlier evaluation; returns the files' names."""
        path = Path(path)
        folder = path if path.is_dir() else path.parent
        names = self._names(row["name"])
        for kind, name in names.items():
            before = folder / Path(row[kind]).name
            if not before.is_file():
                raise FileNotFoundError(f"the pictures of an earlier evaluation must lie beside it. Missing: {before}")
            self._contents[name] = before.read_bytes()
        return names

    @staticmethod
    def _names(name):
        stem = re.sub(r"[^\w-]+", "_", name).strip("_")
        if stem != name:  # two names must not share a file
            stem = f"{stem}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        return {"sheet": f"{stem}-sheet.png", "closest": f"{stem}-closest.png"}


def files_of(out):
    """The paths of the table and of the page in a folder."""
    return Path(out) / results.FILE_NAME, Path(out) / page.FILE_NAME
