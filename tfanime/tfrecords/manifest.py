"""`manifest.json`: what a folder of shards holds and how it was made."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tfanime.files import write_text
from tfanime.tags import TagVocabulary

FORMAT = 2
FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The account of a conversion; written last, so that a folder with a manifest is complete.

    Args:
        name: Name of the data set, from its card.
        image_size: Height and width of every picture, in pixels.
        count: Number of records to train on.
        shards: One `{"file", "count", "bytes", "sha256"}` a shard to train on, in order; the hash is that of its
            records one after another.
        fingerprint: SHA-256 (hex) over the shards' hashes in order: equal fingerprints mean equal data.
        holdout: `{"count", "shards", "fingerprint", "tag_counts"}` of the faces held out for evaluation, or None.
        vocabulary: The `TagVocabulary` of the records' `tags`, or None for shards without tags.
        tag_counts: For each tag, in how many records to train on it holds.
        detector: `{"name", "version"}`.
        taggers: `{"name", "version", "holds": {tag: count}, "known": {tag: count}}` of each tagger in the order in
            which they were asked: in how many records of both splits it said that the tag holds, and that it does or
            does not.
        pictures: What became of the pictures, those held out included: `{"found", "kept", "dropped": {reason: count},
            "dropped_faces": {reason: count}, "tags_known": {tag: count}, "rows_without_picture", ...}`. A picture is
            counted under the first of its faces' reasons if none of them is kept.
        card: The resolved settings of the conversion.
        tfanime: Version that wrote it.
    """

    name: str
    image_size: int
    count: int
    shards: list
    fingerprint: str
    holdout: dict | None
    vocabulary: TagVocabulary | None
    tag_counts: dict
    detector: dict
    taggers: list
    pictures: dict
    card: dict
    tfanime: str
    format: int = field(default=FORMAT)

    def split(self, name):
        """The manifest of one split alone.

        Args:
            name: `"train"` or `"holdout"`.

        Raises:
            ValueError: The split is unknown.
        """
        if name == "train":
            return self
        if name == "holdout" and self.holdout and self.holdout["count"]:
            return replace(self, **self.holdout, holdout=None)
        if name == "holdout" and self.holdout:
            raise ValueError(f"the split holdout of shards {self.name!r} must not be empty. Received: 0 faces")
        raise ValueError(
            f"split must be {'train or holdout' if self.holdout else 'train'} for shards {self.name!r}. Received: "
            f"{name!r}; the converter's --holdout 0.05 holds out 5 % of the pictures"
        )

    def save(self, folder):
        """Writes `manifest.json` into `folder` through a temporary file."""
        values = {name: value for name, value in asdict(self).items() if name != "vocabulary"}
        values["vocabulary"] = self.vocabulary.to_json() if self.vocabulary else None
        write_text(Path(folder) / FILE_NAME, json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder):
        """Reads the manifest of a folder of shards.

        Raises:
            FileNotFoundError: The folder does not exist, or has no manifest (its conversion has not finished).
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
