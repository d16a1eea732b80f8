"""`python -m tfanime.page RUN ...`: a page that draws avatars of your generators in a browser."""

import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tfanime import command_line
from tfanime.limits import Checked, Limit, between


@dataclass(frozen=True)
class Config(Checked):
    """A page.

    Args:
        models: Run folders, generators' folders (with card.json), SavedModels, folders of SavedModels by version, or
            names of pretrained generators; visitors choose among several. Networks that take pictures may be added;
            they enlarge the avatars or redraw pictures that are dropped on the page.
        out: A folder for any static host; default: the page is served on this machine, until Ctrl-C.
        single_file: Write one HTML file instead, which a browser also opens from a disk.
        bits: Bits of the networks' weights. 16 draws the same pictures within one grey level; 8 is half as large, and
            the difference is printed.
        checkpoint: Checkpoint of run folders: newest, best, or a step.
        obeyed: The tags.json that python -m tfanime.evaluate.tags wrote for these models; tags that a model does not
            obey are marked.
        port: Port to serve the page at; 0 takes any free one.
    """

    models: list[str]
    out: str | None = None
    single_file: str | None = None
    bits: Annotated[int, Limit("16 or 8", lambda value: value in (16, 8))] = 16
    checkpoint: str = "newest"
    obeyed: str | None = None
    port: Annotated[int, between(0, 65535)] = 8600

    def __post_init__(self):
        from tfanime.export.onnx import require_packages

        super().__post_init__()
        require_packages()

    def rules(self):
        yield "single_file", not (self.out and self.single_file), "left out with --out"


def main(arguments=None):
    """Builds the page, and serves it unless an output is given; `--help` lists the flags."""
    config = command_line.parse(
        Config,
        program="python -m tfanime.page",
        description="A page that draws avatars by seed and tags in a browser; nothing is uploaded.",
        epilog="""examples:
  python -m tfanime.page runs/faces
  python -m tfanime.page runs/faces runs/drawn --out site
  python -m tfanime.page avatars64 runs/enlarger
  python -m tfanime.page runs/faces --single_file faces.html --bits 8
""",
        positional=("models",),
        arguments=arguments,
    )
    obeyed = read_obeyed(config.obeyed, config.models) if config.obeyed else {}
    from tfanime.page import runtime

    runtime.folder()  # before TensorFlow, which takes longer
    command_line.load_tensorflow()
    from tfanime.generator import open_network
    from tfanime.page.build import page_model, page_tool, single_file, site, write_folder
    from tfanime.page.exported import Exported

    models, tools = [], []
    for path, name in zip(config.models, names(config.models), strict=True):
        is_run = (Path(path) / "run.json").is_file()
        generator = open_network(path, config.checkpoint if is_run else "newest")
        if generator.kind != "seeds":
            tools.append(tool := page_tool(generator, name, config.bits))
            _print_size(name, [tool.network], tool.description["difference"])
            continue
        directions = _directions(path, generator)
        if generator.network is None:
            generator = Exported(generator.signatures, generator)
        source = Path(path).name if Path(path).is_absolute() else path  # no path of this machine
        model = page_model(generator, name, source, config.bits, obeyed.get(path), directions)
        _print_size(name, model.networks.values(), model.description["difference"])
        models.append(model)
    if not models:
        raise ValueError(f"models must have one that draws avatars from seeds. Received: {', '.join(config.models)}")
    if config.single_file:
        from tfanime.pages import template

        template.write(config.single_file, single_file(models, tools))
        print(f"page: {config.single_file}, {Path(config.single_file).stat().st_size / 1e6:.1f} MB")
    elif config.out:
        write_folder(site(models, tools), config.out)
        print(f"page: {config.out}; look at it: python -m http.server --directory {shlex.quote(config.out)}")
    else:
        from tfanime.page.server import SiteServer

        with SiteServer(site(models, tools), config.port) as server:
            print(f"page: {server.address} (until Ctrl-C)", flush=True)
            server.serve_forever()


def _directions(path, generator):
    from tfanime.latent_space.edits import own_directions

    try:
        return own_directions(path, generator)
    except ValueError as error:  # the run was trained further, for instance
        print(f"note: {path} is shown without its directions: {error}", file=sys.stderr)
        return []


def _print_size(name, assets, difference):
    megabytes = sum(len(asset.content) for asset in assets) / 1e6
    print(f"{name}: {megabytes:.1f} MB, pictures within {difference:.2f} grey levels of TensorFlow's", flush=True)


def names(paths):
    """A name for each model: the end of its path, numbered where two are the same."""
    found = []
    for path in paths:
        name = stem = Path(path).resolve().name or "model"
        count = 1
        while name in found:
            count += 1
            name = f"{stem}-{count}"
        found.append(name)
    return found


def read_obeyed(path, models):
    """The share of pictures that show a tag when asked for it, by model and tag, from a tags.json.

    Raises:
        OSError: The file does not exist.
        ValueError: It is not such a file, or has none of the models.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))["models"]
        found = {
            model: {
                row["tag"]: share["yes"] / share["count"]
                for row in rows
                for share in list(row["shown"].values())[:1]  # from the first judge that knows the tag
                if share["count"]
            }
            for model, rows in values.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"obeyed must be a file of tfanime.evaluate.tags. Received: {path!r}: {error}") from error
    if not set(found) & set(models):
        raise ValueError(f"obeyed must have one of the models. Received: {path!r} with {', '.join(found)}")
    return found


if __name__ == "__main__":
    command_line.run(main)
