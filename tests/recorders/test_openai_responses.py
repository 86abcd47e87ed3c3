"""OpenAI's Responses API."""

from __future__ import annotations

import pytest
from openai import _models
from openai.types.responses import Response
from provider_payloads import FUNCTION_CALL, PIXEL, THOUGHT, response, response_events, said

from llmtrace.recorders import llm_accumulator, llm_answer, openai_responses

OUT = "llm.output_messages"
FORMS = pytest.mark.parametrize(
    "form",
    [lambda answer: answer, lambda answer: _models.construct_type(type_=Response, value=answer)],
    ids=["dict", "sdk"],
)


@FORMS
def test_each_item_is_a_message(form):
    """Reasoning, words and a function call, each in the place of its item."""
    recorded = llm_answer(form(response(THOUGHT, said("Paris", " is it."), FUNCTION_CALL)))
    assert recorded == {
        "llmtrace.llm.response_id": "resp_1",
        "llm.model_name": "gpt-4o-mini-2024-07-18",
        "llm.token_count.total": 2306,
        "llm.token_count.prompt": 2006,
        "llm.token_count.completion": 300,
        "llm.token_count.prompt_details.cache_read": 1920,
        "llm.token_count.prompt_details.cache_write": 3,
        "llm.token_count.completion_details.reasoning": 128,
        f"{OUT}.0.message.role": "assistant",
        f"{OUT}.0.message.contents.0.message_content.type": "reasoning",
        f"{OUT}.0.message.contents.0.message_content.text": "France.\nIts capital.",
        f"{OUT}.0.message.contents.0.message_content.encrypted_content": "gAAAAABo",
        f"{OUT}.1.message.role": "assistant",
        f"{OUT}.1.message.contents.0.message_content.type": "text",
        f"{OUT}.1.message.contents.0.message_content.text": "Paris",
        f"{OUT}.1.message.contents.1.message_content.type": "text",
        f"{OUT}.1.message.contents.1.message_content.text": " is it.",
        f"{OUT}.2.message.role": "assistant",
        f"{OUT}.2.message.tool_calls.0.tool_call.id": "call_1",
        f"{OUT}.2.message.tool_calls.0.tool_call.function.name": "weather",
        f"{OUT}.2.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
        "output.value": "Paris is it.",
        "output.mime_type": "text/plain",
        "llm.finish_reason": "completed",
    }


@FORMS
def test_a_response_that_was_cut_off_says_why(form):
    """The reason of an incomplete response is its finish reason."""
    whole = response(said("Par"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert llm_answer(form(whole))["llm.finish_reason"] == "max_output_tokens"


@FORMS
def test_an_image_that_was_made_is_an_image_of_the_output(form):
    """The image is there as a data URL, and its call in the transcript, without a copy of the image."""
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": PIXEL,
        "output_format": "webp",
    }
    recorded = llm_answer(form(response(item)))
    assert recorded["output.images.0.image.url"] == f"data:image/webp;base64,{PIXEL}"
    assert recorded[f"{OUT}.0.message.tool_calls.0.tool_call.function.name"] == "image_generation_call"
    assert sum(PIXEL in str(value) for value in recorded.values()) == 1


def test_a_response_that_failed_or_was_cut_off_in_a_stream_is_recorded():
    """The closing event of a stream need not be response.completed."""
    whole = response(said("Par"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    accumulator = llm_accumulator({"type": "response.created"})
    for event in response_events(whole):
        accumulator.add(event)
    assert accumulator.attributes() == llm_answer(whole)


def test_a_closing_response_without_output_does_not_erase_the_pieces():
    """Compatible servers that close with an empty output keep words and counts."""
    events = response_events(response(said("Paris.")))
    events[-1] = {**events[-1], "response": {**events[-1]["response"], "output": []}}
    accumulator = openai_responses.accumulator()
    for event in events:
        accumulator.add(event)
    recorded = accumulator.attributes()
    assert recorded["output.value"] == "Paris."
    assert recorded["llm.token_count.total"] == 2306


@pytest.mark.parametrize("answer", [None, "text", {}, {"output": "text"}, {"output": []}, {"output": [{"a": 1}]}, []])
def test_what_is_no_response_is_not_taken_for_one(answer):
    """Answers of other shapes, such as a chain's {"output": ...}, are left to others."""
    assert not openai_responses.recognises(answer)
