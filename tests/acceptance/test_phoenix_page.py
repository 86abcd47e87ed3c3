"""What a person sees: a trace, in the real page of a real Phoenix, in a real browser."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from phoenix_page import (
    assert_no_error,
    assert_shows_chat,
    assert_shows_documents,
    assert_shows_session,
    assert_shows_tool_call,
    assert_shows_tree,
)
from raw_otlp import MILLISECOND, RawSpan, post_spans

from llmtrace.backends.phoenix import session_url, span_url, trace_url
from llmtrace.semconv import trace

if TYPE_CHECKING:
    from phoenix_page import PhoenixPage
    from phoenix_server import Phoenix

pytestmark = [pytest.mark.phoenix, pytest.mark.browser]

SYSTEM = "You answer questions about llmtrace from its own documentation."
QUESTION = "How do I keep every trace that has an error?"
ARGUMENTS = {"query": "sampling keep errors", "limit": 2}
DOCUMENTS = (
    ("docs/sampling.md", 0.91, "The preset production keeps every trace with an error."),
    ("docs/presets.md", 0.47, "A preset is a sampling policy with a name."),
)
ANSWER = "Choose the preset production: it keeps one percent, and every trace with an error."
TOOL = {
    "type": "function",
    "function": {
        "name": "search_docs",
        "description": "Search the documentation of llmtrace.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}},
    },
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """The ids of a posted trace, by what its spans are."""

    trace_id: str
    session_id: str
    root: str
    first_call: str
    tool: str
    retrieval: str
    last_call: str


def message(prefix: str, index: int, role: str, content: str | None = None) -> dict[str, Any]:
    """One chat message in OpenInference's flattened form."""
    at = f"{prefix}.{index}"
    attributes: dict[str, Any] = {f"{at}.{trace.MESSAGE_ROLE}": role}
    if content is not None:
        attributes[f"{at}.{trace.MESSAGE_CONTENT}"] = content
    return attributes


def tool_call(prefix: str, index: int) -> dict[str, Any]:
    """The assistant's wish to search, on a message."""
    at = f"{prefix}.{index}.{trace.MESSAGE_TOOL_CALLS}.0"
    return {
        f"{at}.{trace.TOOL_CALL_ID}": "call_1",
        f"{at}.{trace.TOOL_CALL_FUNCTION_NAME}": "search_docs",
        f"{at}.{trace.TOOL_CALL_FUNCTION_ARGUMENTS}": json.dumps(ARGUMENTS),
    }


def documents() -> dict[str, Any]:
    """What the retriever found, in OpenInference's flattened form."""
    attributes: dict[str, Any] = {}
    for index, (name, score, content) in enumerate(DOCUMENTS):
        at = f"{trace.RETRIEVAL_DOCUMENTS}.{index}"
        attributes |= {
            f"{at}.{trace.DOCUMENT_ID}": name,
            f"{at}.{trace.DOCUMENT_SCORE}": score,
            f"{at}.{trace.DOCUMENT_CONTENT}": content,
        }
    return attributes


def model_call(question: dict[str, Any], answer: dict[str, Any], prompt: int, completion: int) -> dict[str, Any]:
    """The attributes of a model call with one tool on offer."""
    return {
        trace.SPAN_KIND: trace.KIND_LLM,
        trace.LLM_MODEL_NAME: "gpt-4o-mini",
        trace.LLM_INVOCATION_PARAMETERS: json.dumps({"temperature": 0.2}),
        f"{trace.LLM_TOOLS}.0.{trace.TOOL_JSON_SCHEMA}": json.dumps(TOOL),
        trace.LLM_TOKEN_COUNT_PROMPT: prompt,
        trace.LLM_TOKEN_COUNT_COMPLETION: completion,
        trace.LLM_TOKEN_COUNT_TOTAL: prompt + completion,
        **question,
        **answer,
    }


