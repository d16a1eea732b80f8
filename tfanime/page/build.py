"""The page of some generators: a folder for any static host, or one HTML file."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from markupsafe import Markup

from tfanime import __version__
from tfanime.files import replacing, require_writable_folder
from tfanime.page import runtime
from tfanime.pages import template
from tfanime.pages.pictures import data_uri

STATIC = Path(__file__).with_name("static")
STYLES = (Path(template.__file__).with_name("style.css"), STATIC / "page.css")
HASHED = re.compile(r"-[0-9a-f]{12}\.[a-z.]+$")  # a name that says what is in the file, see `_asset`
OUTSIDE = ("sw.js", "loader.js")  # scripts that are not modules of the page
FIRST = 16  # avatars that are drawn in advance, in 4 rows
PHOTO = 256  # side of the crop of a photo, in pixels, if the network's size is not known
POLICY = (
    "default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; worker-src {workers}; connect-src 'self'; "
    "img-src 'self' blob: data:; style-src {styles}; manifest-src 'self'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True)
class Asset:
    """A file that the page loads.

    Args:
        name: Its path in the site, which contains a hash of its contents.
        content: Its bytes, compressed by gzip or not.
        sha256: SHA-256 of the uncompressed bytes.
        label: Description for messages.
    """

    name: str
    content: bytes
    sha256: str
    label: str

    def to_json(self):
        """Its data for the page's scripts, a dictionary."""
        return {"url": self.name, "sha256": self.sha256, "bytes": len(self.content), "label": self.label}


@dataclass(frozen=True)
class PageModel:
    """A generator on the page.

    Args:
        description: Its data for the page's scripts, a dictionary that JSON can represent.
        networks: The `Asset`s of its networks by the part's name; empty if a server draws.
        first: The `Asset` of its first avatars, a picture.
        icon: The first avatar, a PNG as bytes.
    """

    description: dict
    networks: dict
    first: Asset
    icon: bytes


def page_model(generator, name, source, bits=16, obeyed=None, directions=(), server=False):
    """Prepares a generator for the page.

    Args:
        generator: A `tfanime.generator.Generator` with its network, or a `tfanime.page.exported.Exported`.
        name: Its name on the page and in links.
        source: Its path or name on the command line.
        bits: Bits of its weights, 16 or 8; None if the server draws, and the page gets no network.
        obeyed: The share of pictures that show a tag when asked for it, in [0, 1], by tag.
        directions: The `tfanime.latent_space.directions.Direction`s that its avatars can be moved along.
        server: Whether the page's server can draw it too.

    Returns:
        A `PageModel`.

    Raises:
        ImportError, ValueError: See `tfanime.page.networks.networks`.
    """
    from PIL import Image

    from tfanime.page.networks import networks

    images = generator.images(range(FIRST))
    height, width = images.shape[1:3]
    first = Image.fromarray(images.reshape(4, 4, height, width, 3).swapaxes(1, 2).reshape(4 * height, 4 * width, 3))
    picture = _encoded(first, format="webp", quality=90, method=6)
    icon = Image.fromarray(images[0]).resize((192, 192), Image.Resampling.LANCZOS).quantize(64)
    icon = _encoded(icon, format="png", optimize=True)
    vocabulary = generator.vocabulary
    files, drawn = {}, None
    if bits is not None:
        drawn = networks(generator, bits)
        files = {part: _asset("files", f"{name}-{part}.onnx", content, name) for part, content in drawn.files.items()}
    description = {
        "name": name,
        "title": name.replace("_", " "),
        "source": source,
        "size": height,
        "latents": generator.latents.distribution,
        "inputs": [_input(spec) for spec in generator.inputs.specs],
        "vocabulary": vocabulary and replace(vocabulary, priors=vocabulary.probabilities).to_json() | {"aliases": {}},
        "w": drawn and drawn.w,
        "variety": generator.network is not None or not generator.has_styles,
        "difference": drawn and round(drawn.difference, 3),
        "obeyed": obeyed,
        "directions": [_direction(each) for each in directions],
        "licence": generator.licence,
        "origin": _origin(generator.card),
        "server": server,
    }
    digest = hashlib.sha256(picture).hexdigest()
    first = Asset(f"files/{_safe(name)}-{digest[:12]}.webp", picture, digest, name)
    return PageModel(description, files, first, icon)


@dataclass(frozen=True)
class PageTool:
    """A network from pictures to pictures on the page.

    Args:
        description: Its data for the page's scripts, a dictionary that JSON can represent.
        network: The `Asset` that draws.
    """

    description: dict
    network: Asset


