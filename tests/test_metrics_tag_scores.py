import numpy as np
import pytest

from tfanime.metrics.tag_scores import area_under_curve, margin, questions, tag_scores
from tfanime.tags import TagGroup, TagVocabulary

VOCABULARY = TagVocabulary(
    "small",
    (TagGroup("colour", ("red", "green", "blue"), exclusive=True), TagGroup("more", ("hat", "smile"), exclusive=False)),
)
TAGS = np.array(
    [
        [1, -1, -1, 1, 0],
        [1, -1, -1, -1, 0],
        [1, -1, -1, -1, 0],
        [-1, 1, -1, 0, 0],
        [0, 0, -1, 1, 0],  # red or green
        [0, 0, 0, -1, 0],
    ],
    np.int8,
)
SCORES = np.array(
    [
        [3.0, 1.0, 2.0, 2.0, 1.0],
        [1.0, 2.0, 0.0, 0.5, 1.0],
        [9.0, 8.0, 7.0, -1.0, 1.0],
        [0.0, 5.0, 6.0, 9.0, 1.0],
        [5.0, 0.0, 0.0, -3.0, 1.0],
        [5.0, 0.0, 0.0, -0.5, 1.0],
    ]
)


def test_tag_scores_equal_hand_counts():
    colour, hat, smile = questions(VOCABULARY, TAGS, SCORES)
    assert colour.truth.tolist() == [0, 0, 0, 1] and colour.said.tolist() == [0, 1, 0, 2]
    assert colour.accuracy == 0.5 and colour.balanced_accuracy == pytest.approx((2 / 3 + 0) / 2)
    red, green, blue = tag_scores(colour)
    assert (red.tag, red.question, red.faces, red.holds, red.said, red.right) == ("red", "colour", 4, 3, 2, 2)
    assert (red.precision, red.recall) == (1.0, 2 / 3)
    assert (green.precision, green.recall) == (0.0, 0.0)
    assert (blue.holds, blue.said, blue.precision, blue.recall, blue.auc) == (0, 1, 0.0, None, None)
    (hats,) = tag_scores(hat)
    assert (hats.tag, hats.faces, hats.holds, hats.said, hats.right) == ("hat", 5, 2, 2, 1)
    assert hats.auc == pytest.approx(3 / 6)  # 2.0 beats all three, -3.0 none of 0.5, -1.0 and -0.5
    assert hat.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    (smiles,) = tag_scores(smile)
    assert (smiles.faces, smiles.precision, smiles.recall, smiles.auc) == (0, None, None, None)
    assert smile.accuracy is None and smile.balanced_accuracy is None


def test_tag_scores_compare_exclusive_logits_within_their_group():
    tags = np.array([[1, -1, -1, 0, 0], [-1, 1, -1, 0, 0]], np.int8)
    scores = np.array([[1.0, 0, 0, 0, 0], [5.0, 9, 0, 0, 0]])  # the second face's logits are larger in all
    red = tag_scores(questions(VOCABULARY, tags, scores)[0])[0]
    assert red.auc == 1.0


def test_tag_scores_leave_out_unanswered_faces():
    scores = SCORES.copy()
    scores[0, 1] = scores[4, 4] = np.nan  # the fifth face's smile is not known, the first one's colour is
    assert [question.name for question in questions(VOCABULARY, TAGS, scores)] == ["hat", "smile"]


def test_area_under_curve_counts_pairs():
    random = np.random.default_rng(0)
    holds, scores = random.random(40) < 0.3, random.integers(0, 6, 40).astype(float)
    pairs = scores[holds][:, None] - scores[~holds]
    assert area_under_curve(holds, scores) == pytest.approx(np.mean((pairs > 0) + (pairs == 0) / 2))
    assert area_under_curve(np.ones(3, bool), np.arange(3.0)) is None


def test_margin_holds_the_difference_and_narrows_with_faces():
    def ahead(copies):
        tags, scores = np.tile(TAGS, (copies, 1)), np.tile(SCORES, (copies, 1))
        colour = questions(VOCABULARY, tags, scores)[0]
        always_red = np.zeros(len(colour.truth), int)
        return colour.balanced_accuracy - 0.5, margin(colour, always_red, 400), margin(colour, colour.said, 20)

    for copies, width in ((10, 0.5), (400, 0.08)):
        difference, (low, high), (same_low, same_high) = ahead(copies)
        assert low <= difference <= high and high - low < width
        assert same_low == same_high == 0.0
    assert ahead(10) == ahead(10)


def test_bad_shapes_are_named():
    with pytest.raises(ValueError, match=r"tags must be \[6, 5\]. Received: \(6, 4\)"):
        questions(VOCABULARY, TAGS[:, :4], SCORES)
    with pytest.raises(ValueError, match=r"scores must be \[6, 5\]. Received: \(5, 5\)"):
        questions(VOCABULARY, TAGS, SCORES[:5])
