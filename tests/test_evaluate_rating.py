import json

import numpy as np
import pytest

from tfanime.evaluate.rating import Pictures, Rating, as_text
from tfanime.metrics.intervals import wilson


def sources(*counts, size=2):
    """Sources whose pictures tell where they are from: the first pixel is (source, number, 0)."""
    result = []
    for index, count in enumerate(counts):
        images = np.zeros((count, size, size, 3), np.uint8)
        images[:, 0, 0, 0], images[:, 0, 0, 1] = index, np.arange(count)
        result.append(Pictures("abc"[index], images))
    return result


def order(rating):
    return [tuple(rating.image(place)[0, 0, :2].tolist()) for place in range(rating.count)]


def rate(rating, *answers):
    for answer in answers:
        assert rating.answer(rating.next, answer)


def test_rating_order_is_a_permutation_by_the_seed(tmp_path):
    first, second, other = (
        Rating(tmp_path / f"{name}.jsonl", sources(30, 20), seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.count == 50
    assert sorted(order(first)) == [(0, number) for number in range(30)] + [(1, number) for number in range(20)]
    assert order(first) == order(second) != order(other)
    half = [source for source, _ in order(first)[:25]]
    assert 5 <= sum(half) <= 15 and order(first) != sorted(order(first))


def test_results_equal_hand_computed_shares(tmp_path):
    rating = Rating(tmp_path / "a.jsonl", sources(4, 3))
    for place in range(7):
        source, number = order(rating)[place]
        rate(rating, "good" if source == 1 or number == 2 else "poor")
    assert rating.finished and rating.next is None
    assert rating.results() == [
        {"name": "a", "rated": 4, "good": 1, "share": 0.25, "interval": wilson(1, 4)},
        {"name": "b", "rated": 3, "good": 3, "share": 1.0, "interval": wilson(3, 3)},
    ]
    lines = as_text(rating.results()).splitlines()
    assert lines[1].split() == ["a", "4", "1", "25", "%", "5", "to", "70", "%"]
    assert lines[2].split()[-3:] == ["to", "100", "%"] and len({line.index("  ") for line in lines[1:]}) == 1


def test_answers_are_written_at_once_and_resumed(tmp_path):
    path = tmp_path / "deep" / "answers.jsonl"
    rating = Rating(path, sources(3, 2))
    rate(rating, "good", "poor", "poor")
    assert rating.undo() and rating.next == 2
    rate(rating, "good")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("answer", "undo" in line or "head") for line in lines[1:]] == [
        "good",
        "poor",
        "poor",
        True,
        "good",
    ]
    source, number = order(rating)[0]
    assert lines[1] == {"place": 0, "model": "ab"[source], "number": number, "answer": "good"}
    again = Rating(path, sources(3, 2))
    assert again.answers == ["good", "poor", "good"] and again.next == 3 and order(again) == order(rating)
    rate(again, "good", "good")
    assert Rating(path, sources(3, 2)).finished


def test_answer_cut_short_by_a_kill_is_asked_again(tmp_path):
    path = tmp_path / "answers.jsonl"
    rate(Rating(path, sources(3, 2)), "good", "poor")
    whole = path.read_bytes()
    for cut in (1, 5, 20):
        path.write_bytes(whole[:-cut])
        rating = Rating(path, sources(3, 2))
        assert rating.answers == ["good"]
        rate(rating, "poor")
        assert path.read_bytes() == whole
    path.write_bytes(whole[:10])  # of the head
    assert Rating(path, sources(3, 2)).answers == []


def test_answer_counts_only_for_the_next_picture(tmp_path):
    rating = Rating(tmp_path / "a.jsonl", sources(2, 1))
    assert rating.answer(0, "good") and not rating.answer(0, "good") and not rating.answer(2, "good")
    assert rating.answers == ["good"]
    with pytest.raises(ValueError, match=r"answer must be one of good, poor. Received: 'fair'"):
        rating.answer(1, "fair")
    assert rating.undo() and not rating.undo()


def test_answer_is_refused_after_the_end(tmp_path):
    path = tmp_path / "a.jsonl"
    rating = Rating(path, sources(2, 1))
    rate(rating, "good")
    rating.finish()
    rating.finish()
    assert path.read_text().count("finished") == 1
    for one in (rating, Rating(path, sources(2, 1))):
        assert one.finished and not one.answer(1, "good") and not one.undo()
        assert sum(row["rated"] for row in one.results()) == 1
    unrated = next(row for row in rating.results() if not row["rated"])
    assert unrated["share"] is None and unrated["interval"] == (0.0, 1.0) and "–" in as_text(rating.results())
    full = Rating(tmp_path / "b.jsonl", sources(1))
    rate(full, "poor")
    assert full.finished and not full.undo()


def test_rating_of_other_pictures_is_refused(tmp_path):
    path = tmp_path / "answers.jsonl"
    rate(Rating(path, sources(3, 2)), "good")
    changed = sources(3, 2)
    changed[1].images[0, 1, 1, 2] = 9
    for others, seed in ((changed, 0), (sources(3, 2), 1), (sources(3), 0), (sources(3, 3), 0)):
        with pytest.raises(ValueError, match=r"must be of the same pictures and the same seed. Received: one of a, b"):
            Rating(path, others, seed)
    head = path.read_text().splitlines()[0]
    wrong = ('{"undo": true}', '{"place": 0}', '{"answer": "fair"}')
    for text in ("no json\n", "[]\n", "3\n", *(f"{head}\n{line}\n" for line in wrong)):
        path.write_text(text)
        with pytest.raises(ValueError, match="must be a file of answers that tfanime wrote"):
            Rating(path, sources(3, 2))


def test_rating_refuses_sources_that_can_be_recognised(tmp_path):
    twice = [*sources(2), *sources(2)]
    with pytest.raises(ValueError, match=r"models must have different names. Received: a, a"):
        Rating(tmp_path / "a.jsonl", twice)
    sizes = [sources(2)[0], sources(1, 2, size=4)[1]]
    with pytest.raises(
        ValueError, match=r"one size, so that none can be recognised by it. Received: a \(2, 2, 3\), b \(4, 4, 3\)"
    ):
        Rating(tmp_path / "a.jsonl", sizes)
    assert not (tmp_path / "a.jsonl").exists()
