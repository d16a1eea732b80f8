"""The requests and answers of all clients, independent of the transport.

The methods called `_plan_...` are generators: they yield `Call`s, are sent the arrays that answer them, and return a
result. A blocking client (`Blocking`) runs the plans in the caller's thread, `AsyncAvatarClient` in an event loop.
"""

import io
import json
import operator
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from tfanime.tags import TagVocabulary

FIRST_PAUSE = 0.1  # seconds before the first retry; each further pause is twice as long
LONGEST_PAUSE = 5.0


class ServerError(RuntimeError, OSError):
    """The server failed, or its answer is not of the expected form. It is an `OSError`, as a lost connection is."""


# Python's exceptions for statuses; all others become `ServerError`.
_EXCEPTIONS = {
    "INVALID_ARGUMENT": ValueError,
    "NOT_FOUND": ValueError,
    "FAILED_PRECONDITION": ValueError,
    "UNIMPLEMENTED": ValueError,
    "UNAVAILABLE": ConnectionError,
    "DEADLINE_EXCEEDED": TimeoutError,
}


@dataclass(frozen=True)
class Call:
    """One request.

    Args:
        signature: The signature's name.
        inputs: Arrays by alias; the first dimension is the batch.
        output: Alias of the requested output.
    """

    signature: str
    inputs: Mapping[str, np.ndarray]
    output: str

    def __len__(self):
        return len(next(iter(self.inputs.values())))


class Attempts:
    """The attempts of one call: its time limit, and whether and when it is retried.

    Args:
        timeout: Seconds for all attempts together.
        retries: Largest number of attempts after the first.
        clock: Called for the time in seconds.
    """

    def __init__(self, timeout, retries, clock=time.monotonic):
        self._clock = clock
        self._deadline = clock() + timeout
        self._retries_left = retries
        self._pause = FIRST_PAUSE

    def seconds_left(self):
        """Seconds for the next try."""
        return max(0.001, self._deadline - self._clock())

    def pause_after(self, code):
        """Seconds to wait before the next try, or None if the call has failed.

        Args:
            code: gRPC's name of the last attempt's status. Only UNAVAILABLE (no server yet, or one that restarts) is
                tried again: other requests would fail again, or repeat work.
        """
        # Half of the pause is random, so that clients that lost the same server do not all return at once.
        wait = self._pause * random.uniform(0.5, 1.0)
        late = self._clock() + wait >= self._deadline
        if code != "UNAVAILABLE" or not self._retries_left or late:
            return None
        self._retries_left -= 1
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return wait


