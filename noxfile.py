"""Checks in environments of their own: `nox` runs them all, `nox -s tests-3.12` one."""

import os
import re
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session):
    """The tests on every Python that the dependencies have wheels for."""
    session.install(".[faces,onnx,beam,judge,test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Lint and format."""
    session.install("ruff>=0.17")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def docs(session):
    """The site of the documentation, into build/site; a link that leads nowhere fails."""
    session.install("mkdocs>=1.6,<2", "mkdocs-material>=9.7", "mkdocstrings[python]>=1.0")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def types(session):
    """A strict type checker accepts a user's program, and the guide's, and sees the mistakes in it."""
    session.install("mypy>=1.18", "numpy>=2.1")
    session.install("--no-deps", ".")  # what `py.typed` is for: types of an installed package
    guide = Path("docs/guide/library.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0]
    programs = {"program.py": Path("tests/types/program.py").read_text(encoding="utf-8"), "example.py": example}
    session.chdir(session.create_tmp())  # else it would check the checkout
    for name, code in programs.items():
        Path(name).write_text(code, encoding="utf-8")
    # Keras and TensorFlow carry no types.
    session.run("mypy", "--strict", "--ignore-missing-imports", *programs)


@nox.session
def fuzz(session):
    """Thousands of damaged pictures and requests, a conversion and a training killed at many moments: minutes."""
    session.install(".[faces,test]")
    tests = [
        "tests/test_tfrecords_fuzz.py",
        "tests/test_tfrecords_sources_fuzz.py",
        "tests/test_tfrecords_kill.py",
        "tests/test_recipes_kill.py",
    ]
    tests.append("tests/test_serving_reliability.py")
    thorough = {"TFANIME_FUZZ": "5000", "TFANIME_KILLS": "10"}
    thorough = {name: os.environ.get(name, value) for name, value in thorough.items()}
    session.run("pytest", "-rP", *(session.posargs or tests), env=thorough)


@nox.session
def browser(session):
    """The page in Chromium, which Debian has as a package."""
    session.install(".[onnx,test]")
    session.run("pytest", "-rs", "-m", "browser", *session.posargs)


@nox.session
def torch(session):
    """Every recipe's updates are those of its transcription into plain PyTorch, against which it is timed too."""
    tests = [
        "tests/test_benchmarks_pytorch.py",
        "tests/test_benchmarks_pytorch_stylegan2.py",
        "tests/test_benchmarks_pytorch_stylising.py",
        "tests/test_benchmarks_pytorch_upscaling.py",
        "tests/test_training_terms.py",
    ]
    session.install(".[test]", "torch==2.13.0")
    session.run("pytest", *tests, *session.posargs)


@nox.session
def fidelity(session):
    """The judge's numbers are those of torch-fidelity, clean-fid and prdc, which bring PyTorch along (gigabytes)."""
    session.install(".[judge,test]", "torch-fidelity==0.4.0", "clean-fid==0.1.35", "prdc==0.2")
    session.run("pytest", "tests/test_metrics_references.py", *session.posargs)


@nox.session(python="3.11")
def addons(session):
    """Our layers and moving average give the numbers of tensorflow-addons, which cannot be imported beside Keras 3."""
    session.install(".")
    folder = Path(session.create_tmp())
    numbers, reference = folder / "numbers.npz", folder / "reference"
    # The last Python that tensorflow-addons has wheels for is this session's own; its dependencies need a second place.
    session.run("python", "-m", "venv", "--clear", str(reference))
    python = str(reference / "bin" / "python")
    packages = ["tensorflow==2.15.1", "tensorflow-addons==0.23.0"]
    session.run(python, "-m", "pip", "install", "--quiet", *packages, external=True)
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    session.run("python", "tests/addons/write_numbers.py", str(numbers), env=quiet)
    session.run(python, "tests/addons/compare.py", str(numbers), external=True, env=quiet)


@nox.session
def kserve(session):
    """The REST client of kserve takes avatars from the embedded server."""
    _foreign_client(session, "kserve_asks.py", ["kserve==0.21.*"], ["--rest_api_port", "0"])


@nox.session(python="3.11")
def min_tfs_client(session):
    """min-tfs-client, whose protos need an old protobuf, takes avatars from the embedded server."""
    _foreign_client(session, "min_tfs_client_asks.py", ["min-tfs-client==1.0.2", "protobuf<3.21", "numpy<2"], [])


def _foreign_client(session, script, packages, flags):
    """Runs a script of tests/clients in an environment without tfanime, against a server in the session's own."""
    session.install(".")
    client = Path(session.create_tmp()) / "client"
    session.run("python", "-m", "venv", "--clear", str(client))
    python = str(client / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", *packages, "pillow", external=True)
    command = ["python", "tests/clients/serve_and_ask.py", python, f"tests/clients/{script}", *flags]
    session.run(*command, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
