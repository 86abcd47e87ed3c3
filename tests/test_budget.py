"""One budget of time for all that a recording call renders, and lists that end."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bounded import at_most
from strategies import HOSTILE

import llmtrace
from llmtrace._attributes.budget import MOST_TAKEN, each
from llmtrace._values.spending import spending

pytest_plugins = ["core_fixtures"]

EXTRA = 0.005
"""Seconds that a call may cost more than without us; four times that here: others share the cores and their caches."""
SLOW = 0.0003


class Slow:
    """Takes a moment to be shown, as an object with a database behind it."""

    def __repr__(self) -> str:
        stop = time.perf_counter() + SLOW
        while time.perf_counter() < stop:
            pass
        return "slow"


class Bare:
    """Shows nothing."""


class Lazy(Sequence[Any]):
    """A sequence that is no list."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]


def llm(messages: Any = None, answer: Any = None, **more: Any) -> Callable[[], None]:
    """A model call."""

    def call() -> None:
        with llmtrace.llm_span("m", messages, **more) as span:
            if answer is not None:
                span.record_output(answer)

    return call


def documents(found: Any) -> Callable[[], None]:
    """A retrieval."""

    def call() -> None:
        with llmtrace.retrieval_span("q") as span:
            span.record_documents(found)

    return call


def embedding(texts: Any, answer: Any) -> Callable[[], None]:
    """An embedding."""

    def call() -> None:
        with llmtrace.embedding_span("e", texts) as span:
            span.record_output(answer)

    return call


def streamed(chunk: Any) -> Callable[[], None]:
    """A stream of one chunk."""

    def call() -> None:
        with llmtrace.llm_span("m") as span:
            list(span.record_stream(iter([chunk])))

    return call


def judged(answer: Any) -> Callable[[], None]:
    """A guardrail's answer."""

    def call() -> None:
        with llmtrace.guardrail_span("g") as span:
            span.record_output(answer)

    return call


def using(value: Any) -> Callable[[], None]:
    """Values carried."""

    def call() -> None:
        prompt = llmtrace.Prompt(variables={"x": [value] * 1000})
        with llmtrace.using(metadata={"x": [value] * 1000}, tags=[value] * 1000, prompt=prompt):
            pass

    return call


MANY = 5_000
NUMBERS = [0] * 300_000
CALLS = {
    "messages": (llm([Slow()] * MANY), 1),
    "messages of a sequence": (llm(Lazy([Slow()] * MANY)), 1),
    "bare messages of a sequence": (llm(Lazy([Bare()] * MANY)), 1),
    "contents": (llm([{"role": "user", "content": Slow()}] * MANY), 1),
    "parts": (llm([{"role": "user", "content": [Slow()] * MANY}]), 1),
    "messages, tools and parameters": (llm(Lazy([Slow()] * MANY), tools=Lazy([Slow()] * MANY), p=[Slow()] * MANY), 1),
    "tool calls": (
        llm([{"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": Slow()}}] * MANY}]),
        1,
    ),
    "documents": (documents([Slow()] * MANY), 1),
    "choices": (llm(answer={"choices": [{"message": {"role": "assistant", "content": Slow()}}] * MANY}), 1),
    "blocks": (llm(answer={"type": "message", "content": [Slow()] * MANY}), 1),
    "parts of a candidate": (llm(answer={"candidates": [{"content": {"parts": [Slow()] * MANY}}]}), 1),
    "items": (llm(answer={"object": "response", "output": [Slow()] * MANY}), 1),
    "texts and vectors": (embedding([Slow()] * MANY, [Slow()] * MANY), 2),
    "long vectors": (embedding("t", [[0.5] * 1536] * 1000), 1),
    "carried values": (using(Slow()), 1),
    "numbers in a part of an unknown type": (llm([{"role": "user", "content": [{"type": "news", "x": NUMBERS}]}]), 1),
    "dicts in a part of an unknown type": (
        llm([{"role": "user", "content": [{"type": "news", "x": [{"y": [{}] * 100}] * 1000}]}]),
        1,
    ),
    "parts of a delta": (streamed({"choices": [{"delta": {"content": NUMBERS}}]}), 1),
    "parts of a streamed candidate": (streamed({"candidates": [{"content": {"parts": NUMBERS}}]}), 1),
    "summaries": (llm(answer={"object": "response", "output": [{"type": "reasoning", "summary": NUMBERS}]}), 1),
    "a vector in base64": (embedding("t", {"data": [{"embedding": "A" * 4_000_000}]}), 1),
    "a vector without end": (embedding("t", [[0.5] * 1_000_000]), 1),
    "a guardrail's essay": (judged("word " * 500_000), 1),
}


@pytest.mark.parametrize("case", CALLS)
def test_thousands_of_foreign_objects_share_one_budget(case, spans, strict):
    """Whatever a call is given thousands of, it costs a few milliseconds, not one budget for each of them."""
    call, recordings = CALLS[case]
    call()
    best = min(_seconds(call) for _ in range(10))
    assert best < 4 * recordings * EXTRA


