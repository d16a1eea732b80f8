"""Films of avatars: MP4 by OpenCV, GIF by Pillow, frame by frame, so that a long one takes no more memory."""

import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tfanime.files import replacing

SUFFIXES = (".mp4", ".gif")
CODEC = "vp09"  # VP9, which OpenCV's wheels write and browsers play
MOST_FPS = 50  # of a GIF, whose frames last whole hundredths of a second, and at least two


def write_movie(path, frames, fps, scale=1):
    """Writes a film; the file appears only when it is complete.

    Args:
        path: A file that ends in .mp4 or .gif. A GIF repeats forever.
        frames: Iterable of uint8 arrays `[height, width, 3]` of one shape, at least one.
        fps: Frames a second.
        scale: Factor by which frames are enlarged, a whole number.

    Raises:
        OSError: It cannot be written.
        ValueError: `path` has another suffix.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a film must end in {' or '.join(SUFFIXES)}. Received: {path}")
    write = _write_mp4 if path.suffix.lower() == ".mp4" else _write_gif
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"film{path.suffix.lower()}"  # OpenCV and Pillow choose the format by the suffix
        write(file, (_enlarged(np.asarray(frame), scale) for frame in frames), fps)
        shutil.copyfile(file, temporary)


def _enlarged(frame, scale):
    height, width = frame.shape[:2]
    if scale == 1:
        return frame
    return cv2.resize(frame, (width * scale, height * scale), interpolation=cv2.INTER_CUBIC)


def _write_mp4(file, frames, fps):
    writer = None
    for frame in frames:
        frame = frame[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2]  # codecs need even sizes
        if writer is None:
            writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*CODEC), fps, frame.shape[1::-1])
            if not writer.isOpened():
                raise OSError(
                    f"this OpenCV, {cv2.__version__}, cannot write {CODEC}: pip install opencv-python, or write a .gif"
                )
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()


def _write_gif(file, frames, fps):
    pictures = (Image.fromarray(frame).quantize(256, Image.Quantize.MEDIANCUT) for frame in frames)
    hundredths = max(2, round(100 / fps))
    next(pictures).save(
        file, save_all=True, append_images=pictures, duration=10 * hundredths, loop=0, optimize=False, disposal=1
    )