class Avatars:
    """The part of a client that needs no connection; the arguments are those of `AvatarClient`."""

    def __init__(self, server, model, timeout, retries, batch):
        host, _, port = str(server).rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"server must be host:port, such as 127.0.0.1:8500. Received: {server!r}")
        for name, value, least in (("retries", retries, 0), ("batch", batch, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}. Received: {value}")
        if not timeout > 0:
            raise ValueError(f"timeout must be above 0 seconds. Received: {timeout}")
        self.server, self.model, self.timeout, self.retries, self.batch = server, model, timeout, retries, batch

    def _failure(self, code, text):
        """The exception for a call that ended with a status; its `code` is gRPC's name of it, such as NOT_FOUND."""
        kind = _EXCEPTIONS.get(code, ServerError)
        error = kind(f"server {self.server}, model {self.model!r}: {text} ({code})")
        error.code = code
        return error

    def _must(self, rule, received):
        return ServerError(f"server {self.server} must {rule}. Received: {received}")

    def _parts(self, seeds):
        seeds = _whole(seeds, "seeds")
        if not seeds:
            raise ValueError("seeds must hold at least one seed. Received: none")
        return [seeds[start : start + self.batch] for start in range(0, len(seeds), self.batch)]

    def _plan(self, call):
        """One call; returns its array, with one row for each requested row."""
        array = yield call
        if array.shape[:1] != (len(call),):
            raise self._must(f"send one {call.output} a row", f"{array.shape} for {len(call)} rows")
        return array

    def _plan_card(self):
        (text,) = yield from self._plan(Call("model_card", {"seed": np.zeros(1, np.int64)}, "model_card"))
        try:
            return json.loads(text)
        except (ValueError, TypeError) as error:
            raise self._must("send a model card as JSON", f"{str(text)[:100]!r} ({error})") from error

    def _plan_vocabulary(self):
        card = yield from self._plan_card()
        try:
            return TagVocabulary.from_json(card["vocabulary"]) if card["vocabulary"] else None
        except (ValueError, TypeError, KeyError) as error:
            raise self._must("send a vocabulary in the model card", f"{type(error).__name__}: {error}") from error

    def _plan_wanted(self, tags, allow_untrained=False):
        vocabulary = yield from self._plan_vocabulary()
        if vocabulary is None:
            raise ValueError(f"tags must be left out for model {self.model!r}, which has none. Received: {tags!r}")
        return vocabulary.wanted(tags, allow_untrained)

    def _plan_row(self, tags):
        """`tags` (words, or the result of `wanted`) as numbers; None without tags."""
        if tags is None or (isinstance(tags, str) and not tags.strip()):
            return None
        if isinstance(tags, str):
            return (yield from self._plan_wanted(tags))
        row = np.asarray(tags, np.float32)
        if row.ndim != 1:
            raise ValueError(f"tags must be words, or the result of wanted(). Received: shape {row.shape}")
        return row

    def _seeds_and_tags(self, signature, part, row, output):
        inputs = {"seed": np.array(part, np.int64)}
        if row is None:
            return Call(signature, inputs, output)
        return Call(f"{signature}_with_tags", inputs | {"tags": np.tile(row, (len(part), 1))}, output)

    def _plan_images(self, part, row):
        images = yield from self._plan(self._seeds_and_tags("images", part, row, "images"))
        if images.dtype != np.uint8 or images.ndim != 4:
            raise self._must("send images as uint8 [batch, height, width, 3]", f"{images.dtype} {images.shape}")
        return images

    def _plan_pngs(self, part, row):
        array = yield from self._plan(self._seeds_and_tags("generate", part, row, "image_bytes"))
        return self._checked_pngs(array)

    def _plan_pictures(self, kind, part):
        images = yield from self._plan(Call(kind, {"pictures": part}, "images"))
        if images.dtype != np.uint8 or images.ndim != 4:
            raise self._must("send images as uint8 [batch, height, width, 3]", f"{images.dtype} {images.shape}")
        return images

    def _pictures(self, pictures):
        """Pictures as parts of at most `batch`."""
        pictures = np.asarray(pictures)
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3 or 0 in pictures.shape:
            raise ValueError(
                "pictures must be uint8 [batch, height, width, 3], all at least 1. Received: "
                f"{pictures.dtype} {pictures.shape}"
            )
        return [pictures[start : start + self.batch] for start in range(0, len(pictures), self.batch)]

    def _plan_way(self, seed_a, seed_b, t):
        inputs = {"seed_a": seed_a, "seed_b": seed_b, "t": t}
        array = yield from self._plan(Call("interpolate", inputs, "image_bytes"))
        return self._decoded(self._checked_pngs(array))

    def _way(self, seed_a, seed_b, t):
        """The arguments of `interpolate` as parts of at most `batch` rows."""
        first, second = (
            np.array(_whole([seed] if np.ndim(seed) == 0 else seed, name), np.int64)
            for seed, name in ((seed_a, "seed_a"), (seed_b, "seed_b"))
        )
        try:
            rows = np.broadcast_arrays(first, second, np.atleast_1d(np.asarray(t, np.float32)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"seed_a, seed_b and t must be of one length, or single. Received: {error}") from error
        if rows[0].ndim != 1 or not len(rows[0]):
            raise ValueError(f"seed_a, seed_b and t must be lists. Received: shape {rows[0].shape}")
        return [[row[start : start + self.batch] for row in rows] for start in range(0, len(rows[0]), self.batch)]

    def _checked_pngs(self, array):
        pngs = array.tolist()
        if array.ndim != 1 or not all(isinstance(png, bytes) for png in pngs):
            raise self._must("send image_bytes as strings [batch]", f"{array.dtype} {array.shape}")
        return pngs

    def _decoded(self, pngs):
        from PIL import Image

        try:
            return np.stack([np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in pngs])
        except (OSError, ValueError) as error:
            raise self._must("send pictures of one size", error) from error


class Blocking(Avatars):
    """The methods of a client whose caller waits. A subclass has `_answer` and `close`."""

    def generate(self, seeds: Iterable[int], tags: str | np.ndarray = "") -> np.ndarray:
        """Fetches avatars as arrays.

        Args:
            seeds: Whole numbers, at least one; each names an avatar.
            tags: Tags to draw, such as `"blonde hair, twin tails, no hat"`; the seed decides about all other tags.
                Words cost a small request for the model's vocabulary each time, since a new version may have another
                one; the result of `wanted` does not.

        Returns:
            uint8 array `[len(seeds), height, width, 3]`.

        Raises:
            ValueError: The server refused the request (no such model, signature ...), `seeds` is empty or wrong, or the
                model does not know a tag or was not trained on it.
            ConnectionError: No server answered, `retries` times.
            TimeoutError: A request took more than `timeout` seconds.
            ServerError: The server failed, or its answer is not of the expected form. Errors caused by a status have
                its name as `code`, such as `"NOT_FOUND"`.
        """
        return np.concatenate([images for _, images in self.generate_in_batches(seeds, tags)])

    def generate_in_batches(
        self, seeds: Iterable[int], tags: str | np.ndarray = ""
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Like `generate`, one request after the other, for long lists.

        Yields:
            `(seeds, images)`: at most `batch` seeds and their avatars, uint8 `[len(seeds), height, width, 3]`.
        """
        parts, row = self._parts(seeds), self._run(self._plan_row(tags))
        for part in parts:
            yield part, self._run(self._plan_images(part, row))

    def png(self, seeds: Iterable[int], tags: str | np.ndarray = "") -> list[bytes]:
        """Fetches avatars as encoded pictures.

        Args:
            seeds: Whole numbers, at least one; each names an avatar.
            tags: As for `generate`.

        Returns:
            A list of `bytes`, a PNG file each.

        Raises what `generate` raises.
        """
        parts, row = self._parts(seeds), self._run(self._plan_row(tags))
        return [data for part in parts for data in self._run(self._plan_pngs(part, row))]

    def interpolate(
        self, seed_a: int | Iterable[int], seed_b: int | Iterable[int], t: float | Iterable[float]
    ) -> np.ndarray:
        """Fetches an interpolation between two avatars.

        Args:
            seed_a: The seed of the first avatar, one for all pictures or one for each.
            seed_b: The seed of the second avatar, one for all pictures or one for each.
            t: Position of each picture, a number or a list of numbers from 0 (`seed_a`) to 1 (`seed_b`).

        Returns:
            uint8 array `[count, height, width, 3]`.

        Raises what `generate` raises.
        """
        return np.concatenate([self._run(self._plan_way(*part)) for part in self._way(seed_a, seed_b, t)])

    def upscale(self, pictures: np.ndarray) -> np.ndarray:
        """Enlarges pictures, by a model of kind `upscale`.

        Args:
            pictures: uint8 array `[count, height, width, 3]`. The reply must fit into one message, see
                `AvatarClient`'s `max_message_mib`; `tfanime.generator.tiles` takes a large picture apart.

        Returns:
            uint8 array `[count, scale * height, scale * width, 3]`.

        Raises what `generate` raises.
        """
        return np.concatenate([self._run(self._plan_pictures("upscale", part)) for part in self._pictures(pictures)])

    def stylise(self, pictures: np.ndarray) -> np.ndarray:
        """Draws pictures in another style, by a model of kind `stylise`; arguments as for `upscale`."""
        return np.concatenate([self._run(self._plan_pictures("stylise", part)) for part in self._pictures(pictures)])

    def model_card(self) -> dict[str, Any]:
        """The model's card, a dictionary: its signatures, vocabulary, training and licence.

        Raises what `generate` raises, and ValueError for a model that was exported without the signature `model_card`.
        """
        return self._run(self._plan_card())

    def vocabulary(self) -> TagVocabulary | None:
        """The `tfanime.tags.TagVocabulary` of the model, or None for one without tags. Raises as `model_card` does."""
        return self._run(self._plan_vocabulary())

    def wanted(self, tags: str, allow_untrained: bool = False) -> np.ndarray:
        """Converts words to the numbers that the model takes, to be passed as `tags` in many calls.

        Args:
            tags: Text as for `generate`.
            allow_untrained: Whether to allow tags that no training face had.

        Returns:
            float32 array `[len(vocabulary)]` of +1, -1 and 0.

        Raises what `generate` raises.
        """
        return self._run(self._plan_wanted(tags, allow_untrained))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _run(self, plan):
        answer = None
        while True:
            try:
                call = plan.send(answer)
            except StopIteration as end:
                return end.value
            answer = self._answer(call)


def _whole(seeds, name):
    """A list of ints that fit int64."""
    try:
        seeds = [operator.index(seed) for seed in seeds]
        np.array(seeds, np.int64)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{name} must be a list of whole numbers that fit int64. Received: {error}") from error
    return seeds
