"""Checks in environments of their own: `nox` runs them all, `nox -s tests-3.12` one."""

import os

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session):
    """The tests on every Python that the dependencies have wheels for."""
    session.install(".[faces,onnx,beam,test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Lint and format."""
    session.install("ruff>=0.17")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def fuzz(session):
    """Thousands of damaged pictures, and a conversion killed at many moments: minutes."""
    session.install(".[faces,test]")
    tests = session.posargs or ["tests/test_tfrecords_fuzz.py", "tests/test_tfrecords_kill.py"]
    session.run("pytest", "-rP", *tests, env={"TFANIME_FUZZ": os.environ.get("TFANIME_FUZZ", "5000")})
