"""Turns photos into drawings. Run as `python -m tfanime.stylise photos/ --with runs/cartoon --out drawings/`."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

import numpy as np
from PIL import Image

from tfanime import command_line
from tfanime.generator import open_network
from tfanime.generator.tiles import through
from tfanime.limits import Checked, above, at_least
from tfanime.picture_files import Picture, write_picture
from tfanime.picture_folders import change_folder, read_or_check, report_folder
from tfanime.tfrecords.alignment import ZOOM, Aligner
from tfanime.tfrecords.crop import face_square
from tfanime.tfrecords.detectors.portraits import haarcascade
from tfanime.tfrecords.filters import Dropped

SIZE = 64  # where a network does not say at what size it was trained
DETECT_SIZE = 640
LEAST_SCORE = 0.8


@dataclass(frozen=True)
class Config(Checked):
    """Turn photos into drawings.

    Args:
        pictures: A photo, or a folder of photos (whose sub-folders and names are kept).
        with_: The network that draws: a run folder of the recipe cartoongan, a generator's folder of kind stylise, a
            SavedModel, or the name of a pretrained one.
        out: Where the drawings go: for one photo a file that ends in .png, .jpg or .webp, else a folder, which is
            filled up if some are there already.
        faces: Which faces are drawn: the largest of a photo, all of them (with --paste), or whole for the picture as it
            is, without looking for faces.
        align: Turn, scale and shift each face so that eyes and mouth lie where they lay in photos of a training that
            the converter's --align has cut. A face in which they are not found is drawn as it was found.
        paste: Draw the faces into the photo, instead of giving the drawn face alone.
        size: Height and width at which a face is drawn, in pixels. Default: that of the network's training.
        zoom: Side of the square that is drawn, relative to the face that was found; the network's photos should have
            been cut so. Default: 1.07.
        checkpoint: Which state of a run draws: newest, best, or one of the steps whose checkpoints are there.
    """

    pictures: str
    with_: str
    out: str
    faces: Literal["largest", "all", "whole"] = "largest"
    align: bool = False
    paste: bool = False
    size: Annotated[int | None, at_least(16)] = None
    zoom: Annotated[float | None, above(0, most=10)] = None
    checkpoint: str = "newest"

    def rules(self):
        yield "paste", self.paste or self.faces != "all", "true with --faces all"
        yield "paste", not self.paste or self.faces != "whole", "false with --faces whole"
        yield "align", not self.align or self.faces != "whole", "false with --faces whole"
        for name in ("size", "zoom"):
            yield name, getattr(self, name) is None or self.faces != "whole", "left out with --faces whole"


class Stylist:
    """Draws what is in photos.

    Args:
        network: A `tfanime.generator.PictureNetwork` of kind `stylise`.
        faces, paste, zoom, align: See `Config`.
        size: Height and width at which a face is drawn; default: `size_of(network)`.
        find: An RGB `PIL.Image` -> its faces, a list of `Detection`s; default: those that the detector `haarcascade`
            finds.
    """

    def __init__(self, network, faces="largest", paste=False, size=None, zoom=ZOOM, find=None, align=False):
        self.network = network
        self.faces = faces
        self.align = Aligner(zoom) if align else None
        self.paste = paste
        self.size = size or size_of(network)
        self.zoom = zoom
        if find is None and faces != "whole":
            find = haarcascade(SimpleNamespace(detect_size=DETECT_SIZE)).find
        self.find = find

    def __call__(self, picture):
        """Draws one photo.

        Args:
            picture: A `tfanime.picture_files.Picture`.

        Returns:
            A `Picture`, whose note says what of the photo was passed over.

        Raises:
            ValueError: No face was found, or the picture is too large to be drawn whole.
        """
        if self.faces == "whole":
            return through(self.network.images, picture, self.network.form)
        image = Image.fromarray(picture.pixels)
        boxes = [face.box for face in self.find(image) if face.score >= LEAST_SCORE]
        if not boxes:
            raise ValueError(
                "a photo must show a face from the front, which none was found in. For a picture that is cropped to a "
                "face already, for a drawing, or for all of a picture take --faces whole"
            )
        boxes.sort(key=lambda box: (box[0] - box[2], box))  # the largest first
        notes = [picture.note] if picture.note else []
        if self.faces == "largest" and len(boxes) > 1:
            notes.append(f"the largest of {len(boxes)} faces")
        if self.faces == "largest":
            boxes = boxes[:1]
        regions = [self._region(image, box) for box in boxes]
        askew = sum(region.turn is None for region in regions) if self.align else 0
        if askew:
            notes.append(f"{askew} of {len(boxes)} not aligned: eyes and mouth were not found")
        small = min(region.side for region in regions)
        if 2 * small < self.size:
            notes.append(f"a face of {small} px is drawn at {self.size}")
        drawn = self.network.images(np.stack([self._seen(region) for region in regions]))
        note = ", ".join(notes)
        if not self.paste:
            return Picture(drawn[0], None, note)
        for region, face in zip(reversed(regions), drawn[::-1], strict=True):  # the largest lies above all others
            region.paste(image, Image.fromarray(face))
        return replace(picture, pixels=np.asarray(image), note=note)

    def _region(self, image, box):
        if self.align:
            with contextlib.suppress(Dropped):
                return self.align(image, face_square(image, box, ZOOM))[0]
        return face_square(image, box, self.zoom)

    def _seen(self, region):
        return np.asarray(region.image.resize((self.size, self.size), Image.Resampling.LANCZOS))


def size_of(network):
    """Height and width of the pictures that a network was trained on, as far as its card says."""
    config = network.card.get("config") or {}
    return int(config.get("image_size") or SIZE)


def main(arguments=None):
    """Draws; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.stylise",
        description="Turn photos of faces into drawings.",
        epilog="""examples:
  python -m tfanime.stylise me.jpg --with runs/cartoon --out drawn.png
  python -m tfanime.stylise photos/ --with runs/cartoon --out drawings/
  python -m tfanime.stylise family.jpg --with runs/cartoon --faces all --paste --out drawn.jpg
""",
        positional=("pictures",),
        arguments=arguments,
    )
    path, out = Path(config.pictures), Path(config.out)
    picture = read_or_check(path, out)
    command_line.load_tensorflow()
    network = open_network(config.with_, config.checkpoint, ("stylise",))
    stylist = Stylist(network, config.faces, config.paste, config.size, config.zoom or ZOOM, align=config.align)
    if picture is None:
        return report_folder(*change_folder(stylist, path, out), out)
    made = stylist(picture)
    write_picture(out, made)
    print(f"wrote {out}{f' ({made.note})' if made.note else ''}")
    return 0


if __name__ == "__main__":
    command_line.run(main)
