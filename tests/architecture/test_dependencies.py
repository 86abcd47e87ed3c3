"""Each dependency is declared, has its reason, and is all that the code imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMES_WITH = {"pydantic_core", "pytest", "protobuf", "httpx"}
"""Half of pydantic; what a plugin runs inside; the messages of the OTLP encoder, whose own package is a namespace; what
an integration watches is the application's own."""


def names(requirements: Iterable[object]) -> set[str]:
    """The distributions that are named."""
    return {re.match(r"[\w.-]+", entry)[0].lower() for entry in requirements if isinstance(entry, str)}


BASE = names(DECLARED["project"]["dependencies"])
EXTRAS = {name: names(wanted) for name, wanted in DECLARED["project"]["optional-dependencies"].items()}
GROUPS = {name: names(wanted) for name, wanted in DECLARED["dependency-groups"].items()}


def rows(title: str) -> list[list[str]]:
    """The cells of the table under a heading of the decision on dependencies."""
    page = (ROOT / "docs/adr/0002-dependencies.md").read_text(encoding="utf-8")
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


def said(cells: Iterable[str]) -> set[str]:
    """The distributions in these cells; ``a-b, -c`` stands for ``a-b`` and ``a-c``."""
    found: set[str] = set()
    for cell in cells:
        stem = ""
        for word in cell.split(", "):
            stem = stem if word.startswith("-") else word.partition("-instrumentation")[0] + "-instrumentation"
            found.add(stem + word if word.startswith("-") else word)
    return found


def test_each_has_its_reason():
    """The tables of the decision name what pyproject.toml declares, and nothing else."""
    assert said(row[0] for row in rows("Base")) == BASE
    told = {name: said(row[1] for row in rows("Extras") if row[0] == name) for name in EXTRAS}
    assert told == EXTRAS
    assert said(row[0] for row in rows("Development")) == set.union(*GROUPS.values())


def test_all_that_is_imported_is_declared():
    """No module leans on what another distribution happens to bring."""
    declared = set.union(BASE, *EXTRAS.values(), COMES_WITH)
    foreign = {package for package in imported() if package not in {*sys.stdlib_module_names, "llmtrace"}}
    bring = packages_distributions()
    undeclared = {name for name in foreign if declared.isdisjoint(map(str.lower, bring.get(name, ())))}
    assert undeclared == set()


def imported() -> set[str]:
    """The top-level packages that the modules of llmtrace import."""
    found: set[str] = set()
    for path in (ROOT / "llmtrace").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").partition(".")[0])
    return found