def _seconds(call: Callable[[], None]) -> float:
    """CPU seconds of this thread: other processes on the machine do not count."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


def test_what_is_left_out_is_said_and_the_last_one_comes(spans, strict):
    """Where time is up a mark says how many are missing; the last message is there."""
    llm([*[Slow()] * MANY, {"role": "user", "content": "the question"}])()
    attributes = dict(spans[0].attributes)
    texts = [value for key, value in attributes.items() if key.endswith("message.content")]
    assert texts[-1] == "the question"
    assert any("more" in text and "out of time" in text for text in texts)


def test_a_long_plain_conversation_is_taken_whole(spans, strict):
    """2,000 messages of dicts are all there; of more than that the first and the last, and how many are missing."""
    llm([{"role": "user", "content": str(number)} for number in range(MOST_TAKEN)])()
    llm([{"role": "user", "content": str(number)} for number in range(MOST_TAKEN + 10)])()
    whole, cut = (dict(span.attributes) for span in spans)
    assert whole[f"llm.input_messages.{MOST_TAKEN - 1}.message.content"] == str(MOST_TAKEN - 1)
    assert cut["llm.input_messages.0.message.content"] == "0"
    assert cut[f"llm.input_messages.{MOST_TAKEN // 2}.message.content"] == "…[10 more]"
    assert cut[f"llm.input_messages.{MOST_TAKEN}.message.content"] == str(MOST_TAKEN + 9)


def test_a_long_conversation_of_parts_is_taken_whole(spans, strict):
    """500 messages of three parts each lose nothing: plain dicts are not what the budget is for."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "text", "text": "c"}]
    llm([{"role": "user", "content": parts}] * 500)()
    texts = [key for key in dict(spans[0].attributes) if key.endswith("message_content.text")]
    assert len(texts) == 1_500


def test_after_a_call_each_rendering_has_its_own_budget_again(spans, strict):
    """What one call spent does not count for the next."""
    llm([Slow()] * MANY)()
    assert spending.left is None
    llm(answer={"choices": [{"message": {"role": "assistant", "content": Slow()}}]})()
    assert "slow" in str(dict(spans[1].attributes))


def test_a_list_that_is_left_in_the_middle_leaves_no_budget_behind():
    """A loop that ends early closes what it opened."""
    items = each([1, 2, 3])
    assert next(items) == 1
    items.close()
    assert spending.left is None


HEAVY: dict[str, Callable[[], Any]] = {
    "10 MB text": lambda: "x" * 10_000_000,
    "10 MB text inside": lambda: {"a": "é" * 5_000_000},
    "1,000,000 numbers": lambda: list(range(1_000_000)),
    "100,000 keys": lambda: {str(number): number for number in range(100_000)},
    "10,000 objects": lambda: [Bare() for _ in range(10_000)],
    "10,000 slow objects": lambda: [Slow() for _ in range(10_000)],
    "a set of 100,000": lambda: set(range(100_000)),
    "10 MB bytes": lambda: b"x" * 10_000_000,
}


def tool(value: Any) -> None:
    """A tool call."""
    with llmtrace.tool_span("t", value):
        pass


def result(value: Any) -> None:
    """A tool's result."""
    with llmtrace.tool_span("t") as span:
        span.record_output(value)


def attribute(value: Any) -> None:
    """An attribute of the user's own."""
    with llmtrace.chain_span("c", attributes={"mine": value}) as span:
        span.add_event("e", {"mine": value})


def carried(**values: Any) -> None:
    """Values of `using`."""
    with llmtrace.using(**values):
        pass


def error(value: Any) -> None:
    """An exception."""
    with contextlib.suppress(ValueError), llmtrace.chain_span("c"):
        raise ValueError(value)


DOORS: dict[str, Callable[[Any], Any]] = {
    "messages": lambda value: llm(value)(),
    "content": lambda value: llm([{"role": "user", "content": value}])(),
    "parameter": lambda value: llm("q", extra=value)(),
    "answer": lambda value: llm("q", value)(),
    "arguments": tool,
    "result": result,
    "documents": lambda value: documents(value)(),
    "attribute": attribute,
    "metadata": lambda value: carried(metadata={"x": value}),
    "tags": lambda value: carried(tags=value),
    "exception": error,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("heavy", HEAVY)
def test_a_heavy_value_costs_no_more_than_a_light_one(door, heavy, spans, lenient):
    """However large a value is, by whatever door it comes: the call costs a few milliseconds more."""
    value = HEAVY[heavy]()
    with at_most(20.0):
        DOORS[door](value)
        best = min(_seconds(lambda: DOORS[door](value)) for _ in range(4))
    assert best < 4 * EXTRA


def test_the_other_spans_of_the_batch_arrive(start, sink, lenient):
    """Between hostile values by every door, 99 ordinary spans reach the backend, each with what it says."""
    start()
    values = [make for name, make in HOSTILE.items() if "end" not in name] + list(HEAVY.values())
    doors = list(DOORS.values())
    for number in range(99):
        with llmtrace.tool_span(f"good-{number}", {"n": number}):
            pass
        door, make = doors[number % len(doors)], values[number % len(values)]
        with at_most(20.0):
            door(make())
    assert llmtrace.flush(60)
    arrived = {span.name: span.attributes for span in sink.spans if span.name.startswith("tool.good-")}
    assert len(arrived) == 99
    assert all(json.loads(found["input.value"]) == {"n": int(name[10:])} for name, found in arrived.items())
