"""What `pip install` brings, in an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import llmtrace

pytestmark = pytest.mark.full

ROOT = Path(llmtrace.__file__).parent.parent
MOST_DISTRIBUTIONS = 20

NO_OP_USE = """
import llmtrace

@llmtrace.tool
def search(query):
    return [query]

with llmtrace.agent_span("a", input="x") as agent, llmtrace.llm_span("m", "x") as span:
    span.record_output({"choices": []})
    llmtrace.tag_alert("critical")
    assert search("q") == ["q"]
    assert llmtrace.current_trace_id() is None
    assert not span.is_recording()
assert llmtrace.flush() and llmtrace.shutdown()
"""

REAL_USE = """
import llmtrace, llmtrace.middleware, llmtrace.testing
with llmtrace.testing.capture_spans() as spans, llmtrace.llm_span("m", "x") as span:
    span.record_output("y")
assert [span.name for span in spans] == ["llm.chat"]
provider = llmtrace.init_tracing("bot", endpoint="http://127.0.0.1:1")
with llmtrace.chain_span():
    assert len(llmtrace.current_trace_id()) == 32
llmtrace.shutdown(0.1)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with nothing but llmtrace-otel and its base dependencies."""
    folder = tmp_path_factory.mktemp("a folder with spaces")
    source = folder / "source"
    source.mkdir()
    shutil.copytree(ROOT / "llmtrace", source / "llmtrace", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "changelog.md", source / "docs")
    run(Path(sys.executable), "-m", "venv", str(folder / "venv"))
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(source))
    return python


def run(python: Path, *arguments: str) -> str:
    """What a command of that environment prints."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(python), *arguments],
        cwd=python.parent if python.parent.parent.name == "venv" else None,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_base_install_is_small(installed):
    """At most 20 distributions, pip and setuptools not counted, and none of the router's or Phoenix's."""
    listed = json.loads(run(installed, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"))
    names = {entry["name"].lower() for entry in listed} - {"pip", "setuptools"}
    assert "llmtrace-otel" in names
    assert len(names) <= MOST_DISTRIBUTIONS, sorted(names)
    assert not names & {
        "arize-phoenix",
        "grpcio",
        "sqlalchemy",
        "starlette",
        "uvicorn",
        "pydantic",
        "pyyaml",
        "openai",
        "httpx",
    }


def test_without_init_everything_is_a_no_op_there(installed):
    """Import llmtrace and every block and decorator work with the base dependencies alone."""
    assert run(installed, "-W", "error", "-c", NO_OP_USE) == ""


def test_tracing_works_there(installed):
    """init_tracing, the middleware and the test helper need no extra."""
    assert run(installed, "-W", "error", "-c", REAL_USE) == ""


def test_the_command_is_there(installed):
    """Llmtrace --version, as script and as module, with the base dependencies alone."""
    version = f"llmtrace {llmtrace.__version__}\n"
    assert run(installed, "-m", "llmtrace", "--version") == version
    script = installed.parent / "llmtrace"
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout == version


def test_the_types_are_there(installed):
    """The package is marked as typed."""
    code = "import llmtrace, pathlib; print((pathlib.Path(llmtrace.__file__).parent / 'py.typed').is_file())"
    assert run(installed, "-c", code) == "True\n"