def page_tool(network, name, bits=16):
    """Prepares a network from pictures to pictures for the page.

    Args:
        network: A `tfanime.generator.PictureNetwork` with its `keras.Model`.
        name: Its name on the page.
        bits: Bits of its weights, 16 or 8.

    Returns:
        A `PageTool`.

    Raises:
        ImportError, ValueError: See `tfanime.page.networks.picture_file`.
    """
    from tfanime.generator.pictures import LEAST
    from tfanime.page.networks import picture_file

    if network.network is None:
        raise ValueError(f"models on the page that take pictures must be runs, folders or names. Received: {name!r}")
    content, difference = picture_file(network, bits)
    form = network.form
    description = {
        "name": name,
        "title": name.replace("_", " "),
        "kind": form.kind,
        "scale": form.scale,
        "multiple": form.multiple,
        "least": LEAST,
        "size": network.card.get("config", {}).get("image_size", PHOTO),
        "difference": round(difference, 3),
        "licence": network.licence,
        "origin": _origin(network.card),
    }
    return PageTool(description, _asset("files", f"{name}.onnx", content, name))


def site(models, tools=()):
    """A site of generators, as files by their path in it; `index.html` is the page.

    Args:
        models: `PageModel`s, at least one, of different names.
        tools: `PageTool`s, of different names.

    Returns:
        A dictionary from path to bytes.

    Raises:
        OSError, ValueError: See `tfanime.page.runtime.folder`.
    """
    needed = bool(tools) or any(model.networks for model in models)
    vendored = runtime.folder()
    modules = _modules(vendored, needed)
    style = _style().encode()
    code = f"code-{_digest_of(*modules.values(), style)[:12]}"
    assets = [asset for model in models for asset in (*model.networks.values(), model.first)]
    assets += [tool.network for tool in tools]
    wasm = _runtime_asset(vendored) if needed else None
    icon = f"files/icon-{_digest_of(models[0].icon)[:12]}.png"
    files = {f"{code}/{name}": content for name, content in modules.items()}
    files[f"{code}/page.css"] = style
    files["licences.txt"] = (vendored / runtime.LICENCES).read_bytes()
    files[icon] = models[0].icon
    files["site.webmanifest"] = _manifest(models, icon)
    small = [name for name in files if name != "licences.txt"] + [model.first.name for model in models]
    files |= {asset.name: asset.content for asset in (*assets, *([wasm] if wasm else ()))}
    worker = (STATIC / "sw.js").read_text(encoding="utf-8")
    listed = json.dumps({"files": sorted(files), "small": sorted(small)})
    files["sw.js"] = re.sub(r"const SITE = .*;", lambda _: f"const SITE = {listed};", worker).encode()
    told = _told(models, tools, {"runtime": wasm and wasm.to_json(), "worker": "sw.js", "licences": "licences.txt"})
    page = template.render(
        "page/page.html.jinja",
        policy=Markup(policy()),
        title=models[0].description["title"],
        icon=icon,
        code=code,
        modules=[name for name in modules if name not in ("worker.js", runtime.SCRIPT)],
        site=told,
        texts=(),
    )
    files["index.html"] = page.encode()
    return files


def policy():
    """The content security policy of a site, which its pages state themselves too."""
    return POLICY.format(scripts="'self'", workers="'self'", styles="'self'")


def single_file(models, tools=()):
    """The page in one file, for a browser that opens it from a disk.

    Args:
        models, tools: See `site`.

    Returns:
        HTML, as text.

    Raises:
        OSError, ValueError: See `tfanime.page.runtime.folder`.
    """
    vendored = runtime.folder()
    style = _style()
    loader = (STATIC / "loader.js").read_text(encoding="utf-8")
    texts = [(name, _inline(content.decode())) for name, content in _modules(vendored, True).items()]
    wasm = _runtime_asset(vendored)
    drawing = [asset for model in models for asset in model.networks.values()]
    for asset in (wasm, *drawing, *(tool.network for tool in tools)):
        texts.append((asset.sha256, base64.b64encode(asset.content).decode()))
    texts += [(model.first.sha256, data_uri(model.first.content, "webp")) for model in models]
    texts.append(("licences", _inline((vendored / runtime.LICENCES).read_text(encoding="utf-8"))))
    digest = f"'sha256-{base64.b64encode(hashlib.sha256(loader.encode()).digest()).decode()}' blob:"
    styles = f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
    return template.render(
        "page/page.html.jinja",
        policy=Markup(POLICY.format(scripts=digest, workers="blob:", styles=styles).replace("'self'", "data:", 1)),
        title=models[0].description["title"],
        style=Markup(style),
        loader=Markup(loader),
        site=_told(models, tools, {"runtime": wasm.to_json(), "worker": None, "licences": None}),
        texts=[(name, Markup(text)) for name, text in texts],
    )


