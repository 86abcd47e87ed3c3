"""Mistral's conversations, as its SDK has them and as JSON."""

from __future__ import annotations

from typing import Any

import pytest
from mistralai.client.models import ConversationEvents, ConversationResponse

from llmtrace.recorders import llm_accumulator, llm_answer

OUT = "llm.output_messages.0.message"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 20, "connector_tokens": 5}
RAN = {"type": "tool.execution", "id": "t1", "name": "web_search", "arguments": '{"query":"Paris"}'}
CALLED = {"type": "function.call", "id": "f1", "tool_call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'}
SAID = {"type": "message.output", "id": "m1", "role": "assistant", "model": "mistral-medium-2508", "content": "Paris."}
CALLS = [("t1", "web_search", '{"query":"Paris"}'), ("c1", "weather", '{"city":"Paris"}')]


def answer(*outputs: dict[str, Any]) -> dict[str, Any]:
    """A whole answer."""
    return {"object": "conversation.response", "conversation_id": "conv_1", "outputs": list(outputs), "usage": USAGE}


def calls(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Id, name and arguments of both calls."""
    names = ("id", "function.name", "function.arguments")
    return [tuple(found[f"{OUT}.tool_calls.{place}.tool_call.{name}"] for name in names) for place in range(2)]


@pytest.mark.parametrize("form", [lambda value: value, ConversationResponse.model_validate], ids=["json", "sdk"])
def test_what_was_said_and_called_is_one_message(form):
    """The words, the calls of the app's tools and of Mistral's own, model and counts."""
    found = llm_answer(form(answer(RAN, SAID, CALLED)))
    assert found["output.value"] == found[f"{OUT}.content"] == "Paris."
    assert found["llm.model_name"] == "mistral-medium-2508"
    assert found["llm.token_count.total"] == 20
    assert calls(found) == CALLS


def test_words_in_parts_and_in_several_messages_are_all_there():
    """Text parts are the output; a reference among them is kept as a part."""
    reference = {"type": "tool_reference", "tool": "web_search", "title": "t", "url": "https://a.example"}
    parts = {**SAID, "content": [{"type": "text", "text": "In France: "}, reference]}
    found = llm_answer(answer(parts, SAID))
    assert found["output.value"] == "In France: Paris."
    assert "https://a.example" in found[f"{OUT}.contents.1.message_content.text"]


def _event(kind: str, **data: Any) -> dict[str, Any]:
    return {"event": kind, "data": {"type": kind, **data}}


EVENTS = [
    _event("conversation.response.started", conversation_id="conv_1"),
    _event("tool.execution.started", output_index=0, id="t1", name="web_search", arguments='{"query":"Paris"}'),
    _event("tool.execution.done", output_index=0, id="t1", name="web_search"),
    _event("message.output.delta", output_index=1, id="m1", model="mistral-medium-2508", content="Par"),
    _event("message.output.delta", output_index=1, id="m1", content={"type": "text", "text": "is."}),
    _event("function.call.delta", output_index=2, id="f1", name="weather", tool_call_id="c1", arguments='{"city"'),
    _event("function.call.delta", output_index=2, id="f1", name="weather", tool_call_id="c1", arguments=':"Paris"}'),
    _event("conversation.response.done", usage=USAGE),
]


@pytest.mark.parametrize("form", [lambda value: value, ConversationEvents.model_validate], ids=["json", "sdk"])
def test_a_stream_is_recorded_as_the_whole_answer(form):
    """Words and calls are put together; only events that bring some of them count as the answer's."""
    chunks = [form(event) for event in EVENTS]
    accumulator = llm_accumulator(chunks[0])
    brought = [place for place, chunk in enumerate(chunks) if accumulator.add(chunk)]
    found = accumulator.attributes()
    assert found["output.value"] == "Paris."
    assert calls(found) == CALLS
    assert found["llm.model_name"] == "mistral-medium-2508"
    assert found["llmtrace.llm.response_id"] == "conv_1"
    assert found["llm.token_count.total"] == 20
    assert brought == [1, 3, 4, 5, 6]
