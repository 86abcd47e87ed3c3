"""Streams that break off with an error of the provider's, or before the answer is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic._models import construct_type
from anthropic.types import RawMessageStreamEvent
from openai.types.responses import ResponseOutputTextAnnotationAddedEvent, ResponseTextDeltaEvent

from llmtrace.recorders import llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OVERLOADED = {"type": "overloaded_error", "message": "Overloaded"}
CITED = {"type": "url_citation", "url": "https://example.org", "title": "Oslo", "start_index": 0, "end_index": 4}


def streamed(*pieces: Any) -> dict[str, Any]:
    """What a stream says.

    Objects are rendered in two milliseconds or not to their end: a busy machine must not decide what is compared.
    """
    for _ in range(100):
        accumulator = llm_accumulator(pieces[0])
        for piece in pieces:
            accumulator.add(piece)
        found = accumulator.attributes()
        if "out of time" not in str(found):
            break
    return found


def claude(event: dict[str, Any]) -> Any:
    """As Anthropic's SDK gives it."""
    return construct_type(type_=RawMessageStreamEvent, value=event)


@pytest.mark.parametrize("form", [lambda event: event, claude])
def test_an_error_in_the_middle_of_a_message_is_why_it_ended(form):
    """Words that came are the output; where none came, the error is."""
    usage = {"input_tokens": 10, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    begun = form({"type": "message_start", "message": message})
    block = form({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    words = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "It ra"}}
    error = {"type": "error", "error": OVERLOADED}
    found = streamed(begun, block, form(words), error)
    assert (found["output.value"], found["llm.finish_reason"]) == ("It ra", "error")
    assert found["llm.token_count.prompt"] == 10
    found = streamed(begun, error)
    assert json.loads(found["output.value"]) == OVERLOADED


def test_an_error_in_the_middle_of_a_chat_completion_is_why_it_ended():
    """As servers send it that cannot change the status any more."""
    words = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "It ra"}}]}
    error = {"error": {"message": "Overloaded", "type": "server_error", "code": 503}}
    found = streamed(words, error)
    assert (found["output.value"], found["llm.finish_reason"]) == ("It ra", "error")
    begun = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    assert "Overloaded" in streamed(begun, error)["output.value"]


@pytest.mark.parametrize("is_sdk", [False, True])
def test_what_a_response_refers_to_is_kept_though_it_breaks_off(is_sdk):
    """The annotations of a stream that never gets to its last event."""
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": 1}
    words: Any = {"type": "response.output_text.delta", **at, "delta": "Rain.", "logprobs": []}
    cited: Any = {"type": "response.output_text.annotation.added", **at, "annotation_index": 0, "annotation": CITED}
    if is_sdk:
        words = ResponseTextDeltaEvent.model_validate(words)
        cited = ResponseOutputTextAnnotationAddedEvent.model_validate(cited)
    found = streamed(words, cited)
    assert found["output.value"] == "Rain."
    assert json.loads(found["llmtrace.llm.citations"]) == [CITED]


def test_what_azure_answers_from_is_what_the_answer_refers_to():
    """One's own data stand in the message's context, whole and streamed."""
    context = {"citations": [{"title": "FAQ", "url": "https://example.org/faq", "content": "..."}], "intent": "[]"}
    said = {"role": "assistant", "content": "Rain [doc1].", "context": context}
    named = {"id": "c", "model": "gpt-4o"}
    found = llm_answer({**named, "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})
    assert json.loads(found["llmtrace.llm.citations"]) == context["citations"]
    assert streamed({**named, "choices": [{"index": 0, "delta": said, "finish_reason": "stop"}]}) == found


def test_novas_own_answers_say_what_came_from_the_cache():
    """Their counts are named otherwise than Converse's."""
    usage = {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokenCount": 5, "cacheWriteInputTokenCount": 0}
    output = {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}
    found = llm_answer({"output": output, "stopReason": "end_turn", "usage": usage})
    assert found["llm.token_count.prompt_details.cache_read"] == 5
    assert found["llm.token_count.prompt"] == 6
