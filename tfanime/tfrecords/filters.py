"""Which pictures and faces are left out, and why."""

REASONS = {
    "unreadable": "the file is no picture, cut short or damaged",
    "too_small": "the crop would be enlarged more than twice",
    "no_face": "the detector finds no face",
}
MOST_ENLARGEMENT = 2.0


class Dropped(Exception):
    """A picture or face is left out.

    Args:
        reason: A key of `REASONS`.
        value: What was measured, for the account: a side in pixels, a decoder's message.
    """

    def __init__(self, reason, value=""):
        if reason not in REASONS:
            raise ValueError(f"reason must be one of {', '.join(REASONS)}. Received: {reason!r}")
        super().__init__(reason, value)
        self.reason = reason
        self.value = value


def require_size(side, size):
    """Drops a crop that would be enlarged more than twice: it holds less detail than the others.

    Args:
        side: Side of the crop before it is resized, in pixels.
        size: Side that it shall have.

    Raises:
        Dropped: `too_small`, with the side.
    """
    if side * MOST_ENLARGEMENT < size:
        raise Dropped("too_small", side)


def require_faces(detections):
    """Drops a picture without a face.

    Raises:
        Dropped: `no_face`.
    """
    if not detections:
        raise Dropped("no_face", 0)
