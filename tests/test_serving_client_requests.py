"""What clients ask and how they read it, without a connection."""

import dataclasses
import json

import numpy as np
import pytest

from tfanime.serving.client.requests import LONGEST_PAUSE, Attempts, Blocking, ServerError
from tfanime.tags import TagGroup, TagVocabulary

VOCABULARY = TagVocabulary("mine", (TagGroup("colour", ("red", "green"), True), TagGroup("more", ("hat",), False)))


class Told(Blocking):
    """A client whose answers come from a function of the call."""

    def __init__(self, answer, **options):
        super().__init__("a:1", "tfanime", **{"timeout": 30.0, "retries": 5, "batch": 3} | options)
        self.answer, self.calls = answer, []

    def _answer(self, call):
        self.calls.append(call)
        return self.answer(call)

    def close(self):
        pass


def images(call):
    """One grey picture a seed, or the card."""
    if call.output == "model_card":
        return np.array([json.dumps({"vocabulary": VOCABULARY.to_json()}).encode()], object)
    return np.stack([np.full((2, 2, 3), seed, np.uint8) for seed in call.inputs["seed"]])


def test_tags_as_words_cost_one_request_for_each_call():
    client = Told(images)
    np.testing.assert_array_equal(client.generate(range(7), "green, no hat")[:, 0, 0, 0], range(7))
    assert [call.signature for call in client.calls] == ["model_card", *["images_with_tags"] * 3]
    for call in client.calls[1:]:
        np.testing.assert_array_equal(call.inputs["tags"], [[-1, 1, -1]] * len(call))
        assert call.inputs["tags"].dtype == np.float32 and call.inputs["seed"].dtype == np.int64
    del client.calls[:]
    client.generate(range(4), client.wanted("hat"))
    assert [call.signature for call in client.calls] == ["model_card", *["images_with_tags"] * 2]
    del client.calls[:]
    client.generate([1], [0, 0, 1])
    client.generate([1], " ")
    client.generate([1], None)
    assert [call.signature for call in client.calls] == ["images_with_tags", "images", "images"]


def test_bad_arguments_send_no_request():
    client = Told(images)
    for arguments, message in (
        (([], ""), "seeds must hold at least one"),
        ((["1"], "red"), "seeds must be a list of whole numbers"),
        (([1], [[0, 0, 1]]), r"tags must be words, or the result of wanted\(\). Received: shape \(1, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            client.generate(*arguments)
    for arguments, message in (
        ((1.5, 2, 0), "seed_a must be a list of whole numbers"),
        ((1, 2**63, 0), "seed_b must be a list of whole numbers"),
        (([1, 2], [1, 2, 3], 0), "seed_a, seed_b and t must be of one length"),
        ((1, 2, "half"), "seed_a, seed_b and t must be of one length"),
        ((1, 2, []), "seed_a, seed_b and t must be lists"),
        ((1, 2, [[0.5]]), "seed_a, seed_b and t must be lists"),
    ):
        with pytest.raises(ValueError, match=message):
            client.interpolate(*arguments)
    assert not client.calls


def test_interpolate_is_split_like_seeds():
    client = Told(lambda call: pytest.fail() if len(call) > 3 else np.array([b""] * len(call), object))
    with pytest.raises(ServerError, match="must send pictures"):
        client.interpolate(7, [1, 2, 3, 4], 0.5)
    (call,) = client.calls
    assert (call.signature, call.output) == ("interpolate", "image_bytes")
    for alias, expected, dtype in (
        ("seed_a", [7] * 3, "int64"),
        ("seed_b", [1, 2, 3], "int64"),
        ("t", [0.5] * 3, "f4"),
    ):
        np.testing.assert_array_equal(call.inputs[alias], expected)
        assert call.inputs[alias].dtype == dtype


@pytest.mark.parametrize(
    ("card", "error", "message"),
    [
        (b'{"vocabulary": null}', ValueError, "tags must be left out for model 'tfanime', which has none"),
        (b"{}", ServerError, "must send a vocabulary in the model card. Received: KeyError"),
        (b'{"vocabulary": {"name": "x", "groups": [1]}}', ServerError, "must send a vocabulary"),
        (b"[]", ServerError, "must send a vocabulary"),
        (b"hello", ServerError, "must send a model card as JSON. Received: \"b'hello'\""),
        (7, ServerError, "must send a model card as JSON"),
    ],
)
def test_wanted_refuses_cards_without_tags(card, error, message):
    with pytest.raises(error, match=message):
        Told(lambda call: np.array([card], object)).generate([1], "green")
    assert Told(lambda call: np.array([b'{"vocabulary": null}'], object)).vocabulary() is None


@pytest.mark.parametrize("array", [np.zeros(2, np.uint8), np.array([b"a", "b"], object), np.zeros((2, 2), object)])
def test_png_refuses_other_answers(array):
    with pytest.raises(ServerError, match=r"must send image_bytes as strings \[batch\]"):
        Told(lambda call: array).png([1, 2])


def test_attempts_double_their_pauses_up_to_the_retries():
    attempts = Attempts(timeout=1000.0, retries=9)
    pauses = [attempts.pause_after("UNAVAILABLE") for _ in range(10)]
    assert pauses.pop() is None
    for pause, longest in zip(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, *[LONGEST_PAUSE] * 3], strict=True):
        assert longest / 2 <= pause <= longest


def test_attempts_do_not_pause_beyond_the_deadline():
    now = 100.0
    attempts = Attempts(timeout=10.0, retries=9, clock=lambda: now)
    now += 9.875
    assert attempts.pause_after("UNAVAILABLE") <= 0.1 and attempts.seconds_left() == 0.125
    now += 0.1
    assert attempts.pause_after("UNAVAILABLE") is None
    now += 1
    assert attempts.seconds_left() == 0.001


def test_attempts_retry_unavailable_only():
    for code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN"):
        assert Attempts(timeout=1000.0, retries=9).pause_after(code) is None


def test_wanted_refuses_untrained_tags_unless_allowed():
    vocabulary = dataclasses.replace(VOCABULARY, untrained=("hat",))

    def answer(call):
        if call.output == "model_card":
            return np.array([json.dumps({"vocabulary": vocabulary.to_json()}).encode()], object)
        return images(call)

    client = Told(answer)
    with pytest.raises(ValueError, match=r"Received: hat, which the generator was never shown"):
        client.generate([1], "green, hat")
    assert len(client.calls) == 1  # the card's
    np.testing.assert_array_equal(client.wanted("hat", allow_untrained=True), [0, 0, 1])
    assert client.generate([1], "green").shape == (1, 2, 2, 3)
