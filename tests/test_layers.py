"""The house is built upwards: a module imports from the rooms below its own, and no two files import in a circle."""

import ast
from pathlib import Path

import tfanime

ROOT = Path(tfanime.__file__).parent

# From the ground up. What stands on one line may import from lower lines and from its own room.
FLOORS = (
    ("files", "limits"),
    ("command_line", "tag_words", "__init__"),
    ("tags", "devices", "images", "pages"),
    ("picture_files",),
    ("picture_folders",),
    ("checkpoints", "latents", "pretrained", "tag_sampling", "runs", "seeds"),
    ("inputs", "precision", "sheets"),
    ("models",),
    ("drawn", "generator", "tagger"),
    ("landmarks",),
    ("tfrecords",),
    ("data",),
    ("training",),
    ("metrics",),
    ("callbacks",),
    ("recipes",),
    ("latent_space",),
    ("directions", "generate", "mix", "project", "stylise", "upscale", "video"),
    ("evaluate", "export"),
    ("page",),
    ("serving",),
    ("__main__",),
)


def imports():
    """Pairs of (importing file, imported module), the modules as paths from the package's root without suffix."""
    files = {path.relative_to(ROOT).with_suffix("") for path in ROOT.rglob("*.py")}
    modules = {".".join(("tfanime", *path.parts)).removesuffix(".__init__"): path for path in files}
    modules["tfanime"] = Path("__init__")
    for path in sorted(files):
        for node in ast.walk(ast.parse((ROOT / path).with_suffix(".py").read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tfanime":
                names = [f"{node.module}.{each.name}" for each in node.names]
                names = [name if name in modules else node.module for name in names]
            elif isinstance(node, ast.Import):
                names = [each.name for each in node.names if each.name.split(".")[0] == "tfanime"]
            for name in names:
                yield path, modules[name]


def room(path):
    return path.parts[0]


def test_rooms_have_a_floor_each():
    listed = [name for floor in FLOORS for name in floor]
    found = {path.stem for path in ROOT.glob("*.py")} | {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert sorted(listed) == sorted(found)


def test_imports_come_from_lower_floors():
    height = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    upwards = [
        f"{path} <- {other}"
        for path, other in imports()
        if room(path) != room(other) and height[room(other)] >= height[room(path)]
    ]
    assert upwards == []


def test_imports_have_no_circles():
    graph = {}
    for path, other in imports():
        graph.setdefault(path, set()).add(other)
    done, trail = set(), []

    def visit(path):
        if path in trail:
            return [*trail[trail.index(path) :], path]
        if path in done:
            return None
        trail.append(path)
        for other in sorted(graph.get(path, ())):
            if other != path and (circle := visit(other)):
                return circle
        trail.pop()
        done.add(path)
        return None

    circles = [" -> ".join(map(str, circle)) for path in sorted(graph) if (circle := visit(path))]
    assert circles == []
