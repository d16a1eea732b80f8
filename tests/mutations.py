"""Picture files as they should not be, for the converter's tests: odd forms, damage, headers that lie, no files at all.

Everything is a function of a `random.Random`, so that a seed gives the same files again.
"""

import contextlib
import os
import random
import socket
import struct
import zlib

import cv2
import numpy as np
from PIL import Image, PngImagePlugin
from small_pictures import data_of, noise

from tfanime.tfrecords.detectors.animeface import test_face as drawn_face

PNG = b"\x89PNG\r\n\x1a\n"
SIDES = (0, 1, 2, 7, 16383, 16384, 32767, 65500, 65535)
NAMES = (
    "line\nbreak.png",
    "carriage\rreturn.png",
    "both\r\n.png",
    'quote".png',
    "apostrophe'.png",
    "comma,semicolon;.png",
    "tab\t.png",
    " space .png",
    "hash#1.png",
    "日本語.png",
    "e\u0301.png",
    "\u202eright-to-left.png",
    "emoji\U0001f600.png",
    "<b>&amp;.png",
    "%s%00{0}.png",
    "back\\slash.png",
    "-dash.png",
    "n" * 251 + ".png",
    "UPPER.PNG",
    os.fsdecode(b"latin\xe9.png"),
    os.fsdecode(b"latin\xe8.png"),
)


def faces(generator, size):
    """A picture that most filters let pass: a face that detectors find, with a little noise, RGB."""
    image = np.asarray(drawn_face(size)).astype(int)
    noisy = image + np.random.default_rng(generator.getrandbits(32)).integers(-12, 13, image.shape)
    return Image.fromarray(np.uint8(noisy.clip(0, 255)))


