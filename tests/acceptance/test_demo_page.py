"""What a new user sees of the demo: its trace, recorded by llmtrace, in the real page of a real Phoenix."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from demo_service import demo_service
from phoenix_page import (
    PhoenixPage,
    assert_no_error,
    assert_shows_chat,
    assert_shows_session,
    assert_shows_tool_call,
    assert_shows_tree,
)
from waiting import wait_until

from llmtrace.backends.phoenix import PhoenixReader, RunningPhoenix, session_url, span_url, trace_url
from llmtrace.semconv import trace

pytestmark = [pytest.mark.phoenix, pytest.mark.browser]

QUESTION = "How do I tag an alert?"


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the demo's service, and where its trace is."""

    phoenix: str
    trace_id: str
    session_id: str
    answer: str
    spans: dict[str, str]
    """Name -> the id of the first span of that name."""
    names: list[str]
    documents: int


@pytest.fixture(scope="module")
def asked(phoenix_process: RunningPhoenix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The demo's service and model server, asked once; its trace is in Phoenix."""
    folder, session = tmp_path_factory.mktemp("demo"), f"demo-{secrets.token_hex(4)}"
    with demo_service(folder, PHOENIX_COLLECTOR_ENDPOINT=phoenix_process.base_url) as service:
        response = service.ask(QUESTION, session=session)
        trace_id = response.headers["x-trace-id"]
        with httpx.Client(base_url=phoenix_process.base_url, trust_env=False) as phoenix:
            reader = PhoenixReader(phoenix, "support-bot")
            wait_until(
                lambda: any(span.parent_id is None for span in reader.trace(trace_id)), "the trace is in Phoenix"
            )
            spans = sorted(reader.trace(trace_id), key=lambda span: span.start)
        found = next(span for span in spans if span.name == "retrieval").attributes
        firsts = {span.name: span.span_id for span in reversed(spans)}
        names = [span.name for span in spans]
        yield Asked(
            phoenix_process.base_url, trace_id, session, response.text, firsts, names, found[trace.RETRIEVAL_COUNT]
        )


@pytest.fixture
def page(browser, phoenix_process) -> Iterator[PhoenixPage]:
    """A fresh page of the browser."""
    with browser.new_context(viewport={"width": 1440, "height": 1250}, timezone_id="UTC") as context:
        yield PhoenixPage(context.new_page(), phoenix_process.base_url)


def test_the_demos_trace_is_shown_as_a_tree(asked: Asked, page: PhoenixPage) -> None:
    """The request, the agent, its model calls, the tool and the retrieval stand in the tree in their order."""
    page.open(trace_url(asked.phoenix, asked.trace_id))
    assert asked.names[:5] == ["POST /ask", "support-bot", "llm.chat", "tool.search_docs", "retrieval"]
    assert_shows_tree(page, asked.names)
    assert_no_error(page)
    page.screenshot("agent-trace")


def test_the_demos_model_call_is_shown_as_a_chat_with_its_tool_call(asked: Asked, page: PhoenixPage) -> None:
    """The question is read in the transcript, and the tool that the model called for stands in a card."""
    page.open(span_url(asked.phoenix, asked.spans["llm.chat"]))
    assert_shows_chat(page, [("user", QUESTION)], [])
    assert_shows_tool_call(page, "search_docs", {"query": QUESTION})
    assert_no_error(page)
    page.screenshot("model-call")


def test_the_demos_documents_are_shown_as_cards(asked: Asked, page: PhoenixPage) -> None:
    """Each passage that was found stands in a card of its own."""
    page.open(span_url(asked.phoenix, asked.spans["retrieval"]))
    cards = page.section("Output").locator("li section")
    page.sees(cards.first)
    assert cards.count() == asked.documents > 0
    assert_no_error(page)
    page.screenshot("retrieval")


def test_the_demos_session_is_shown_with_question_and_answer(asked: Asked, page: PhoenixPage) -> None:
    """The session's page shows the turn: what was asked, and what was answered."""
    page.open(session_url(asked.phoenix, asked.session_id))
    said = max(asked.answer.split("`"), key=len).strip()[:60]  # the page renders what stands between backticks as code
    assert_shows_session(page, asked.session_id, "ana", [(QUESTION, said)])
    assert_no_error(page)
    page.screenshot("session")
