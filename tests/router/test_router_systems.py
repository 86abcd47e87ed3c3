"""The README's table of systems, held to the notifiers that there are and to the pages that show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmtrace.router.notifiers import KINDS

ROOT = Path(__file__).parents[2]
SECTION = re.search(r"## Works with\n(.*?)\n## ", (ROOT / "README.md").read_text(), re.DOTALL)[1]
ROWS = re.findall(r"^\| (?P<system>[^|]+) \| (?P<what>[^|]+) \| (?P<how>[^|]+) \|$", SECTION, re.MULTILINE)[1:]
MISSION = [
    "Arize", "Phoenix", "Datadog", "Honeycomb", "Grafana", "Alertmanager", "PagerDuty", "Opsgenie",
    "Jira Service Management", "Splunk On-Call", "Slack", "Teams", "Jira, service",
    "ServiceNow", "Mail", "Langfuse", "LangSmith", "Opik", "OTLP sender", "Any browser",
]  # fmt: skip


def pages_of(kind: str) -> list[Path]:
    """The how-to pages that the table gives for a notifier."""
    return [
        ROOT / page
        for system, _, how in ROWS
        if f"`{kind}`" in system
        for page in re.findall(r"\]\((docs/[^)#]+)", how)
    ]


def test_every_notifier_is_in_the_table():
    """Each kind once, and none that is not there."""
    named = [kind for system, _, _ in ROWS for kind in re.findall(r"`(\w+)`", system)]
    assert sorted(named) == sorted(KINDS)


@pytest.mark.parametrize("system", MISSION)
def test_every_system_of_the_mission_is_in_the_table(system):
    """With a page that says how."""
    how = next(how for name, _, how in ROWS if system in name)
    assert re.search(r"\]\(docs/", how)


@pytest.mark.parametrize("kind", KINDS)
def test_each_page_shows_the_notifier_at_work(kind):
    """The page of a notifier has rules with a receiver of this kind; `test_router_howto.py` reads them."""
    texts = [page.read_text() for page in pages_of(kind)]
    assert any(re.search(rf"\b{kind}: ?{{", text) or re.search(rf"\b{kind}:\n", text) for text in texts)


def test_every_source_and_destination_page_is_in_the_table():
    """A page that the README does not lead to would hardly be read; none of the sources stands there twice."""
    about = ("alerts-from-", "page-with-", "write-to-", "open-", "post-to-", "send-")
    found = re.findall(r"\]\((docs/how-to/alerts-from-[^)#]+)", SECTION)
    assert len(found) == len(set(found))
    pages = {f"docs/how-to/{path.name}" for path in (ROOT / "docs/how-to").glob("*.md") if path.name.startswith(about)}
    assert pages - set(re.findall(r"\]\((docs/[^)#]+)", SECTION)) == set()


def test_the_table_says_nothing_that_is_not_there():
    """Each of its intakes and pages exists; what it calls a notifier is one."""
    assert [page for page in re.findall(r"\]\((docs/[^)#]+)", SECTION) if not (ROOT / page).exists()] == []