def forms(image, other):
    """A picture in every form that decoders know, as a dictionary from a name with its suffix to bytes.

    Args:
        image: RGB `PIL.Image`.
        other: Another one, for second frames.
    """
    transparent = image.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(image.size))
    grey, cmyk, palette = image.convert("L"), image.convert("CMYK"), image.quantize(32)
    deep = np.uint16(np.asarray(grey)) * 257
    animated = {"save_all": True, "append_images": [other]}
    files = {
        "rgb.png": data_of(image),
        "rgba.png": data_of(transparent),
        "grey.png": data_of(grey),
        "la.png": data_of(transparent.convert("LA")),
        "palette.png": data_of(palette),
        "palette_transparent.png": data_of(palette, transparency=3),
        "palette_alpha.png": data_of(palette, transparency=bytes(range(0, 256, 8))),
        "rgb_transparent.png": data_of(image, transparency=(200, 220, 240)),
        "bilevel.png": data_of(image.convert("1")),
        "deep_grey.png": data_of(Image.fromarray(deep)),
        "deep_rgb.png": cv2.imencode(".png", np.uint16(np.asarray(image)[..., ::-1]) * 257)[1].tobytes(),
        "deep_rgba.png": cv2.imencode(".png", np.uint16(np.asarray(transparent)) * 257)[1].tobytes(),
        "interlaced.png": interlaced(image),
        "animated.png": data_of(image, **animated),
        "profile.png": data_of(image, icc_profile=b"no profile" * 30),
        "large_chunk.png": with_chunk(data_of(image), b"tEXt", b"Comment\0" + b"x" * 9_000_000),
        "gamma.png": with_chunk(data_of(image), b"gAMA", struct.pack(">I", 20000)),
        "rgb_palette.png": with_chunk(data_of(image), b"PLTE", bytes(range(255))),
        "bad_palette.png": with_chunk(data_of(image), b"PLTE", bytes(10)),
        "bad_transparency.png": with_chunk(data_of(image), b"tRNS", bytes(3)),
        "unknown_critical.png": with_chunk(data_of(image), b"QQQQ", bytes(9)),
        "text.png": text_bomb(image, 10_000),
        "text_bomb.png": text_bomb(image, 100_000_000),
        "exif.png": data_of(image, exif=exif(5)),
        "plain.jpg": data_of(image, "jpeg"),
        "best.jpg": data_of(image, "jpeg", quality=100, subsampling=0),
        "worst.jpg": data_of(image, "jpeg", quality=1),
        "progressive.jpg": data_of(image, "jpeg", progressive=True),
        "restarts.jpg": data_of(image, "jpeg", restart_marker_blocks=1),
        "grey.jpg": data_of(grey, "jpeg"),
        "cmyk.jpg": data_of(cmyk, "jpeg"),
        "ycck.jpg": data_of(cmyk, "jpeg").replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2"),
        "rgb.jpg": data_of(image, "jpeg", keep_rgb=True),
        "adobe.jpg": data_of(image, "jpeg").replace(b"\xff\xdb", adobe(0) + b"\xff\xdb", 1),
        "adobe_9.jpg": data_of(image, "jpeg").replace(b"\xff\xdb", adobe(9) + b"\xff\xdb", 1),
        "arithmetic.jpg": data_of(image, "jpeg").replace(b"\xff\xc0", b"\xff\xc9", 1),
        "progressive_arithmetic.jpg": data_of(image, "jpeg", progressive=True).replace(b"\xff\xc2", b"\xff\xca", 1),
        "lossless.jpg": data_of(image, "jpeg").replace(b"\xff\xc0", b"\xff\xc3", 1),
        "twelve_bits.jpg": data_of(image, "jpeg").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c", 1),
        "comment.jpg": data_of(image, "jpeg", comment=b"\xff\xd9" * 20),
        "profile.jpg": data_of(image, "jpeg", icc_profile=b"no profile" * 9000),
        "several.jpg": data_of(image, "mpo", **animated),
        "trailer.jpg": data_of(image, "jpeg") + b"\xff\xd8 and more",
        "no_exif.jpg": data_of(image, "jpeg", exif=b"Exif\0\0"),
        "odd_exif.jpg": data_of(image, "jpeg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(250))),
        "large_exif.jpg": data_of(image, "jpeg", exif=b"Exif\0\0" + bytes(65000)),
        "lossy.webp": data_of(image, "webp"),
        "lossless.webp": data_of(image, "webp", lossless=True),
        "alpha.webp": data_of(transparent, "webp"),
        "animated.webp": data_of(image, "webp", **animated),
        "exif.webp": data_of(image, "webp", exif=exif(3)),
        "palette.gif": data_of(palette, "gif"),
        "transparent.gif": data_of(palette, "gif", transparency=2),
        "animated.gif": data_of(image, "gif", **animated),
        "rgb.bmp": data_of(image, "bmp"),
        "rgba.bmp": data_of(transparent, "bmp"),
        "grey.bmp": data_of(grey, "bmp"),
        "palette.bmp": data_of(palette, "bmp"),
        "bilevel.bmp": data_of(image.convert("1"), "bmp"),
        "no_picture.jpg": b"GIF in name only",
        "empty.png": b"",
        "zeros.jpg": bytes(2000),
        "page.jpg": b"<!DOCTYPE html><title>403 Forbidden</title>",
        "vector.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "tiff.jpg": data_of(image, "tiff"),
        "float_tiff.png": data_of(image.convert("F"), "tiff"),
        "icon.png": data_of(image, "ico"),
        "jpeg2000.jpg": data_of(image, "jpeg2000"),
        "postscript.jpg": data_of(image, "eps"),
        "document.png": data_of(image, "pdf"),
    }
    for orientation in range(10):
        files[f"orientation_{orientation}.jpg"] = data_of(image, "jpeg", exif=exif(orientation))
    swapped = {"png": ".jpg", "jpg": ".png", "gif": ".bmp", "webp": ".gif", "bmp": ".webp"}
    for name in ("rgb.png", "plain.jpg", "palette.gif", "lossy.webp", "rgb.bmp"):
        stem, _, suffix = name.partition(".")
        files[f"{stem}_{suffix}{swapped[suffix]}"] = files[name]
    return files


def exif(orientation):
    """EXIF data with an orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def adobe(transform):
    """Adobe's segment of a JPEG, which says how its colours are coded."""
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


def chunk(kind, contents):
    """A chunk of a PNG."""
    return struct.pack(">I", len(contents)) + kind + contents + struct.pack(">I", zlib.crc32(kind + contents))


def chunks(data):
    """The chunks of a whole PNG as pairs of kind and contents."""
    position, found = 8, []
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        found.append((data[position + 4 : position + 8], data[position + 8 : position + 8 + length]))
        position += length + 12
    return found


def with_chunk(data, kind, contents):
    """A PNG with another chunk behind its header."""
    return data[:33] + chunk(kind, contents) + data[33:]


def header_png(width, height, bits=8, colour=2, pixels=b""):
    """A PNG of which little more is there than the header."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def interlaced(image):
    """A PNG with Adam7's seven passes, which Pillow does not write."""
    pixels, rows = np.asarray(image), []
    for left, top, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        rows += [b"\0" + row.tobytes() for row in pixels[top::down, left::across] if row.size]
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def text_bomb(image, length):
    """A PNG with compressed text that becomes long."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * length, zip=True)
    return data_of(image, pnginfo=text)


def plain_png(width, height, bits=8, colour=2):
    """A PNG of one colour, whole and small however many pixels it has."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" + b"\x55" * ((width * channels * bits + 7) // 8)
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if colour == 3 else b""
    return PNG + chunk(b"IHDR", header) + palette + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_size(data, width, height):
    """A picture whose header claims another size; the same bytes where its form is not known here."""
    data = bytearray(data)
    if data.startswith(PNG):
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif data.startswith(b"GIF8"):
        data[6:10] = struct.pack("<HH", min(width, 65535), min(height, 65535))
    elif data.startswith(b"BM"):
        data[18:26] = struct.pack("<ii", width, height)
    elif data.startswith(b"\xff\xd8"):
        place = next((data.find(marker) for marker in (b"\xff\xc0\0", b"\xff\xc2\0") if marker in data), -1)
        if place >= 0:
            data[place + 5 : place + 9] = struct.pack(">HH", min(height, 65535), min(width, 65535))
    elif data[12:16] == b"VP8 ":
        data[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    elif data[12:16] == b"VP8L":
        data[21:25] = struct.pack("<I", (max(width, 1) - 1 & 0x3FFF) | (max(height, 1) - 1 & 0x3FFF) << 14)
    elif data[12:16] == b"VP8X":
        data[24:30] = struct.pack("<I", max(width, 1) - 1)[:3] + struct.pack("<I", max(height, 1) - 1)[:3]
    return bytes(data)


def damaged(generator, data, other):
    """Damages a file in one to three ways.

    Args:
        generator: `random.Random`.
        data: The file's bytes.
        other: Another file's, to splice in.
    """
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        data = generator.choice(_DAMAGES)(generator, bytes(data), other)
    return data


def _cut_off(generator, data, other):
    return data[: generator.randrange(len(data) + 1)]


def _cut_off_near_an_end(generator, data, other):
    place = generator.randrange(40)
    return data[:place] if generator.random() < 0.3 else data[: len(data) - place]


def _flip_bits(generator, data, other):
    data = bytearray(data)
    for _ in range(generator.choice((1, 1, 4, 64)) if data else 0):
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return data


def _flip_bits_of_the_header(generator, data, other):
    data = bytearray(data)
    for _ in range(generator.choice((1, 2)) if data else 0):
        data[generator.randrange(min(len(data), 700))] = generator.choice(
            (0, 1, 127, 128, 255, generator.randrange(256))
        )
    return data


def _insert(generator, data, other):
    place = generator.randrange(len(data) + 1)
    return data[:place] + generator.randbytes(generator.choice((1, 2, 100))) + data[place:]


def _remove(generator, data, other):
    place = generator.randrange(len(data) + 1)
    return data[:place] + data[place + generator.choice((1, 2, 100)) :]


def _zero(generator, data, other):
    place, length = generator.randrange(len(data) + 1), generator.choice((1, 16, 512))
    return data[:place] + bytes(min(length, len(data) - place)) + data[place + length :]


def _splice(generator, data, other):
    place = generator.randrange(min(len(data), len(other)) + 1)
    return data[:place] + other[place:]


def _repeat(generator, data, other):
    place = generator.randrange(len(data) + 1)
    return data[:place] + data[place : place + 200] + data[place:]


def _lie_about_the_size(generator, data, other):
    if len(data) < 40:
        return data
    sides = (*SIDES, generator.randrange(1, 200), 1 << 31, (1 << 32) - 1)
    with contextlib.suppress(struct.error):
        return with_size(data, generator.choice(sides), generator.choice(sides))
    return data


def _damage_a_part(generator, data, other):
    """Damages one chunk of a PNG and corrects its checksum, or one segment of a JPEG: checks do not catch that."""
    if data.startswith(PNG):
        parts = chunks(data)
        if not parts:
            return data
        number = generator.randrange(len(parts))
        kind, contents = parts[number]
        way = generator.randrange(4)
        if way == 0:
            del parts[number]
        elif way == 1:
            parts.insert(generator.randrange(len(parts) + 1), parts[number])
        elif way == 2:
            parts[number] = (kind, bytes(_flip_bits(generator, contents, b"")))
        else:
            parts[number] = (kind, bytes(_cut_off(generator, contents, b"")))
        return PNG + b"".join(chunk(*part) for part in parts)
    markers = [place for place in range(len(data) - 4) if data[place] == 0xFF and 0xC0 <= data[place + 1] <= 0xFE]
    if data.startswith(b"\xff\xd8") and markers:
        place = generator.choice(markers[:12])
        length = 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        part, way = data[place : place + length], generator.randrange(4)
        if way == 0:
            return data[:place] + data[place + length :]
        if way == 1:
            return data[:place] + part + data[place:]
        if way == 2:
            return data[:place] + part[:4] + bytes(_flip_bits(generator, part[4:], b"")) + data[place + length :]
        return data[: place + 1] + bytes([generator.randrange(0xC0, 0xFF)]) + data[place + 2 :]
    return _flip_bits_of_the_header(generator, data, other)


_DAMAGES = (
    _cut_off,
    _cut_off_near_an_end,
    _flip_bits,
    _flip_bits_of_the_header,
    _insert,
    _remove,
    _zero,
    _splice,
    _repeat,
    _lie_about_the_size,
    _damage_a_part,
    _damage_a_part,
)


def sidecar(generator, image_name):
    """A file beside a picture, mostly damaged: its name and its bytes."""
    board = b'{"category": "danbooru", "tag_string": "1girl blue_hair", "rating": "g", "score": 3, '
    board += b'"created_at": "2020-02-02T00:00:00.000-05:00"}'
    stem = image_name.rpartition(".")[0]
    name = generator.choice((f"{image_name}.json", f"{stem}.json", f"{image_name}.txt", f"{stem}.txt"))
    data = board if name.endswith("json") else "long hair, smile, 日本".encode()
    oddities = (
        b"",
        b"[" * 100_000,
        b'{"tags": ' + b"9" * 5000 + b"}",
        b'{"score": 1e999, "created_at": 1e300, "rating": []}',
        b'{"tag_string": "\\ud800 x", "rating": "\\ud800"}',
        b'{"created_at": "' + b"9" * 5000 + b'"}',
        b'{"score": NaN, "created_at": {"s": NaN}}',
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{}",
        b"null",
        b"[]",
        b"\0" * 50,
        b"\xe9t\xe9",
    )
    way = generator.randrange(4)
    return name, data if way == 0 else generator.choice(oddities) if way == 1 else bytes(damaged(generator, data, data))


def write_files(folder, count, seed, size):
    """Fills a folder with files called like pictures.

    Args:
        folder: `pathlib.Path` of a new folder.
        count: How many files that are damaged pictures; some hundred of other kinds come on top.
        seed: Decides everything.
        size: Side of the pictures that are of one size; many others are larger.
    """
    generator = random.Random(seed)
    folder.mkdir()
    groups = [forms(faces(generator, side), faces(generator, side)) for side in (size, 2 * size, 2 * size + 5)]
    for number, files in enumerate(groups):
        (folder / f"whole_{number}").mkdir()
        for name, data in files.items():
            (folder / f"whole_{number}" / name).write_bytes(data)
    pools = [[(name, data) for name, data in files.items() if 0 < len(data) < 1 << 20] for files in groups]
    for number in range(count):
        pool = pools[generator.choice((0, 0, 1, 2))]
        (name, data), (_, other) = generator.choice(pool), generator.choice(pool)
        path = folder / f"damaged_{number // 1000}" / f"{number:06d}_{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged(generator, data, other))
        if generator.random() < 0.1:
            beside, text = sidecar(generator, path.name)
            (path.parent / beside).write_bytes(text)
    _write_lies(folder / "headers", groups[0])
    _write_strips(folder / "strips")
    _write_names(folder / "names", generator, size)
    _write_no_files(folder / "no_files", generator, size)


def _write_lies(folder, files):
    """Headers that claim anything, with nothing or little behind them."""
    folder.mkdir()
    for width in SIDES:
        for height in (0, 1, 200, 16383, 65535):
            for name in ("rgb.png", "plain.jpg", "progressive.jpg", "palette.gif", "lossy.webp", "rgb.bmp"):
                stem, _, suffix = name.partition(".")
                data = with_size(files[name], width, height)
                (folder / f"{stem}_{width}x{height}.{suffix}").write_bytes(data)
    for width, height in ((9999, 9999), (30000, 30000), (1 << 31, 1), (1, 1 << 31), ((1 << 32) - 1,) * 2):
        for colour in (0, 2, 3, 4, 6):
            (folder / f"header_{width}x{height}_{colour}.png").write_bytes(header_png(width, height, colour=colour))
    for suffix in ("png", "jpg", "gif", "webp", "bmp"):
        data = next(data for name, data in files.items() if name.endswith(suffix))
        for length in (1, 2, 4, 8, 16, 33, 60):
            (folder / f"first_{length}.{suffix}").write_bytes(data[:length])


def _write_strips(folder):
    """Whole pictures of no sensible shape."""
    folder.mkdir()
    for width, height in ((1, 1), (1, 2), (2, 1), (1, 3000), (3000, 1), (2, 20000), (20000, 3), (8, 8), (31, 33)):
        for suffix in ("png", "jpg", "webp", "gif", "bmp"):
            if max(width, height) <= 16383 or suffix != "webp":
                format = {"jpg": "jpeg"}.get(suffix, suffix)
                (folder / f"{width}x{height}.{suffix}").write_bytes(data_of(noise(1, width, height), format))


def _write_names(folder, generator, size):
    """Odd names, of pictures and of what is none."""
    folder.mkdir()
    for number, name in enumerate(NAMES):
        data = data_of(faces(generator, size)) if number % 2 == 0 else data_of(noise(number, 7, 7))
        for other in (name, f"x{name[1:]}" if len(name) < 200 else name):
            (folder / other).write_bytes(data)
    below = folder / "new\nline\r" / "日本 'x'" / os.fsdecode(b"\xff")
    below.mkdir(parents=True)
    (below / "a.png").write_bytes(b"")
    (folder / "new\nline\r" / "b.png").write_bytes(data_of(faces(generator, size)))


def _write_no_files(folder, generator, size):
    """What is called like a picture and is no file."""
    folder.mkdir()
    (folder / "folder.jpg").mkdir()
    (folder / "folder.jpg" / "inner.png").write_bytes(data_of(faces(generator, size)))
    (folder / "empty_folder.png").mkdir()
    os.mkfifo(folder / "fifo.png")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(folder):  # a path of a socket has 107 bytes at most
        server.bind("socket.jpg")
    (folder / "dangling.png").symlink_to("nothing.png")
    (folder / "itself.gif").symlink_to("itself.gif")
    (folder / "link.png").symlink_to("folder.jpg/inner.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    (folder / "nothing.bmp").symlink_to("/dev/null")
    (folder / "unreadable.png").write_bytes(data_of(faces(generator, size)))
    (folder / "unreadable.png").chmod(0)
    for name in ("with_fifo.png", "with_folder.png", "with_dangling.png", "with_zeros.png", "with_huge.png"):
        (folder / name).write_bytes(data_of(faces(generator, size)))
    os.mkfifo(folder / "with_fifo.png.json")
    (folder / "with_folder.png.json").mkdir()
    (folder / "with_dangling.png.txt").symlink_to("nothing")
    (folder / "with_zeros.png.txt").symlink_to("/dev/zero")
    with open(folder / "with_huge.png.json", "wb") as file:
        file.truncate(1 << 40)  # of holes: takes no room
    with open(folder / "huge.jpg", "wb") as file:
        file.write(b"\xff\xd8")
        file.truncate(1 << 40)
