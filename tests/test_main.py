"""`python -m tfanime`, and that every command explains itself."""

import subprocess
import sys

import pytest

import tfanime
from tfanime.__main__ import STAGES, main


def run(*arguments):
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=120)


def test_package_exports_common_names():
    code = (
        "import sys, tfanime; assert 'tensorflow' not in sys.modules; tfanime.GAN; tfanime.FID; tfanime.open_generator"
    )
    assert run("tfanime").returncode == 0
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
    with pytest.raises(AttributeError, match="module 'tfanime' has no attribute 'gan'"):
        tfanime.gan  # noqa: B018


def test_main_lists_every_stage_in_order(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    positions = [text.index(f"python -m {module} ") for module, _ in STAGES]
    assert positions == sorted(positions)


HELP = """
import contextlib, io, runpy, sys
for module in sys.argv[1:]:
    sys.argv, printed = [module, "--help"], io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as end:
            assert not end.code, (module, end.code)
    assert "tensorflow" not in sys.modules, f"slow help of {module}"
    assert "example" in printed.getvalue() and f"python -m {module}" in printed.getvalue(), module
"""


def test_help_does_not_load_tensorflow():
    modules = [module for module, _ in STAGES]  # in one process, because every start takes a second
    result = subprocess.run([sys.executable, "-c", HELP, *modules], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def test_main_refuses_arguments_in_one_line():
    result = run("tfanime", "train")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "Received: train" in result.stderr


def test_version_is_printed():
    assert run("tfanime", "--version").stdout.strip() == "0.1.0"
