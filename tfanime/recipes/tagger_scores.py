"""How well a tagger predicts the tags of held-out faces, beside the majority class and the nearest colour."""

import numpy as np
from tqdm import tqdm

from tfanime.images import to_float
from tfanime.metrics.nearest_colour import NearestColour, face_colours
from tfanime.metrics.tag_scores import balanced_accuracy, margin, questions, tag_scores

BATCH = 256


def evaluate(model, faces, held_out):
    """Evaluates a tagger on held-out faces.

    Args:
        model: `keras.Model`, pictures in [-1, 1] -> (features, tag logits).
        faces: The `tfanime.data.FaceData` that it was trained on, for the baselines.
        held_out: The `FaceData` of the held-out faces.

    Returns:
        Plain values for a card: `{"faces", "fingerprint", "questions": [...], "tags": [...]}`. A question has its own
        and the baselines' accuracy and balanced accuracy, and `ahead_of_...`, the 95 % intervals of the differences of
        balanced accuracies. A tag has precision, recall and area under the curve; None if they are undefined.
    """
    vocabulary = held_out.vocabulary
    logits = np.concatenate([model(to_float(images), training=False)[1] for images in _parts(held_out, "tags")])
    nearest = NearestColour(vocabulary, _colours(faces), faces.tags).scores(_colours(held_out))
    baselines = {question.name: question for question in questions(vocabulary, held_out.tags, nearest)}
    majority = {
        question.name: int(np.bincount(question.truth, minlength=1).argmax())
        for question in questions(vocabulary, faces.tags, np.zeros(faces.tags.shape))
    }
    asked, told = [], []
    for question in questions(vocabulary, held_out.tags, logits):
        if not len(question.truth):
            continue
        baseline = baselines.get(question.name)
        others = {"majority": np.full_like(question.said, majority[question.name])}
        others |= {"nearest_colour": baseline.said} if baseline else {}
        entry = {"name": question.name, "faces": len(question.truth), **_of(question, question.said)}
        for name, said in others.items():
            entry[name] = _of(question, said)
            entry[f"ahead_of_{name}"] = margin(question, said)
        asked.append(entry)
        beside = {score.tag: score for score in tag_scores(baseline)} if baseline else {}
        for score in tag_scores(question):
            values = {"tag": score.tag, "faces": score.holds, **_of_tag(score)}
            told.append(values | ({"nearest_colour": _of_tag(beside[score.tag])} if beside else {}))
    return {"faces": held_out.count, "fingerprint": held_out.fingerprint, "questions": asked, "tags": told}


def _of(question, said):
    return {
        "accuracy": float(np.mean(question.truth == said)),
        "balanced_accuracy": balanced_accuracy(question.truth, said, len(question.answers)),
    }


def _of_tag(score):
    return {"precision": score.precision, "recall": score.recall, "auc": score.auc}


def _parts(faces, what):
    """The faces' pictures, some at a time."""
    begins = range(0, faces.count, BATCH)
    for begin in tqdm(begins, desc=f"evaluating: {what}", unit="batch", leave=False):
        yield faces.images(np.arange(begin, min(begin + BATCH, faces.count)))


def _colours(faces):
    return np.concatenate([face_colours(images) for images in _parts(faces, "colours")])


def as_markdown(scores):
    """The tables of `evaluate`, in Markdown, percents throughout."""
    heads = (
        "question",
        "faces",
        "tagger",
        "majority class",
        "nearest colour",
        "ahead of the majority class",
        "of the nearest colour",
    )
    lines = [
        f"Of {scores['faces']:,} held-out faces those with a known tag count. Accuracy and, in brackets, balanced",
        "accuracy (the mean over the tags), in %; then 95 % of a bootstrap over faces of how far the tagger's balanced",
        "accuracy is ahead of the majority class' and of the nearest colour's.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    for entry in scores["questions"]:
        baselines = [entry.get(name) for name in ("majority", "nearest_colour")]
        margins = [entry.get(f"ahead_of_{name}") for name in ("majority", "nearest_colour")]
        cells = [entry["name"], f"{entry['faces']:,}", *map(_pair, (entry, *baselines)), *map(_span, margins)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "In brackets the nearest colour's; – where there is none.",
        "",
        "| tag | faces | precision | recall | area under the curve |",
        "|---|---|---|---|---|",
    ]
    for entry in scores["tags"]:
        beside = entry.get("nearest_colour")
        cells = [
            _percent(entry[name]) + (f" ({_percent(beside[name])})" if beside else "")
            for name in ("precision", "recall", "auc")
        ]
        lines.append(f"| {' | '.join([entry['tag'], format(entry['faces'], ','), *cells])} |")
    return "\n".join(lines) + "\n"


def _percent(share):
    return "–" if share is None else f"{100 * share:.1f}"


def _pair(entry):
    return "–" if entry is None else f"{_percent(entry['accuracy'])} ({_percent(entry['balanced_accuracy'])})"


def _span(interval):
    return "–" if interval is None else " to ".join(map(_percent, interval))