def post_conversation(phoenix: Phoenix) -> Conversation:
    """Post an agent's run: a model call, the tool that it wished for, a retrieval, the final answer."""
    ids = Conversation(secrets.token_hex(16), f"{phoenix.project}-session", *(secrets.token_hex(8) for _ in range(5)))
    before, after = trace.LLM_INPUT_MESSAGES, trace.LLM_OUTPUT_MESSAGES
    question = message(before, 0, "system", SYSTEM) | message(before, 1, "user", QUESTION)
    wish = message(after, 0, "assistant") | tool_call(after, 0)
    history = (
        question
        | message(before, 2, "assistant")
        | tool_call(before, 2)
        | message(before, 3, "tool", DOCUMENTS[0][2])
        | {f"{before}.3.{trace.MESSAGE_TOOL_CALL_ID}": "call_1"}
    )
    now = time.time_ns()

    def span(span_id: str, parent_id: str, name: str, start: int, length: int, attributes: dict[str, Any]) -> RawSpan:
        carried = {trace.SESSION_ID: ids.session_id, trace.USER_ID: "user-17"}
        begin = now + (start - 1000) * MILLISECOND
        return RawSpan(ids.trace_id, span_id, name, begin, length * MILLISECOND, carried | attributes, parent_id)

    agent = {
        trace.SPAN_KIND: trace.KIND_AGENT,
        trace.AGENT_NAME: "support",
        trace.INPUT_VALUE: QUESTION,
        trace.OUTPUT_VALUE: ANSWER,
    }
    tool = {
        trace.SPAN_KIND: trace.KIND_TOOL,
        trace.TOOL_NAME: "search_docs",
        trace.INPUT_VALUE: json.dumps(ARGUMENTS),
        trace.INPUT_MIME_TYPE: trace.MIME_JSON,
        trace.OUTPUT_VALUE: DOCUMENTS[0][2],
    }
    retrieval = {trace.SPAN_KIND: trace.KIND_RETRIEVER, trace.INPUT_VALUE: ARGUMENTS["query"], **documents()}
    final = model_call(history, message(after, 0, "assistant", ANSWER), 210, 24)
    post_spans(
        phoenix.client,
        phoenix.project,
        [
            span(ids.root, "", "support", 0, 1000, agent),
            span(ids.first_call, ids.root, "llm.chat", 10, 300, model_call(question, wish, 120, 18)),
            span(ids.tool, ids.root, "tool.search_docs", 320, 100, tool),
            span(ids.retrieval, ids.tool, "retrieval", 330, 80, retrieval),
            span(ids.last_call, ids.root, "llm.chat", 430, 500, final),
        ],
    )
    return ids


def post_json_strings(phoenix: Phoenix) -> tuple[str, str]:
    """Post a model call and a retrieval below it in the style that Phoenix cannot show; gives their span ids."""
    trace_id, call, retrieval = secrets.token_hex(16), secrets.token_hex(8), secrets.token_hex(8)
    messages = {
        trace.SPAN_KIND: trace.KIND_LLM,
        trace.LLM_INPUT_MESSAGES: json.dumps([{"role": "user", "content": QUESTION}]),
        trace.LLM_OUTPUT_MESSAGES: json.dumps([{"role": "assistant", "tool_calls": [TOOL]}]),
    }
    found = {
        trace.SPAN_KIND: trace.KIND_RETRIEVER,
        trace.RETRIEVAL_DOCUMENTS: json.dumps([{"id": name, "content": content} for name, _, content in DOCUMENTS]),
    }
    now, length = time.time_ns() - 1000 * MILLISECOND, 500 * MILLISECOND
    spans = [
        RawSpan(trace_id, call, "raw.call", now, length, messages),
        RawSpan(trace_id, retrieval, "raw.retrieval", now + MILLISECOND, MILLISECOND, found, parent_id=call),
    ]
    post_spans(phoenix.client, phoenix.project, spans)
    phoenix.wait_for_trace(trace_id, count=len(spans))
    return call, retrieval


@pytest.fixture
def conversation(phoenix: Phoenix) -> Conversation:
    """A posted agent's run that Phoenix has stored."""
    ids = post_conversation(phoenix)
    phoenix.wait_for_trace(ids.trace_id, count=5)
    return ids


