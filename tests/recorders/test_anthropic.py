"""Anthropic's messages."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import Message
from provider_payloads import ANTHROPIC_USAGE, REDACTED, THINKING, TOOL_USE, block, message, message_events

from llmtrace.recorders import anthropic, llm_accumulator, llm_answer

OUT = "llm.output_messages.0.message"
FORMS = pytest.mark.parametrize("form", [lambda answer: answer, Message.model_validate], ids=["dict", "sdk"])


@FORMS
def test_a_message_keeps_each_of_its_blocks_in_its_place(form):
    """Thinking with its signature, redacted thinking, words and a tool use: part by part, and the call once more."""
    recorded = llm_answer(form(message(THINKING, REDACTED, block("Look."), TOOL_USE, reason="tool_use")))
    arguments = '{"city":"Paris","days":[1,2.5,null]}'
    assert recorded == {
        "llmtrace.llm.response_id": "msg_01",
        "llm.model_name": "claude-next-1-20261101",
        "llm.response.model_name": "claude-next-1-20261101",
        f"{OUT}.role": "assistant",
        f"{OUT}.contents.0.message_content.type": "reasoning",
        f"{OUT}.contents.0.message_content.text": "France, so Paris.",
        f"{OUT}.contents.0.message_content.signature": "EqQBCg==",
        f"{OUT}.contents.1.message_content.type": "reasoning",
        f"{OUT}.contents.1.message_content.data": "EmwKAh==",
        f"{OUT}.contents.2.message_content.type": "text",
        f"{OUT}.contents.2.message_content.text": "Look.",
        f"{OUT}.contents.3.message_content.type": "tool_use",
        f"{OUT}.contents.3.tool_call.id": "toolu_1",
        f"{OUT}.contents.3.tool_call.function.name": "weather",
        f"{OUT}.contents.3.tool_call.function.arguments": arguments,
        f"{OUT}.tool_calls.0.tool_call.id": "toolu_1",
        f"{OUT}.tool_calls.0.tool_call.function.name": "weather",
        f"{OUT}.tool_calls.0.tool_call.function.arguments": arguments,
        "output.value": "Look.",
        "output.mime_type": "text/plain",
        "llm.finish_reason": "tool_use",
        "llm.token_count.prompt_details.cache_read": 1900,
        "llm.token_count.prompt_details.cache_write": 100,
        "llm.token_count.prompt": 2012,
        "llm.token_count.completion": 42,
        "llm.token_count.total": 2054,
    }


@FORMS
def test_the_prompt_is_all_that_the_model_read(form):
    """Tokens from the cache and those written to it are part of the prompt; without caching there is no such count."""
    usage = {"input_tokens": 12, "output_tokens": 4}
    recorded = llm_answer(form(message(block("a"), usage=usage)))
    assert {key: value for key, value in recorded.items() if "token_count" in key} == {
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 4,
        "llm.token_count.total": 16,
    }


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, "many"])
def test_without_usage_no_count_is_made_up(usage):
    """A proxy that drops the usage costs the counts, nothing else."""
    recorded = llm_answer(message(block("Paris."), usage=usage))
    assert not any("token_count" in key for key in recorded)
    assert recorded["output.value"] == "Paris."


def test_arguments_that_broke_off_are_kept_as_far_as_they_came():
    """A stream that ends inside a tool call keeps the text that arrived."""
    events = message_events(message(TOOL_USE), size=9)
    broken = [event for event in events if event["type"] in ("message_start", "content_block_start")]
    deltas = [event for event in events if event["type"] == "content_block_delta"]
    accumulator = llm_accumulator(broken[0])
    for event in [*broken, *deltas[:2]]:
        accumulator.add(event)
    recorded = accumulator.attributes()
    assert recorded[f"{OUT}.tool_calls.0.tool_call.function.arguments"] == '{"city": '
    assert recorded["llm.token_count.completion"] == 1


def test_the_counts_of_the_last_event_replace_the_first_ones():
    """The output's tokens are those of message_delta; what it does not repeat stays."""
    accumulator = anthropic.accumulator()
    for event in message_events(message(block("Paris."))):
        accumulator.add(event)
    recorded = accumulator.attributes()
    assert recorded["llm.token_count.completion"] == ANTHROPIC_USAGE["output_tokens"]
    assert recorded["llm.token_count.prompt_details.cache_read"] == ANTHROPIC_USAGE["cache_read_input_tokens"]


@pytest.mark.parametrize("answer", [None, "text", {}, {"content": "text"}, {"content": [], "type": "other"}, []])
def test_what_is_no_message_is_not_taken_for_one(answer):
    """Answers of other shapes are left to others."""
    assert not anthropic.recognises(answer)


def test_a_block_unknown_here_is_kept_as_its_json_without_its_data():
    """A type that is news keeps its name and content; a file inside is not copied."""
    news: dict[str, Any] = {"type": "hologram", "depth": 3, "source": {"type": "base64", "data": "A" * 99}}
    recorded = llm_answer(message(news))
    assert recorded[f"{OUT}.contents.0.message_content.type"] == "hologram"
    text = recorded[f"{OUT}.contents.0.message_content.text"]
    assert '"depth":3' in text
    assert "AAA" not in text
