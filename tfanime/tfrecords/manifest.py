"""`manifest.json`: what a folder of shards holds and how it was made."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tfanime.files import write_text
from tfanime.tags import TagVocabulary

FORMAT = 1
FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The account of a conversion; written last, so that a folder with a manifest is complete.

    Args:
        name: Name of the data set, from its card.
        image_size: Height and width of every picture, in pixels.
        count: Number of records in all shards.
        shards: One `{"file", "count", "bytes"}` a shard, in order.
        fingerprint: SHA-256 (hex) over all records in order: equal fingerprints mean equal data.
        vocabulary: The `TagVocabulary` of the records' `tags`, or None for shards without tags.
        tag_counts: For each tag, in how many records it holds.
        detector: `{"name", "version"}`.
        tagger: `{"name", "version"}`.
        pictures: What became of the pictures: `{"found", "kept", "dropped": {reason: count},
            "rows_without_picture", "pictures_without_row", "unknown_words": {word: rows}, ...}`.
        card: The resolved settings of the conversion.
        tfanime: Version that wrote it.
    """

    name: str
    image_size: int
    count: int
    shards: list
    fingerprint: str
    vocabulary: TagVocabulary | None
    tag_counts: dict
    detector: dict
    tagger: dict
    pictures: dict
    card: dict
    tfanime: str
    format: int = field(default=FORMAT)

    def save(self, folder):
        """Writes `manifest.json` into `folder` through a temporary file."""
        values = {name: value for name, value in asdict(self).items() if name != "vocabulary"}
        values["vocabulary"] = self.vocabulary.to_json() if self.vocabulary else None
        write_text(Path(folder) / FILE_NAME, json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder):
        """Reads the manifest of a folder of shards.

        Raises:
            FileNotFoundError: There is no such folder, or it holds no manifest (its conversion has not finished).
            ValueError: The manifest cannot be read, or another version of tfanime wrote it in another format.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"shards must be an existing folder. Received: {str(folder)!r}")
        path = folder / FILE_NAME
        if not path.is_file():
            raise FileNotFoundError(
                f"a folder of shards must hold {FILE_NAME}. Received: {str(folder)!r}, which does not; make it with "
                f"`python -m tfanime.tfrecords SOURCE {folder}` (the same command resumes a conversion cut short)"
            )
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise ValueError(f"its format is {values['format']}, this version of tfanime reads {FORMAT}")
            values["vocabulary"] = TagVocabulary.from_json(values["vocabulary"]) if values["vocabulary"] else None
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} must be a manifest that tfanime wrote: {error}") from error
