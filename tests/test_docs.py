"""What README and docs say holds: links lead somewhere, and commands are understood."""

import contextlib
import dataclasses
import importlib
import re
import shlex
from pathlib import Path

import pytest

from tfanime import command_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "serving").glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob(".github/**/*.md"),
    ]
)
TEXTS = {page.relative_to(ROOT): page.read_text(encoding="utf-8") for page in PAGES}


def anchors(text):
    """The anchors of a page's headings, as forges make them."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def links():
    for page, text in TEXTS.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"https?:|mailto:", target):
                yield page, target


@pytest.mark.parametrize(("page", "target"), sorted(set(links())), ids=str)
def test_link_leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    found = (ROOT / page).parent / path if path else ROOT / page
    assert found.exists()
    if anchor:
        assert anchor in anchors(found.read_text(encoding="utf-8"))


def commands():
    """Commands of tfanime in the pages' blocks, one line each."""
    for page, text in TEXTS.items():
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        blocks += re.findall(r"(?:^    \S.*\n)+", text, re.MULTILINE)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            if line.strip().startswith("python -m tfanime"):
                yield page, re.sub(r"\s+", " ", line.strip())


def mentions():
    """Commands of tfanime in sentences and tables, which may be only the beginning of one."""
    for page, text in TEXTS.items():
        for command in re.findall(r"`(python -m tfanime[^`]+)`", re.sub(r"\s+", " ", text)):
            if "NAME" not in command and command != "python -m tfanime --version":
                yield page, command


def main_of(command):
    """The `main` that a command calls, and its arguments."""
    _, _, module, *arguments = shlex.split(command, comments=True)
    with contextlib.suppress(ModuleNotFoundError):
        module = importlib.import_module(f"{module}.__main__").__name__
    return importlib.import_module(module).main, arguments


class ReadError(Exception):
    """Stops a command when its arguments have been read."""


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())), ids=str)
def test_command_is_understood(page, command, in_tmp, monkeypatch):
    def made(config_class, parser, values):
        values = parser.instantiate(values)
        names = [field.name for field in dataclasses.fields(config_class) if field.name in values]
        with contextlib.suppress(FileNotFoundError):  # the example's pictures, shards and runs
            config_class(**{name: values[name] for name in names})
        raise ReadError

    monkeypatch.setattr(command_line, "_made", made)
    main, arguments = main_of(command)
    for path in (Path(word) for word in arguments if word.endswith((".toml", ".txt"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('base = "jin34"' if "--vocabulary" in arguments else "")
    with pytest.raises(ReadError):
        main(arguments)


@pytest.mark.parametrize(("page", "command"), sorted(set(mentions())), ids=str)
def test_mentioned_flags_exist(page, command, in_tmp, monkeypatch):
    def read(parser, arguments):
        raise ReadError(parser)

    monkeypatch.setattr(command_line._Parser, "parse_args", read)
    main, arguments = main_of(command)
    flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
    if flags:
        with pytest.raises(ReadError) as caught:
            main([])
        assert flags <= set(caught.value.args[0]._option_string_actions)


@pytest.mark.parametrize(
    ("flag", "published"),
    [("--config", ("tfanime.recipes", "published")), ("--card", ("tfanime.tfrecords", "cards"))],
)
def test_published_names_exist(flag, published):
    text = "\n".join(text for page, text in TEXTS.items() if page.parts[0] in ("README.md", "docs"))
    names = set(re.findall(rf"{flag} (\w+)(?![\w/.])", text)) - {"NAME", "NAME_64", "FILE"}
    assert names
    assert names <= set(command_line.published_names(published))
