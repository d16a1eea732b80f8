"""A rating of pictures by a person: the order of the pictures, the answers, and the results.

Every answer is a line of a file, written at once, so that an interrupted rating can be resumed. The first line
identifies the pictures; other pictures are another rating.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfanime.metrics.intervals import wilson

ANSWERS = ("good", "poor")
FORMAT = 1


@dataclass(frozen=True)
class Pictures:
    """Pictures of one origin.

    Args:
        name: Their name in the results.
        images: uint8 array `[count, height, width, 3]`.
    """

    name: str
    images: np.ndarray


class Rating:
    """Pictures in random order, whose origin stays hidden until the end.

    Args:
        path: The file of answers, new or to be resumed.
        sources: `Pictures` of different names and one size.
        seed: Seed of the order.

    Raises:
        ValueError: The sources cannot be rated together, or the file is of another rating.
        OSError: The file cannot be read or written.
    """

    def __init__(self, path, sources, seed=0):
        self.path = Path(path)
        self.sources = list(sources)
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"models must have different names. Received: {', '.join(names)}")
        sizes = {source.images.shape[1:] for source in self.sources}
        if len(sizes) != 1:
            received = ", ".join(f"{source.name} {source.images.shape[1:]}" for source in self.sources)
            raise ValueError(f"pictures must have one size, so that none can be recognised by it. Received: {received}")
        places = [(source, number) for source in self.sources for number in range(len(source.images))]
        order = np.random.Generator(np.random.Philox(key=np.uint64([seed, 0]))).permutation(len(places))
        self._places = [places[index] for index in order]
        self.answers = []  # answers to the first pictures in the order
        self.finished = False
        head = {"format": FORMAT, "seed": seed}
        head["pictures"] = {source.name: _digest(source.images) for source in self.sources}
        self._resume(head)

    def _resume(self, head):
        lines = self._read()
        if lines and lines[0] != head:
            raise ValueError(
                f"{self.path} must be of the same pictures and the same seed. Received: one of "
                f"{', '.join(lines[0].get('pictures', {})) or 'none'}; name another folder with --out"
            )
        if not lines:
            self._write(head)
        try:
            for line in lines[1:]:
                if line.get("undo"):
                    self.answers.pop()
                elif line.get("finished"):
                    self.finished = True
                else:
                    self.answers.append(ANSWERS[ANSWERS.index(line["answer"])])
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(f"{self.path} must be a file of answers that tfanime wrote. Received: {line}") from error
        self.finished |= self.next is None

    def _read(self):
        if not self.path.is_file():
            return []
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]  # a kill may have cut the last line short
        if whole != data:
            os.truncate(self.path, len(whole))
        try:
            lines = [json.loads(line) for line in whole.splitlines()]
            if not all(isinstance(line, dict) for line in lines):
                raise ValueError("a line is no object")
        except ValueError as error:
            raise ValueError(f"{self.path} must be a file of answers that tfanime wrote: {error}") from error
        return lines

    def _write(self, line):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    @property
    def count(self):
        """Number of pictures."""
        return len(self._places)

    @property
    def next(self):
        """The place in the order of the picture to be rated next; None if all are."""
        return len(self.answers) if len(self.answers) < self.count else None

    def image(self, place):
        """The picture at a place in the order, uint8 `[height, width, 3]`."""
        source, number = self._places[place]
        return source.images[number]

    def answer(self, place, answer):
        """Records an answer.

        Args:
            place: Place of the picture that was seen. It must be the next one, so that a key pressed twice does not
                rate an unseen picture.
            answer: One of `ANSWERS`.

        Returns:
            Whether it was recorded.

        Raises:
            ValueError: `answer` is unknown.
        """
        if answer not in ANSWERS:
            raise ValueError(f"answer must be one of {', '.join(ANSWERS)}. Received: {answer!r}")
        if self.finished or place != self.next:
            return False
        source, number = self._places[place]
        self._write({"place": place, "model": source.name, "number": number, "answer": answer})
        self.answers.append(answer)
        self.finished = self.next is None
        return True

    def undo(self):
        """Takes the last answer back. Returns False if there is none or the rating is finished."""
        if self.finished or not self.answers:
            return False
        self._write({"undo": True})
        self.answers.pop()
        return True

    def finish(self):
        """Ends the rating early; afterwards no answer is accepted, because the results are known."""
        if not self.finished:
            self._write({"finished": True})
            self.finished = True

    def results(self):
        """The results of the rating.

        Returns:
            A list of dictionaries, one a source: `name`, `rated`, `good`, `share` (None if none was rated) and
            `interval`, Wilson's of 95 %.
        """
        rows = []
        for source in self.sources:
            answers = [answer for answer, place in zip(self.answers, self._places, strict=False) if place[0] is source]
            good, rated = answers.count("good"), len(answers)
            share = good / rated if rated else None
            interval = wilson(good, rated)
            rows.append({"name": source.name, "rated": rated, "good": good, "share": share, "interval": interval})
        return rows


def as_text(rows):
    """A table of `Rating.results` for a terminal."""
    width = max(len("pictures of"), *(len(row["name"]) for row in rows))
    lines = [f"{'pictures of':{width}}  rated  good  share  95 % interval"]
    for row in rows:
        share = f"{100 * row['share']:4.0f} %" if row["rated"] else "     –"
        low, high = (round(100 * end) for end in row["interval"])
        lines.append(f"{row['name']:{width}}  {row['rated']:5}  {row['good']:4} {share}  {low} to {high} %")
    return "\n".join(lines)


def _digest(images):
    digest = hashlib.sha256(str(images.shape).encode())
    digest.update(np.ascontiguousarray(images))
    return digest.hexdigest()
