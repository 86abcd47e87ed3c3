"""The map from promises to tests, held to the tests that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAP = ROOT / "docs" / "reference" / "promises.md"
ROW = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<tests>.+) \|$")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str]]:
    """Each promise with the cell that names its tests."""
    lines = MAP.read_text().splitlines()
    found = [match.group("promise", "tests") for line in lines if (match := ROW.match(line))]
    return [row for row in found if row[0] not in ("promise", "---")]


@cache
def docstrings(path: str) -> dict[str, str | None]:
    """The tests of a file, each with its docstring."""
    tree = ast.parse((ROOT / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name: ast.get_docstring(function) for function in functions}


def test_the_map_has_promises() -> None:
    """The map is not empty, so the checks below check something."""
    assert len(rows()) > 20


@pytest.mark.parametrize(("promise", "tests"), rows())
def test_each_promise_names_tests_that_exist(promise: str, tests: str) -> None:
    """Each promise is held by at least one test that exists and says in its docstring what it promises."""
    named = TEST.findall(tests)
    assert named, f"{promise!r} names no test: {tests}"
    for path, name in named:
        assert docstrings(path).get(name), f"{path}::{name} does not exist, or has no docstring"
