"""llmtrace's worst: what its quick ways do not take, and what no span should hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from openai.types.chat import ChatCompletion
from peers.ours import initialised
from workload import ANSWER, MESSAGES, MODEL, NESTED, PARAMETERS

import llmtrace

REQUIREMENTS = ()
"""Installed in the environment that runs the benchmarks."""

TWO_HUNDRED: list[dict[str, Any]] = MESSAGES * 50
IN_PARTS = [
    {"role": message["role"], "content": [{"type": "text", "text": message["content"] or "calls"}]}
    for message in MESSAGES
]
CHUNK = {
    "object": "chat.completion.chunk",
    "model": MODEL,
    "choices": [{"index": 0, "delta": {"content": "token "}, "finish_reason": None}],
}
CHUNKS = 500
HUGE = [{"role": "user", "content": "x" * 10_000_000}]


class Foreign:
    """An object that can only be asked for its repr, which raises."""

    def __repr__(self) -> str:
        raise ValueError


HOSTILE = {"values": [Foreign() for _ in range(5_000)]}


def record(messages: Any, answer: Any) -> None:
    """One LLM call."""
    with llmtrace.llm_span(MODEL, messages, **PARAMETERS) as span:
        span.record_output(answer)


def stream() -> None:
    """One LLM call that is answered in pieces."""
    with llmtrace.llm_span(MODEL, MESSAGES, **PARAMETERS) as span:
        for _ in span.record_stream(iter([CHUNK] * CHUNKS)):
            pass


def tool(arguments: dict[str, Any]) -> None:
    """One call of a tool."""
    with llmtrace.tool_span("search_docs", arguments) as span:
        span.record_output("found")


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    work: dict[str, Callable[[], None]] = {
        "text": partial(record, MESSAGES, ANSWER["choices"][0]["message"]["content"]),
        "sdk-object": partial(record, MESSAGES, ChatCompletion.construct(**ANSWER)),
        "parts": partial(record, IN_PARTS, ANSWER),
        "200": partial(record, TWO_HUNDRED, ANSWER),
        "stream": stream,
        "huge": partial(record, HUGE, ANSWER),
        "nested": partial(tool, NESTED),
        "hostile": partial(tool, HOSTILE),
    }
    return {case: initialised(do) for case, do in work.items()}
