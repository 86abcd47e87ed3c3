"""Ollama's own chat and generate."""

from __future__ import annotations

from typing import Any

import pytest
from ollama import ChatResponse, GenerateResponse

from llmtrace.recorders import llm_answer, ollama

OUT = "llm.output_messages.0.message"
END: dict[str, Any] = {
    "model": "qwen3:8b",
    "created_at": "2026-11-20T08:00:00Z",
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_000_000_000,
    "load_duration": 1_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 500_000_000,
    "eval_count": 290,
    "eval_duration": 3_000_000_000,
}
MEASURED = {
    "llm.model_name": "qwen3:8b",
    "llm.finish_reason": "stop",
    "llm.token_count.prompt": 26,
    "llm.token_count.completion": 290,
    "llm.token_count.total": 316,
    "llmtrace.llm.total_seconds": 5.0,
    "llmtrace.llm.load_seconds": 1.0,
    "llmtrace.llm.prompt_seconds": 0.5,
    "llmtrace.llm.completion_seconds": 3.0,
    "output.value": "Paris.",
    "output.mime_type": "text/plain",
    f"{OUT}.role": "assistant",
    f"{OUT}.content": "Paris.",
    f"{OUT}.contents.0.message_content.type": "reasoning",
    f"{OUT}.contents.0.message_content.text": "France.",
}


@pytest.mark.parametrize("form", [lambda value: value, ChatResponse.model_validate], ids=["dict", "sdk"])
def test_a_chat_becomes_message_counts_and_durations(form):
    """Words, thoughts and calls are the message; durations are in seconds."""
    call = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
    message = {"role": "assistant", "content": "Paris.", "thinking": "France.", "tool_calls": [call]}
    recorded = llm_answer(form({**END, "message": message}))
    base = f"{OUT}.tool_calls.0.tool_call.function"
    assert recorded == pytest.approx({**MEASURED, f"{base}.name": "weather", f"{base}.arguments": '{"city":"Paris"}'})


@pytest.mark.parametrize("form", [lambda value: value, GenerateResponse.model_validate], ids=["dict", "sdk"])
def test_a_generation_is_the_assistants_message(form):
    """`generate` has no message: its response is one."""
    assert llm_answer(form({**END, "response": "Paris.", "thinking": "France."})) == pytest.approx(MEASURED)


@pytest.mark.parametrize("other", [None, "text", {}, {"done": True}, {"done": 1, "response": "a"}, []])
def test_what_is_no_such_answer_is_not_taken_for_one(other):
    """Answers of other shapes are left to others."""
    assert not ollama.recognises(other)
