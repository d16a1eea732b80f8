"""What automation reads agrees with the project: workflows, hooks, citation."""

import re
from pathlib import Path

import pytest
import yaml

import tfanime

ROOT = Path(__file__).resolve().parents[1]


def read(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def sessions():
    """The names of nox' sessions."""
    return set(re.findall(r"^@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", sorted(path.name for path in (ROOT / ".github/workflows").glob("*.yml")))
def test_workflow_runs_what_exists(path):
    jobs = read(f".github/workflows/{path}")["jobs"]
    for job in jobs.values():
        matrix = job.get("strategy", {}).get("matrix", {})
        commands = [step["run"] for step in job["steps"] if "run" in step]
        named = [word for line in commands for word in line.split()[2:] if line.startswith("nox -s")]
        named = [*matrix.get("session", []), *(name for name in named if re.fullmatch(r"\w+", name))]
        assert {name.partition("-")[0] for name in named} <= sessions()
        for target in re.findall(r"^make (\w+)", "\n".join(commands), re.MULTILINE):
            assert f"\n{target}" in (ROOT / "Makefile").read_text()


def test_workflows_run_every_session():
    text = "".join(path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml"))
    assert {name for name in sessions() if not re.search(rf"\b{name}\b", text)} == set()


def test_workflow_tests_every_python():
    pythons = read(".github/workflows/checks.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert str(pythons).replace("'", '"') in (ROOT / "noxfile.py").read_text()


def test_hooks_lint_as_make_does():
    hooks = [hook["entry"] for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    for command in ("ruff check", "ruff format"):
        assert command in (ROOT / "Makefile").read_text()
        assert any(entry.startswith(command) for entry in hooks)


def test_citation_names_this_version():
    assert read("CITATION.cff")["version"] == tfanime.__version__


def test_site_has_every_page():
    docs = ROOT / "docs"
    listed = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert {str(page.relative_to(docs)) for page in docs.rglob("*.md")} == listed
