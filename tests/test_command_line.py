import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from tfanime.command_line import UsageError, from_values, parse, published_names, published_path, quiet, run
from tfanime.files import require_writable_folder
from tfanime.limits import Checked, above, at_least

CARDS = ("tfanime.tfrecords", "cards")


@dataclass(frozen=True)
class Config:
    """Train a thing

    Args:
        data: Folder of shards.
        steps: Total number of steps: all of them.
        rate: Learning rate.
    """

    data: str
    steps: int | None = None
    rate: float = 5e-5
    mode: Literal["plain", "fast"] = "plain"
    overwrite: bool = False

    def __post_init__(self):
        if self.mode == "fast" and self.steps in (404, 405):
            raise {404: FileNotFoundError, 405: ImportError}[self.steps]("--steps must be there. Received: 404")
        if self.rate <= 0:
            raise ValueError(f"--rate must be above 0. Received: {self.rate}")


def parsed(*arguments):
    return parse(
        Config, program="python -m thing", published=CARDS, flag="--card", positional=("data",), arguments=arguments
    )


def test_parse_gives_defaults_and_types():
    assert parsed("faces") == Config("faces")
    assert parsed("faces", "--steps", "3", "--rate", "1", "--mode=fast") == Config("faces", 3, 1.0, "fast")


def test_parse_reads_a_positional_list():
    @dataclass(frozen=True)
    class Several:
        """Do things

        Args:
            things: All of them.
            fast: Whether at once.
        """

        things: list[str]
        fast: bool = False

    def parsed(*arguments):
        return parse(Several, program="python -m thing", positional=("things",), arguments=arguments)

    assert parsed("a", "b=c", "--fast") == Several(["a", "b=c"], True)
    assert parsed("--fast=false", "a").things == ["a"]
    with pytest.raises(SystemExit):
        parsed("--fast")


@pytest.mark.parametrize(("words", "value"), [((), False), (("--overwrite",), True), (("--overwrite", "false"), False)])
def test_parse_takes_a_bool_as_a_switch(words, value):
    assert parsed("faces", *words).overwrite is value


def test_parse_lets_later_flags_override_a_file(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('steps = 7\nrate = 1e-3\nmode = "fast"\n')
    assert parsed("faces", "--card", str(path), "--steps", "9") == Config("faces", 9, 1e-3, "fast")
    assert parsed("faces", f"--card={path}").steps == 7
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # Windows' editor
    assert parsed("faces", f"--card={path}").steps == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["faces", "--step", "3"], "Received: --step 3. Did you mean --steps?"),
        (["faces", "--steps", "many"], "--steps must be int or null. Received: many"),
        (["faces", "--mode", "slow"], "--mode must be one of 'plain', 'fast'. Received: slow"),
        (["faces", "--rate", "-1"], "--rate must be above 0. Received: -1.0"),
        (["faces", "--mode", "--x=y"], '--mode must have a value, written --mode="..." if it begins with a dash.'),
        (["faces", "--mode", "fast", "--steps", "404"], "--steps must be there. Received: 404"),
        (["faces", "--mode", "fast", "--steps", "405"], "--steps must be there. Received: 404"),
        (["faces", "--card", "nothing"], "anime_faces"),
        ([], "required: data"),
    ],
)
def test_parse_prints_usage_errors_in_one_line_with_status_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        parsed(*arguments)
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1
    assert lines[0].startswith("error: ") and message in lines[0]


@pytest.mark.parametrize(
    ("text", "message"), [("stepz = 3", "'stepz'. Did you mean steps?"), ("steps =", "must be a file in TOML")]
)
def test_parse_refuses_bad_files(text, message, tmp_path, capsys):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SystemExit) as end:
        parsed("faces", "--card", str(tmp_path / "a.toml"))
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1 and message in lines[0]


def test_from_values_reads_a_dictionary():
    assert from_values(Config, {"data": "a", "rate": 1}, program="python -m thing") == Config("a", rate=1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 3}, "keys of a TOML file must be flags of `python -m thing`. Received: 'step'. Did you mean steps?"),
        ({"steps": 0.5}, "--steps must be int or null. Received: 0.5"),
        ({"overwrite": 1}, "--overwrite must be bool. Received: 1"),
        ({"rate": -1.0}, "--rate must be above 0. Received: -1.0"),
    ],
)
def test_from_values_refuses_wrong_values(values, message):
    with pytest.raises(UsageError) as error:
        from_values(Config, {"data": "a", **values}, program="python -m thing")
    assert str(error.value) == message


