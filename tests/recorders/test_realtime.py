"""Events of OpenAI's Realtime API: what was said aloud, by which model, for how many tokens of which kind."""

from __future__ import annotations

from typing import Any

import pytest

from llmtrace.recorders import llm_accumulator, llm_answer

OUT = "llm.output_messages.0.message"
USAGE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 8, "audio_tokens": 8, "cached_tokens": 4},
    "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
}


def events(kind: str, part: str) -> list[dict[str, Any]]:
    """An answer that is said aloud, in pieces."""
    at = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    item = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "assistant"}
    spoken = {"type": part, "transcript": "Hello"}
    return [
        {"type": "session.created", "event_id": "e1", "session": {"id": "s", "model": "gpt-realtime"}},
        {"type": "response.created", "response": {"object": "realtime.response", "id": "resp_1", "output": []}},
        {"type": "response.output_item.added", **at, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **at, "part": {"type": "audio", "transcript": ""}},
        {"type": f"response.{kind}.delta", **at, "delta": "Hel"},
        {"type": "response.output_audio.delta", **at, "delta": "AAAA"},
        {"type": f"response.{kind}.delta", **at, "delta": "lo"},
        {"type": f"response.{kind}.done", **at, "transcript": "Hello"},
        {"type": "response.output_item.done", **at, "item": {**item, "content": [spoken]}},
        {
            "type": "response.done",
            "response": {
                "object": "realtime.response",
                "id": "resp_1",
                "status": "completed",
                "output": [{**item, "content": [spoken]}],
                "usage": USAGE,
            },
        },
    ]


@pytest.mark.parametrize("cut", [10, 9, 8, 7], ids=lambda count: f"{count} events")
@pytest.mark.parametrize(
    ("kind", "part"), [("output_audio_transcript", "output_audio"), ("audio_transcript", "audio")], ids=["ga", "beta"]
)
def test_what_was_said_aloud_is_recorded_however_far_the_stream_came(kind, part, cut):
    """The transcript is the answer; session events are none of it, and say the model."""
    chunks = events(kind, part)[:cut]
    accumulator = llm_accumulator(chunks[0])
    brought = [accumulator.add(chunk) for chunk in chunks]
    found = accumulator.attributes()
    assert [place for place, one in enumerate(brought) if one] == [4, 6]
    assert found["output.value"] == "Hello"
    assert found["llm.model_name"] == "gpt-realtime"
    assert found["llmtrace.llm.response_id"] == "resp_1"
    assert found[f"{OUT}.contents.0.message_content.type"] == "audio"
    assert found[f"{OUT}.contents.0.message_content.audio.audio.transcript"] == "Hello"


def test_audio_tokens_are_counted_apart():
    """The counts of a whole answer, with those of audio and of the cache."""
    found = llm_answer(events("output_audio_transcript", "output_audio")[-1]["response"])
    counts = {key.removeprefix("llm.token_count."): value for key, value in found.items() if "token_count" in key}
    assert counts == {
        "prompt": 20,
        "completion": 10,
        "total": 30,
        "prompt_details.cache_read": 4,
        "prompt_details.audio": 8,
        "completion_details.audio": 6,
    }
    assert found["llm.finish_reason"] == "completed"


def test_a_function_that_is_called_as_the_first_item_is_an_answer():
    """Items of a session look like those of the Responses API."""
    call = {
        "id": "i",
        "object": "realtime.item",
        "type": "function_call",
        "name": "f",
        "call_id": "c",
        "arguments": "{}",
    }
    found = llm_answer({"object": "realtime.response", "id": "r", "status": "completed", "output": [call]})
    assert found[f"{OUT}.tool_calls.0.tool_call.function.name"] == "f"
    assert found[f"{OUT}.tool_calls.0.tool_call.id"] == "c"


def test_an_error_event_is_why_the_answer_failed():
    """A stream that ends in an error event has failed, and says with which words."""
    error = {"type": "error", "code": "server_error", "message": "boom", "param": None}
    accumulator = llm_accumulator({"type": "response.created", "response": {"id": "r", "model": "m"}})
    accumulator.add({"type": "response.created", "response": {"id": "r", "model": "m"}})
    accumulator.add(error)
    found = accumulator.attributes()
    assert found["llm.finish_reason"] == "failed"
    assert "boom" in found["output.value"]
    assert found["llm.model_name"] == "m"