def test_a_trace_is_shown_as_the_tree_of_its_spans(
    phoenix: Phoenix, phoenix_page: PhoenixPage, conversation: Conversation
) -> None:
    """A trace's link opens the tree of its spans, in the order in which they began."""
    phoenix_page.open(trace_url(phoenix.base_url, conversation.trace_id))
    assert_shows_tree(phoenix_page, ["support", "llm.chat", "tool.search_docs", "retrieval", "llm.chat"])
    assert_no_error(phoenix_page)
    phoenix_page.screenshot("phoenix-trace")


def test_a_model_call_is_shown_as_a_chat_transcript(
    phoenix: Phoenix, phoenix_page: PhoenixPage, conversation: Conversation
) -> None:
    """A model call's page shows each message with its role, and the answer."""
    phoenix_page.open(span_url(phoenix.base_url, conversation.last_call))
    asked = [("system", SYSTEM), ("user", QUESTION), ("tool", DOCUMENTS[0][2])]
    assert_shows_chat(phoenix_page, asked, [("assistant", ANSWER)])
    assert_no_error(phoenix_page)
    phoenix_page.screenshot("phoenix-chat")


def test_a_wish_for_a_tool_is_shown_as_a_card(
    phoenix: Phoenix, phoenix_page: PhoenixPage, conversation: Conversation
) -> None:
    """A model call that asks for a tool shows a card with the tool's name and arguments."""
    phoenix_page.open(span_url(phoenix.base_url, conversation.first_call))
    assert_shows_tool_call(phoenix_page, "search_docs", ARGUMENTS)
    assert_no_error(phoenix_page)
    phoenix_page.screenshot("phoenix-tool-call")


def test_documents_are_shown_as_cards(phoenix: Phoenix, phoenix_page: PhoenixPage, conversation: Conversation) -> None:
    """A retrieval's page shows a card for each document, with its score."""
    phoenix_page.open(span_url(phoenix.base_url, conversation.retrieval))
    assert_shows_documents(phoenix_page, DOCUMENTS)
    assert_no_error(phoenix_page)
    phoenix_page.screenshot("phoenix-documents")


def test_a_session_is_shown_with_its_turns(
    phoenix: Phoenix, phoenix_page: PhoenixPage, conversation: Conversation
) -> None:
    """A session's link opens its turns, under the name of the user."""
    phoenix_page.open(session_url(phoenix.base_url, conversation.session_id))
    assert_shows_session(phoenix_page, conversation.session_id, "user-17", [(QUESTION, ANSWER)])
    assert_no_error(phoenix_page)
    phoenix_page.screenshot("phoenix-session")


def test_messages_in_a_json_string_do_not_pass_for_a_chat(phoenix: Phoenix, phoenix_page: PhoenixPage) -> None:
    """Where the messages are one JSON string, Phoenix shows no transcript and no tool call, and the checks say so."""
    call, _ = post_json_strings(phoenix)
    phoenix_page.open(span_url(phoenix.base_url, call))
    phoenix_page.sees(phoenix_page.details.get_by_text("raw.call"))
    phoenix_page.page.wait_for_load_state("networkidle")
    phoenix_page.seen_within = 1000.0
    with pytest.raises(AssertionError):
        assert_shows_chat(phoenix_page, [("user", QUESTION)], [])
    with pytest.raises(AssertionError):
        assert_shows_tool_call(phoenix_page, "search_docs", ARGUMENTS)


def test_documents_in_a_json_string_do_not_pass_for_cards(phoenix: Phoenix, phoenix_page: PhoenixPage) -> None:
    """Where the documents are one JSON string, Phoenix's panel breaks, and the checks say so."""
    _, retrieval = post_json_strings(phoenix)
    phoenix_page.open(span_url(phoenix.base_url, retrieval))
    phoenix_page.sees(phoenix_page.broken)
    phoenix_page.seen_within = 1000.0
    with pytest.raises(AssertionError):
        assert_shows_documents(phoenix_page, DOCUMENTS)
    with pytest.raises(AssertionError):
        assert_no_error(phoenix_page)
