"""The documentation, held to what is there: links lead somewhere, examples run, tables are complete."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import command_reference
import pytest
from otlp_sink import OtlpSink
from scripts import output_of

import llmtrace
from llmtrace.semconv import alert, trace

pytest_plugins = ["core_fixtures"]

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page names a file that exists."""
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documentation_compiles(page: Path) -> None:
    """Each Python example of a page is Python."""
    for number, code in enumerate(PYTHON.findall(page.read_text())):
        compile(code, f"{page.name} example {number}", "exec")


def test_every_page_has_its_place() -> None:
    """Each page under docs/ stands once in the site's navigation, and nothing stands there that is no page."""
    placed = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(placed) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_the_first_tutorial_runs(sink: OtlpSink) -> None:
    """The tutorial's program, run as it stands, sends the three spans that the tutorial describes."""
    (code,) = PYTHON.findall((ROOT / "docs/tutorials/first-trace.md").read_text())
    printed = output_of(code, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url})
    assert re.search(r"trace: [0-9a-f]{32}", printed)
    assert sorted(span.name for span in sink.wait_for_spans(3)) == ["llm.chat", "retrieval", "tour-guide"]


def test_the_front_page_runs(sink: OtlpSink) -> None:
    """What the first page shows sends one span, with the question and the answer."""
    (code,) = PYTHON.findall((ROOT / "docs/index.md").read_text())
    output_of(code, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url})
    (span,) = sink.wait_for_spans(1)
    assert span.name == "llm.chat"
    assert {"Hello?", "Hello!"} <= {str(value) for value in span.attributes.values()}


def test_every_setting_is_documented() -> None:
    """Each argument of `init_tracing` stands in the table of settings."""
    page = (ROOT / "docs/reference/settings.md").read_text()
    missing = [name for name in inspect.signature(llmtrace.init_tracing).parameters if f"`{name}`" not in page]
    assert missing == []


def test_every_attribute_of_ours_is_documented() -> None:
    """Each key under ``llmtrace.`` stands in the table of attributes."""
    page = (ROOT / "docs/reference/attributes.md").read_text()
    words = {name: value for module in (trace, alert) for name, value in vars(module).items() if name.isupper()}
    ours = {word for word in words.values() if isinstance(word, str) and word.startswith("llmtrace.")}
    assert sorted(word for word in ours if word not in page) == []


def test_every_command_is_documented() -> None:
    """The page of commands is the command line's own help; `python tests/command_reference.py` writes it afresh."""
    assert command_reference.PAGE.read_text(encoding="utf-8") == command_reference.written()


def test_every_public_name_is_documented() -> None:
    """Each name of `llmtrace.__all__` stands once in the Python reference, from which the site takes its docstring."""
    listed = re.findall(r"^::: llmtrace\.(\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == llmtrace.__all__


def test_what_is_claimed_is_what_runs() -> None:
    """The package claims the Python version that these tests run on."""
    claimed = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in claimed
