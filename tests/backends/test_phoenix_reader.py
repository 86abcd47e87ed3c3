"""Reading back what Phoenix stored."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta

import httpx
import pytest
from raw_otlp import MILLISECOND, RawSpan, post_spans

from llmtrace.backends.phoenix import PhoenixReader
from llmtrace.semconv import trace

pytestmark = pytest.mark.phoenix


def raw(trace_id, name, start=0, **others):
    """A span that starts so many milliseconds after a minute ago."""
    base = time.time_ns() - 60_000 * MILLISECOND
    fields = {"attributes": {}, "length": 5 * MILLISECOND, **others}
    return RawSpan(trace_id, secrets.token_hex(8), name, base + start * MILLISECOND, **fields)


def test_a_trace_comes_back_as_it_was_sent(phoenix):
    """A stored span has its ids, kind, times, status, flat attributes and events."""
    trace_id = secrets.token_hex(16)
    root = raw(trace_id, "root", length=20 * MILLISECOND, attributes={trace.SPAN_KIND: trace.KIND_AGENT})
    child = raw(
        trace_id,
        "child",
        start=3,
        parent_id=root.span_id,
        attributes={trace.SPAN_KIND: trace.KIND_LLM, f"{trace.LLM_INPUT_MESSAGES}.0.{trace.MESSAGE_ROLE}": "user"},
        error="it broke",
        events=(("noted", {"n": 3}),),
    )
    post_spans(phoenix.client, phoenix.project, [child, root])

    first, second = phoenix.wait_for_trace(trace_id, 2)

    assert (first.name, first.kind, first.parent_id, first.status) == ("root", "AGENT", None, "OK")
    assert abs(first.duration - timedelta(milliseconds=20)) <= timedelta(microseconds=1)  # which is what it keeps
    assert (second.trace_id, second.span_id, second.parent_id) == (trace_id, child.span_id, root.span_id)
    assert (second.status, second.status_message) == ("ERROR", "it broke")
    assert second.attributes["llm.input_messages.0.message.role"] == "user"
    assert [(event.name, dict(event.attributes)) for event in second.events] == [("noted", {"n": 3})]


def test_more_spans_than_one_answer_holds_come_back_whole(phoenix):
    """A trace of more than a thousand spans, Phoenix's most in one answer, is read to its end."""
    trace_id = secrets.token_hex(16)
    post_spans(phoenix.client, phoenix.project, [raw(trace_id, f"span-{index}", start=index) for index in range(1100)])

    spans = phoenix.wait_for_trace(trace_id, 1100, deadline=60.0)

    assert [span.name for span in spans] == [f"span-{index}" for index in range(1100)]


def test_roots_are_one_span_for_each_trace(phoenix):
    """The roots of a project are the spans without a parent, the earliest first."""
    parents = [raw(secrets.token_hex(16), f"root-{index}", start=index) for index in (1, 0)]
    children = [raw(parent.trace_id, "child", start=9, parent_id=parent.span_id) for parent in parents]
    post_spans(phoenix.client, phoenix.project, [*parents, *children])
    for parent in parents:
        phoenix.wait_for_trace(parent.trace_id, 2)

    assert [span.name for span in phoenix.reader.roots()] == ["root-0", "root-1"]


def test_what_is_not_there_is_empty(phoenix):
    """A project that does not exist, and a trace that did not arrive, have no spans."""
    assert phoenix.reader.roots() == ()
    post_spans(phoenix.client, phoenix.project, [span := raw(secrets.token_hex(16), "other")])
    phoenix.wait_for_trace(span.trace_id, 1)
    assert phoenix.reader.trace(secrets.token_hex(16)) == ()


def test_an_unreachable_phoenix_is_an_error_of_the_client():
    """Where nobody listens, reading raises the HTTP client's own error."""
    with httpx.Client(base_url="http://127.0.0.1:1", trust_env=False) as client, pytest.raises(httpx.ConnectError):
        PhoenixReader(client, "any").roots()