def write_folder(files, out):
    """Writes a site into a folder, the page itself last; files of an older site there go.

    Args:
        files: What `site` returns.
        out: The folder; new, empty, or one that holds a site.

    Raises:
        OSError: It cannot be written.
        ValueError: It holds something else.
    """
    out = require_writable_folder(out, "out")
    worker = out / "sw.js"
    if any(out.iterdir()) and not (worker.is_file() and b'const SITE = {"files"' in worker.read_bytes()):
        raise ValueError(f"out must be a new or empty folder, or one with a page. Received: {str(out)!r}")
    for name in sorted(files, key=lambda name: name == "index.html"):
        with replacing(out / name) as temporary:
            temporary.write_bytes(files[name])
    for folder in [out / "files", *out.glob("code-*")]:
        for path in folder.glob("*"):
            own = folder.name != "files" or HASHED.search(path.name)
            if own and str(path.relative_to(out)) not in files:
                path.unlink()
        with contextlib.suppress(OSError):  # one that is not empty
            folder.rmdir()


def _told(models, tools, more):
    values = {"version": __version__, **more}
    values["tools"] = [{**tool.description, "file": tool.network.to_json()} for tool in tools]
    values["models"] = [
        {
            **model.description,
            "files": {part: asset.to_json() for part, asset in model.networks.items()},
            "first": model.first.to_json(),
        }
        for model in models
    ]
    # "</script" would end the block of data, so it is escaped.
    return Markup(json.dumps(values).replace("<", "\\u003c"))


def _modules(vendored, with_runtime):
    """The page's modules by name, each after the modules that it imports."""
    sources = {path.name: _lean(path.read_bytes()) for path in STATIC.glob("*.js") if path.name not in OUTSIDE}
    sources[runtime.VIEW] = (vendored / runtime.VIEW).read_bytes()
    if with_runtime:
        sources[runtime.SCRIPT] = (vendored / runtime.SCRIPT).read_bytes()
    ordered = {}

    def add(name):
        if name in ordered or name not in sources:
            return
        if name != runtime.SCRIPT:
            for other in re.findall(rb'"\./([\w.-]+)"', sources[name]):
                add(other.decode())
        ordered[name] = sources[name]

    for name in sorted(sources):
        add(name)
    return ordered


def _runtime_asset(vendored):
    packed = (vendored / runtime.WASM).read_bytes()
    return _asset("files", "runtime.wasm", gzip.decompress(packed), "ONNX Runtime", packed)


def _asset(folder, name, content, label, packed=None):
    digest = hashlib.sha256(content).hexdigest()
    stem, dot, ending = _safe(name).rpartition(".")
    packed = packed or gzip.compress(content, 9, mtime=0)
    return Asset(f"{folder}/{stem}-{digest[:12]}{dot}{ending}.gz", packed, digest, label)


def _input(spec):
    from tfanime.inputs import stream_of

    return {"name": spec.name, "size": spec.shape[1], "stream": stream_of(spec.name)}


def _direction(direction):
    step = np.asarray(direction.step, "<f4").tobytes()
    return {"name": direction.name, "step": base64.b64encode(step).decode()}


def _origin(card):
    parts = (card.get("recipe"), f"step {card['step']:,}" if card.get("step") else None, card.get("data_set"))
    return " · ".join(part for part in parts if part) or None


def _manifest(models, icon):
    values = {
        "name": f"{models[0].description['title']} · tfanime",
        "short_name": models[0].description["title"],
        "start_url": "./",
        "display": "standalone",
        "background_color": "#f6f5f8",
        "theme_color": "#6c4bd1",
        "icons": [{"src": icon, "sizes": "192x192", "type": "image/png"}],
    }
    return json.dumps(values).encode()


def _lean(code):
    """JavaScript without lines of comments and without indentation, a twelfth of what a visitor would fetch."""
    return re.sub(rb"(?m)^[ \t]*(//[^\n]*\n)?", b"", code)


def _style():
    return "\n".join(path.read_text(encoding="utf-8") for path in STYLES)


def _inline(text):
    return text.replace("</script", "<\\/script")


def _safe(name):
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)


def _digest_of(*contents):
    return hashlib.sha256(b"".join(contents)).hexdigest()


def _encoded(image, **settings):
    buffer = io.BytesIO()
    image.save(buffer, **settings)
    return buffer.getvalue()
