"""How well a classifier predicts tags that people gave: precision, recall, area under the curve, accuracy.

Only known tags count. An exclusive group is one question, asked for the faces of which exactly one of its tags is known
to hold, and answered by the largest score. An independent tag is one question, answered by a score above 0.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Question:
    """One question to a classifier, with its answers.

    Args:
        name: The group's, or the independent tag's name.
        answers: What can be answered: the group's tags, or ("no " and the tag, the tag).
        truth: int64 `[faces]`, the number of the right answer.
        said: int64 `[faces]`, the number of the answer given.
        scores: float64 `[faces, answers]`, the larger the likelier.
    """

    name: str
    answers: tuple[str, ...]
    truth: np.ndarray
    said: np.ndarray
    scores: np.ndarray

    @property
    def accuracy(self):
        """Accuracy: share of correct answers; None without faces."""
        return float(np.mean(self.truth == self.said)) if len(self.truth) else None

    @property
    def balanced_accuracy(self):
        """Balanced accuracy: the mean recall over the tags that some face has; None without faces."""
        return balanced_accuracy(self.truth, self.said, len(self.answers)) if len(self.truth) else None

    def of(self, answer):
        """The `TagScore` of one answer, by its number."""
        holds, says = self.truth == answer, self.said == answer
        return TagScore(
            self.answers[answer],
            self.name,
            len(holds),
            int(holds.sum()),
            int(says.sum()),
            int((holds & says).sum()),
            area_under_curve(holds, self.scores[:, answer]),
        )


@dataclass(frozen=True)
class TagScore:
    """How well one tag is predicted.

    Args:
        tag: The tag.
        question: The name of its `Question`.
        faces: Number of faces of which it is known whether they have the tag.
        holds: Number of these that have it.
        said: Number of these for which it is predicted.
        right: Number of these that have it and for which it is predicted.
        auc: Probability that a face with the tag scores higher than one without; None if there is no such pair.
    """

    tag: str
    question: str
    faces: int
    holds: int
    said: int
    right: int
    auc: float | None

    @property
    def precision(self):
        """Precision: of the faces the tag is predicted for, the share that has it. None if it is never predicted."""
        return self.right / self.said if self.said else None

    @property
    def recall(self):
        """Recall: of the faces that have the tag, the share it is predicted for. None if no face has it."""
        return self.right / self.holds if self.holds else None


def questions(vocabulary, tags, scores):
    """A classifier's answers for each exclusive group and each independent tag.

    Args:
        vocabulary: The `tfanime.tags.TagVocabulary`.
        tags: What people said, +1, -1 and 0, `[faces, len(vocabulary)]`.
        scores: The classifier's, float `[faces, len(vocabulary)]`, such as tag logits. A question with a score that is
            not a number is left out: the classifier does not answer it.

    Returns:
        A list of `Question`, in the vocabulary's order.

    Raises:
        ValueError: A shape is another.
    """
    tags, scores = np.asarray(tags), np.asarray(scores, np.float64)
    for name, values in (("tags", tags), ("scores", scores)):
        if values.shape != (len(tags), len(vocabulary)):
            raise ValueError(f"{name} must be [{len(tags)}, {len(vocabulary)}]. Received: {values.shape}")
    asked = []
    for group, where in vocabulary.slices:
        if group.exclusive:
            holds = tags[:, where] > 0
            rows = holds.sum(axis=1) == 1
            given = scores[rows, where]
            if np.isnan(given).any():
                continue
            # A logit means something beside those of the other tags only.
            shares = given - np.logaddexp.reduce(given, axis=1, keepdims=True)
            truth, said = holds[rows].argmax(axis=1), given.argmax(axis=1)
            asked.append(Question(group.name, group.tags, truth, said, shares))
        else:
            for tag, column in zip(group.tags, range(where.start, where.stop), strict=True):
                rows = tags[:, column] != 0
                given = scores[rows, column]
                if np.isnan(given).any():
                    continue
                truth, said = (tags[rows, column] > 0).astype(int), (given > 0).astype(int)
                asked.append(Question(tag, (f"no {tag}", tag), truth, said, np.stack([-given, given], axis=1)))
    return asked


def tag_scores(question):
    """The `TagScore` of each tag of a `Question`, a list."""
    first = question.answers[0] == f"no {question.name}"
    return [question.of(answer) for answer in range(int(first), len(question.answers))]


def balanced_accuracy(truth, said, answers):
    """See `Question.balanced_accuracy`."""
    holds = np.bincount(truth, minlength=answers)
    right = np.bincount(truth[truth == said], minlength=answers)
    return float(np.mean(right[holds > 0] / holds[holds > 0]))


def area_under_curve(holds, scores):
    """The probability that a face with a tag has a higher score than one without; equal scores count half.

    Args:
        holds: bool array `[faces]`.
        scores: float array `[faces]`.

    Returns:
        A float; None if all faces have the tag, or none.
    """
    with_tag = int(np.sum(holds))
    without = len(holds) - with_tag
    if not with_tag or not without:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[places]  # from 1; equal scores share the mean of their ranks
    return float((ranks[holds].sum() - with_tag * (with_tag + 1) / 2) / (with_tag * without))


def margin(question, baseline, resamples=1000, seed=0):
    """How far a classifier is ahead of a baseline: 95 % interval of a paired bootstrap over faces.

    Args:
        question: The classifier's `Question`.
        baseline: The baseline's answers, int64 `[faces]`, to the same faces.
        resamples: How often faces are drawn.
        seed: Of the draws.

    Returns:
        `(low, high)` of the difference of balanced accuracies, in [-1, 1].
    """
    random, count, answers = np.random.default_rng(seed), len(question.truth), len(question.answers)
    differences = []
    for _ in range(resamples):
        rows = random.integers(count, size=count)
        truth = question.truth[rows]
        own = balanced_accuracy(truth, question.said[rows], answers)
        differences.append(own - balanced_accuracy(truth, baseline[rows], answers))
    low, high = np.percentile(differences, (2.5, 97.5))
    return float(low), float(high)