def test_help_shows_docstring_types_and_defaults(capsys):
    with pytest.raises(SystemExit) as end:
        parsed("--help")
    text = capsys.readouterr().out
    assert end.value.code == 0 and "Total number of steps: all of them." in text and "default: 5e-05" in text


def test_help_shows_limits_and_no_marks(capsys):
    @dataclass(frozen=True)
    class Limited(Checked):
        """Do things

        Args:
            count: How many.
            minutes: How long.
            mode: How.
        """

        count: Annotated[int, at_least(1)] = 3
        minutes: Annotated[float | None, "mark", above(0)] = None
        mode: Annotated[Literal["a", "b"], "mark"] = "a"

    def limited(*arguments):
        return parse(Limited, program="python -m thing", arguments=arguments)

    assert limited("--minutes=2", "--mode", "b") == Limited(3, 2.0, "b")
    for wrong, message in (("--count=0", "--count must be at least 1. Received: 0"), ("--mode=c", "one of 'a', 'b'")):
        with pytest.raises(SystemExit) as end:
            limited(wrong)
        assert end.value.code == 2 and message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        limited("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "How many. Must be at least 1. (type: int, default: 3)" in text
    assert "How long. Must be above 0. (type: float | null, default: null)" in text
    assert "--mode {a,b} How. (type: Literal['a', 'b'], default: a)" in text


def test_flag_may_be_a_python_keyword(capsys):
    @dataclass(frozen=True)
    class Within:
        """Does it

        Args:
            with_: By what.
        """

        with_: Literal["hand", "foot"]

    def read(*arguments):
        return parse(Within, program="python -m thing", arguments=arguments)

    assert read("--with=foot").with_ == read("--with", "foot").with_ == "foot"
    for arguments in ([], ["--with=nose"], ["--with"]):
        with pytest.raises(SystemExit):
            read(*arguments)
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "with" in error and "with_" not in error, error
    with pytest.raises(SystemExit):
        read("--help")
    assert "--with {hand,foot}" in capsys.readouterr().out


def test_print_config_output_can_be_read(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parsed("faces", "--steps", "3", "--print_config")
    (tmp_path / "a.toml").write_text(capsys.readouterr().out)
    assert parsed("faces", "--card", str(tmp_path / "a.toml")) == Config("faces", 3)


def test_published_file_is_found_by_name():
    assert "anime_faces" in published_names(CARDS)
    assert published_path("anime_faces", CARDS, "--card") == published_path("anime_faces.toml", CARDS, "--card")
    with pytest.raises(UsageError, match=r"--card must be .*anime_faces.*'nothing'"):
        published_path("nothing", CARDS, "--card")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("size must be\n 8"), 1, "error: size must be 8"),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 1, "error: No space left on device: 'out'"),
        (UsageError("no"), 2, "error: no"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (ImportError("pip install x"), 1, "error: pip install x"),
    ],
)
def test_run_prints_expected_errors_in_one_line(error, status, line, capsys, monkeypatch):
    monkeypatch.delenv("TFANIME_DEBUG", raising=False)

    def main():
        raise error

    with pytest.raises(SystemExit) as end:
        run(main)
    assert end.value.code == status and capsys.readouterr().err == line + "\n"


def test_run_keeps_the_traceback_of_bugs_and_with_debugging(monkeypatch):
    with pytest.raises(KeyError):
        run(lambda: {}["missing"])
    monkeypatch.setenv("TFANIME_DEBUG", "1")
    with pytest.raises(ValueError):
        run(lambda: int("x"))


def test_run_removes_the_empty_folders_of_an_error(in_tmp):
    (in_tmp / "mine").mkdir()

    def main():
        require_writable_folder("out/a", "out")
        require_writable_folder("mine/b", "out")
        require_writable_folder("kept", "out")
        Path("kept/file").touch()
        raise ValueError("no")

    with pytest.raises(SystemExit):
        run(main)
    assert sorted(map(str, Path().rglob("*"))) == ["kept", "kept/file", "mine"]


def test_quiet_hides_messages_and_shows_failures(capfd, monkeypatch):
    monkeypatch.delenv("TFANIME_DEBUG", raising=False)
    with quiet():
        os.write(2, b"greeting")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), quiet():
        os.write(2, b"the cause")
        raise ImportError
    assert "the cause" in capfd.readouterr().err
