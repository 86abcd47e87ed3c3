"""Google's generate_content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types

from llmtrace._attributes import put_messages
from llmtrace.recorders import google, llm_answer

OUT = "llm.output_messages.0.message"
USAGE = {
    "promptTokenCount": 1000,
    "toolUsePromptTokenCount": 20,
    "cachedContentTokenCount": 900,
    "candidatesTokenCount": 50,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 1100,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 990}, {"modality": "AUDIO", "tokenCount": 10}],
}


def answer(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The REST API's answer."""
    candidate = {"index": 0, "content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "gemini-2.5-flash", **fields}


def as_sdk(value: dict[str, Any]) -> Any:
    """What google-genai makes of it."""
    return types.GenerateContentResponse.model_validate(value)


FORMS = pytest.mark.parametrize("form", [lambda value: value, as_sdk], ids=["rest", "sdk"])


@FORMS
def test_an_answer_becomes_model_message_counts_and_reason(form):
    """One text is the content; thoughts count as completion, the cached tokens as a part of the prompt."""
    assert llm_answer(form(answer({"text": "Paris."}))) == {
        "llm.model_name": "gemini-2.5-flash",
        "llm.token_count.prompt": 1020,
        "llm.token_count.completion": 80,
        "llm.token_count.total": 1100,
        "llm.token_count.prompt_details.cache_read": 900,
        "llm.token_count.prompt_details.audio": 10,
        "llm.token_count.completion_details.reasoning": 30,
        f"{OUT}.role": "model",
        f"{OUT}.content": "Paris.",
        "output.value": "Paris.",
        "output.mime_type": "text/plain",
        "llm.finish_reason": "STOP",
    }


@FORMS
def test_thoughts_calls_and_images_have_their_places(form):
    """Thoughts and media are contents, function calls are tool calls with their signature."""
    parts = [
        {"text": "Hm.", "thought": True},
        {"text": "Look:"},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"functionCall": {"id": "f1", "name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1+1", "language": "PYTHON"}},
    ]
    recorded = llm_answer(form(answer(*parts)))
    assert recorded[f"{OUT}.contents.0.message_content.type"] == "reasoning"
    assert recorded[f"{OUT}.contents.0.message_content.text"] == "Hm."
    assert recorded[f"{OUT}.contents.1.message_content.text"] == "Look:"
    assert recorded[f"{OUT}.contents.2.message_content.image.image.url"] == "data:image/png;base64,AAAA"
    assert "1+1" in recorded[f"{OUT}.contents.3.message_content.text"]
    assert recorded[f"{OUT}.tool_calls.0.tool_call.id"] == "f1"
    assert recorded[f"{OUT}.tool_calls.0.tool_call.function.name"] == "weather"
    assert json.loads(recorded[f"{OUT}.tool_calls.0.tool_call.function.arguments"]) == {"city": "Paris"}
    assert recorded[f"{OUT}.tool_calls.0.tool_call.reasoning_signature"] == "c2ln"
    assert recorded["output.value"] == "Look:"


@FORMS
def test_a_prompt_that_was_blocked_says_so(form):
    """No candidate, but the reason: that is the finish reason."""
    recorded = llm_answer(form({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}))
    assert recorded["llm.finish_reason"] == "SAFETY"
    assert recorded["llm.token_count.prompt"] == 3


@pytest.mark.parametrize("form", [lambda value: value, types.Content.model_validate], ids=["rest", "sdk"])
def test_a_function_response_is_a_message_by_the_tool(form):
    """Each response of one content is a message of its own, with the name and id of its call."""
    parts = [
        {"functionResponse": {"id": "f1", "name": "weather", "response": {"sun": True}}},
        {"functionResponse": {"id": "f2", "name": "clock", "response": {"hour": 9}}},
    ]
    into: dict[str, Any] = {}
    contents = [form({"role": "user", "parts": [{"text": "Weather?"}]}), form({"role": "user", "parts": parts})]
    put_messages(into, "llm.input_messages", contents)
    assert into == {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Weather?",
        "llm.input_messages.1.message.role": "tool",
        "llm.input_messages.1.message.name": "weather",
        "llm.input_messages.1.message.tool_call_id": "f1",
        "llm.input_messages.1.message.content": '{"sun":true}',
        "llm.input_messages.2.message.role": "tool",
        "llm.input_messages.2.message.name": "clock",
        "llm.input_messages.2.message.tool_call_id": "f2",
        "llm.input_messages.2.message.content": '{"hour":9}',
    }


@pytest.mark.parametrize("other", [None, "text", {}, {"candidates": "two"}, []])
def test_what_is_no_such_answer_is_not_taken_for_one(other):
    """Answers of other shapes are left to others."""
    assert not google.recognises(other)


@pytest.mark.parametrize("form", [lambda value: value, types.GenerateContentResponse.model_validate])
def test_a_signature_hides_nothing_of_its_part(form):
    """Code that was run and is signed is recorded, with the signature."""
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "c2ln"}
    recorded = llm_answer(form({"candidates": [{"content": {"role": "model", "parts": [code, {"text": "2"}]}}]}))
    first = f"{OUT}.contents.0.message_content"
    assert recorded[f"{first}.type"] in ("executableCode", "executable_code")
    assert recorded[f"{first}.signature"] == "c2ln"
    assert recorded[f"{first}.text"]
    assert recorded["output.value"] == "2"
