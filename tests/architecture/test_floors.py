"""The house stands as it is drawn: floors, names, docstrings, weight."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from scripts import output_of

import llmtrace

ROOT = Path(llmtrace.__file__).parent.parent
MODULES = sorted((ROOT / "llmtrace").rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in MODULES]

PUBLIC = [
    "Backend",
    "ConfigurationError",
    "HintRule",
    "LlmtraceError",
    "Prompt",
    "SamplingPolicy",
    "Spool",
    "agent",
    "agent_span",
    "chain",
    "chain_span",
    "current_trace_id",
    "embedding",
    "embedding_span",
    "evaluator",
    "evaluator_span",
    "flush",
    "get_tracer",
    "guardrail",
    "guardrail_span",
    "init_tracing",
    "llm",
    "llm_span",
    "prompt_span",
    "record_all",
    "record_llm_output",
    "record_retrieval_output",
    "record_score",
    "reranker",
    "reranker_span",
    "retrieval",
    "retrieval_span",
    "shutdown",
    "tag_alert",
    "tool",
    "tool_span",
    "using",
]
"""What the API page promises and this version has."""


def contracts() -> list[dict[str, object]]:
    """The contracts that pyproject.toml declares."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


def test_the_floors_are_declared():
    """There is a contract of layers that every module must be in, and one against cycles."""
    kinds = {contract["type"] for contract in contracts()}
    assert {"layers", "forbidden", "acyclic_siblings"} <= kinds
    floors = [contract for contract in contracts() if contract["type"] == "layers"]
    (whole,) = [contract for contract in floors if contract["containers"] == ["llmtrace"]]
    assert all(contract["exhaustive"] is True for contract in floors)
    assert len(whole["layers"]) > 5


def test_the_floors_hold():
    """No module imports a higher floor, a neighbour's room, or in a cycle."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(contracts())} kept" in done.stdout


def test_the_public_names_are_the_documented_ones():
    """`__all__` is sorted and equals the API page; each name is there and comes from one of our modules."""
    assert llmtrace.__all__ == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(llmtrace))
    for name in PUBLIC:
        value = getattr(llmtrace, name)
        assert (getattr(value, "__module__", None) or type(value).__module__).startswith("llmtrace.")


def test_the_type_checker_sees_the_same_names():
    """What is imported under TYPE_CHECKING is what is loaded at run time."""
    tree = ast.parse(Path(llmtrace.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {alias.asname: node.module.removeprefix("llmtrace.") for alias in node.names}
    assert seen == llmtrace._HOME


def test_a_name_that_is_not_there_is_an_attribute_error():
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'llmtrace' has no attribute 'no_such_name'"):
        llmtrace.no_such_name  # noqa: B018 - asking is the test


def test_a_star_import_brings_the_public_names():
    """From llmtrace import * works, in a process that has loaded nothing yet."""
    code = "from llmtrace import *; print(sorted(name for name in dir() if not name.startswith('__')))"
    assert output_of(code) == f"{sorted(PUBLIC)}\n"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_every_module_says_what_it_is_for(path):
    """The docstring's first line is a sentence."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.split("\n\n")[0].rstrip()[-1] in ".:"


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_no_module_is_a_drawer(path):
    """A file is named after the noun that lives in it."""
    assert path.stem.strip("_") not in {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "misc",
        "base",
        "core",
        "consts",
    }


HEAVY = (
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "google.protobuf",
    "httpx",
    "requests",
    "grpc",
    "wrapt",
    "openinference",
    "pydantic",
    "starlette",
    "sqlalchemy",
    "yaml",
    "phoenix",
    "importlib.metadata",
)


def test_importing_llmtrace_is_light():
    """Import llmtrace loads neither the SDK nor an HTTP client nor the router."""
    loaded = set(output_of("import sys, llmtrace; print(*sys.modules)").split())
    heavy = {name for name in loaded if name.startswith(HEAVY)}
    ours = {name for name in loaded if name.startswith("llmtrace.")}
    assert heavy == set()
    assert not [name for name in ours if name.startswith(("llmtrace.router", "llmtrace.cli"))]


def test_beginning_loads_no_library_that_applications_load():
    """A service is not kept waiting for HTTP clients, for asyncio, or for the exporter that is not used."""
    loaded = output_of(
        """
        import sys
        import llmtrace
        sys.stderr = None
        llmtrace.init_tracing("bot", endpoint="http://127.0.0.1:1")
        with llmtrace.llm_span("m", "Hi") as span:
            span.record_output("Hello")
        llmtrace.shutdown(0.1)
        print(*sys.modules)
        """
    ).split()
    unwanted = ("httpx", "requests", "urllib3", "asyncio", "certifi", "opentelemetry.exporter", "click", "rich")
    assert [name for name in loaded if name.startswith(unwanted)] == []


def test_using_llmtrace_does_not_load_the_router():
    """The service half works without the router's dependencies, and without Phoenix or a web framework."""
    loaded = output_of(
        """
        import sys
        import llmtrace, llmtrace.middleware, llmtrace.testing
        sys.stderr = None
        llmtrace.init_tracing("bot", endpoint="http://127.0.0.1:1")
        with llmtrace.agent_span("a"):
            llmtrace.tag_alert("critical")
        llmtrace.shutdown(0.1)
        print(*sys.modules)
        """
    ).split()
    unwanted = ("llmtrace.router", "llmtrace.cli", "llmtrace.backends", "pydantic", "sqlalchemy", "yaml", "starlette")
    assert [name for name in loaded if name.startswith((*unwanted, "fastapi", "uvicorn", "phoenix", "openai"))] == []
