"""JSON that is written when it is first read: nobody can tell, except by the clock."""

from __future__ import annotations

import functools
import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from strategies import any_texts, plain_scalars, plain_values

import llmtrace
from llmtrace import _provider
from llmtrace._attributes import late, put_value, values
from llmtrace._attributes.late import put_later, settle
from llmtrace._values.serialize import to_json

pytest_plugins = ["core_fixtures"]


@given(value=st.one_of(st.dictionaries(any_texts, plain_scalars, max_size=8), plain_values))
def test_it_is_the_json_that_would_have_been_written_at_once(value):
    """Whatever the value, the attributes are those of `put_value` when they are read."""
    at_once: dict[str, Any] = {}
    waiting: dict[str, Any] = {}
    patient = functools.partial(to_json, budget=60.0)  # a busy machine must not decide what is recorded
    with mock.patch.object(values, "to_json", patient), mock.patch.object(late, "to_json", patient):
        put_value(at_once, "value", "mime", value)
        put_later(waiting, "value", "mime", value)
        settle(waiting)
    assert waiting == at_once


@pytest.mark.parametrize("alike", [(1, True, 1.0), (0, False, 0.0, -0.0), ("1", 1), (None, "null")])
def test_values_that_are_merely_equal_are_told_apart(alike):
    """The JSON of a dict that came before is used again only for exactly the same values."""
    for value in (*alike, *alike):
        waiting = {"value": {"temperature": value}}
        settle(waiting)
        assert waiting == {"value": to_json({"temperature": value})}


def test_remembered_json_is_bounded():
    """However many different dicts a service records, few are remembered, and no large one."""
    with mock.patch.dict(late._known, clear=True):
        for number in range(late._MOST_KNOWN + 10):
            settle({"value": {"number": number}})
        assert 0 < len(late._known) <= late._MOST_KNOWN
        late._known.clear()
        settle({"value": {"text": "x" * late._LARGEST_KNOWN}})
        assert not late._known


@pytest.mark.parametrize("inner", [1, [1], {"a": 1}])
def test_what_the_caller_changes_later_is_not_recorded(spans, inner):
    """Arguments, parameters and outputs are those of the moment, however the caller uses his dicts afterwards."""
    given_away = {"query": "refunds", "more": inner}
    shown = json.dumps(given_away, separators=(",", ":"))
    with llmtrace.tool_span("search", given_away) as span:
        span.record_output(given_away)
        with llmtrace.llm_span("m", **given_away):
            given_away["query"] = "changed"
            if not isinstance(inner, int):
                inner.clear()
    model_call, tool = spans[0].attributes, spans[1].attributes
    assert tool["input.value"] == tool["tool.parameters"] == tool["output.value"] == shown
    assert model_call["llm.invocation_parameters"] == shown


def test_a_view_of_the_attributes_never_shows_what_waits(spans):
    """`span.attributes` is live, as in the SDK, and shows texts only, also for what is recorded after it was taken."""
    with llmtrace.tool_span("search", {"query": "refunds"}) as span:
        view = span.attributes
        span.record_output({"found": 1})
        assert (view["input.value"], view["output.value"]) == ('{"query":"refunds"}', '{"found":1}')


class Reading(SpanProcessor):
    """Reads the attributes as soon as a span starts."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - the SDK's protocol
        self.seen.append(dict(span.attributes))


class Choosing(Sampler):
    """A sampler that reads the attributes."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def should_sample(self, *args: Any, **named: Any) -> Any:
        self.seen.append(dict(args[4]))
        return ALWAYS_ON.should_sample(*args, **named)

    def get_description(self) -> str:
        return "choosing"


def test_samplers_and_processors_see_texts(start, monkeypatch):
    """Whoever reads a span at its start, sampler or processor, reads JSON, and each span of one block has its own."""
    provider = start()
    reading, choosing = Reading(), Choosing()
    provider.add_span_processor(reading)
    monkeypatch.setattr(_provider._running.source, "sampler", choosing)
    block = llmtrace.llm_span("m", temperature=0.5)
    for _ in range(2):
        with block:
            pass
    for seen in (reading.seen, choosing.seen):
        assert [each["llm.invocation_parameters"] for each in seen] == ['{"temperature":0.5}'] * 2
