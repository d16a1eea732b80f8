"""`evaluation.json`: rows of numbers with their protocol, and the check that other protocols stay out."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tfanime.files import write_text

FORMAT = 1
FILE_NAME = "evaluation.json"


@dataclass
class Evaluation:
    """Rows of one protocol, which may be compared.

    Args:
        protocol: The protocol of all rows, see `tfanime.evaluate.judge.Judge.protocol`.
        provenance: Versions, seed and hashes of the evaluation that wrote the file; they may differ between comparable
            files.
        real_histogram: Shares of real pictures by distance to the nearest other one.
        rows: Dictionaries of `name`, `generated`, `samples`, `origin`, `values`, `histogram`, `pairs`, `sheet` and
            `closest` (names of picture files beside the JSON), and `provenance` of a row that came from another file.
    """

    protocol: dict
    provenance: dict
    real_histogram: list
    rows: list = field(default_factory=list)

    def save(self, folder):
        """Writes `evaluation.json` into a folder through a temporary file; returns its path."""
        path = Path(folder) / FILE_NAME
        values = {"format": FORMAT, **vars(self)}
        write_text(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def load(cls, path):
        """Reads an `evaluation.json`, given by its path or its folder's.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: It cannot be read, or has another format.
        """
        path = Path(path)
        path = path / FILE_NAME if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(
                f"an earlier evaluation must be an {FILE_NAME} or its folder. Received: {str(path)!r}"
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} must be a file that this version of tfanime wrote: {error}") from error

    def require_same_protocol(self, other, path):
        """Raises an error if another evaluation's values cannot be compared with these.

        Args:
            other: The other `Evaluation`.
            path: Its path, for the message.

        Raises:
            ValueError: The protocols differ; the message names the differences.
        """
        different = differences(self.protocol, other.protocol)
        if different:
            raise ValueError(
                f"evaluations in one table must have one protocol. Received: {path}, in which "
                + ", ".join(f"{name} is {theirs!r} and not {ours!r}" for name, ours, theirs in different)
            )


def differences(first, second, name=""):
    """The differences of two nested dictionaries: a list of `(name, value of the first, value of the second)`."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = [*first, *(key for key in second if key not in first)]
        found = (differences(first.get(key), second.get(key), f"{name}.{key}" if name else key) for key in keys)
        return [each for part in found for each in part]
    return [] if first == second else [(name, first, second)]
