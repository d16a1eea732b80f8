"""Folders of pictures, for all commands from pictures to pictures."""

import sys
from collections import Counter
from pathlib import Path

from tfanime.files import require_writable_folder
from tfanime.picture_files import FORMATS, READ, read_picture, require_picture_name, write_picture


def read_or_check(path, out):
    """Checks the paths of such a command, before slow imports.

    Args:
        path: A picture or a folder of pictures.
        out: Where the new ones go: a file's name for one, a folder for many.

    Returns:
        The `Picture` in the file; None for a folder.

    Raises:
        OSError: The file does not exist, or `out` cannot be written.
        ValueError: It is not a picture, the folder has no picture, or `out` does not fit.
    """
    path, out = Path(path), Path(out)
    if path.is_dir():
        if out.resolve() == path.resolve():
            raise ValueError(f"--out must be another folder than that of the pictures. Received: {str(out)!r}")
        picture_paths(path, out)  # raises its own error
        require_out_folder(out)
        return None
    require_picture_name(out, "--out")
    picture = read_picture(path)
    require_writable_folder(out.parent, "the folder of out")
    return picture


def require_out_folder(out):
    """Refuses an `--out` for many pictures that cannot be written, or is named like one picture.

    Raises:
        OSError: It cannot be written.
        ValueError: It is named like a picture.
    """
    if out.suffix.lower() in FORMATS and not out.is_dir():
        raise ValueError(f"--out must be a folder, because there are many pictures. Received: {str(out)!r}")
    require_writable_folder(out, "out")


def picture_paths(folder, out):
    """The pictures in a folder and below it, by suffix, relative to it, sorted.

    Hidden files and folders are left out, and what is in `out`, which an earlier job has written.

    Raises:
        ValueError: The folder has no pictures.
    """
    folder, out = Path(folder), Path(out).resolve()
    written = out.relative_to(folder.resolve()) if out.is_relative_to(folder.resolve()) else None
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in READ)
    found = [
        path
        for path in found
        if not any(part.startswith(".") for part in path.parts)
        and not (written and path.is_relative_to(written))
        and (folder / path).is_file()
    ]
    if not found:
        raise ValueError(f"pictures must be a folder with {', '.join(READ)}. Received: {str(folder)!r}, without any")
    return found


def change_folder(change, folder, out):
    """Processes all pictures of a folder tree. Results that are already there stay, so that a killed job can be
    resumed.

    Args:
        change: A `Picture` -> the new one. A ValueError leaves this picture out.
        folder: The folder.
        out: The folder for the new ones, PNGs, with the same sub-folders and names. Where two pictures would have the
            same name, such as a.jpg and a.png, it has the suffix of the file too: a.jpg.png.

    Returns:
        `(written, there, failed)`: the numbers of pictures that were written and that were already there, and the
            errors of the others by path.

    Raises:
        OSError: `out` cannot be written.
    """
    from tqdm import tqdm

    paths = picture_paths(folder, out)
    targets = _targets(paths)
    written, there, failed = 0, 0, {}
    for path, target in zip(tqdm(paths, unit=" pictures", disable=None), targets, strict=True):
        if (Path(out) / target).exists():
            there += 1
            continue
        try:
            picture = read_picture(Path(folder) / path)
        except (ValueError, OSError) as error:
            failed[str(path)] = str(error)
            continue
        try:
            made = change(picture)
        except ValueError as error:
            failed[str(path)] = str(error)
            continue
        for note in dict.fromkeys(filter(None, (picture.note, made.note))):
            tqdm.write(f"note: {path}: {note}", file=sys.stderr)
        write_picture(Path(out) / target, made)
        written += 1
    return written, there, failed


def _targets(paths):
    """A name for each new picture; no two are equal."""
    plain = [path.with_suffix(".png") for path in paths]
    counts, targets = Counter(plain), []
    taken = {name for name, count in counts.items() if count == 1}
    for path, name in zip(paths, plain, strict=True):
        if counts[name] > 1:
            name = Path(f"{path}.png")
            while name in taken:
                name = Path(f"{name}.png")
            taken.add(name)
        targets.append(name)
    return targets


def report_folder(written, there, failed, out):
    """Prints what `change_folder` returned; the command's exit status, 1 where pictures were left out."""
    for name, cause in failed.items():
        print(f"left out: {name}: {cause}", file=sys.stderr)
    left_out = f", {len(failed):,} left out" if failed else ""
    print(f"wrote {written:,} picture{'' if written == 1 else 's'} to {out}{there_already(there)}{left_out}")
    return 1 if failed else 0


def there_already(count):
    """How many files were there, in words; empty for none."""
    return f", {count:,} were there already" if count else ""
