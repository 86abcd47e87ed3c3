"""A record and a glance: the same span read in two ways."""

from __future__ import annotations

from contextlib import suppress

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import llmtrace
from llmtrace._record import Glance, SpanRecord, duration_of, held_by
from llmtrace.testing import capture_spans

READ = ("name", "context", "parent", "resource", "start_time", "end_time", "duration", "status", "routes")
"""What hints and metrics read of a span beside attributes and events."""


def ours():
    """A failed span of ours below a request."""
    with capture_spans() as spans:
        tracer = llmtrace.get_tracer()
        with (
            tracer.start_as_current_span("GET /chat/7", kind=SpanKind.SERVER, attributes={"url.path": "/chat/7"}),
            suppress(ValueError),
            llmtrace.llm_span("gpt-4o", "hello"),
        ):
            llmtrace.tag_alert("warning", key="k")
            raise ValueError("text")
    return spans[0]


def theirs():
    """A span of an SDK tracer."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("theirs", attributes={"a": 1}) as span:
        span.add_event("e", {"b": 2})
    return exporter.get_finished_spans()[0]


@pytest.mark.parametrize("make", [ours, theirs])
def test_a_glance_reads_as_the_record_does(make):
    """Every field that is looked at before the verdict is the record's, of our spans and of third parties'."""
    span = make()
    glance, record = Glance(span), SpanRecord.of(span)
    assert {name: getattr(glance, name) for name in READ} == {name: getattr(record, name) for name in READ}
    assert dict(glance.attributes) == dict(record.attributes) == dict(held_by(glance))
    assert [event.name for event in glance.events] == [event.name for event in record.events]
    assert duration_of(glance) == record.duration > 0
    assert glance.whole() == SpanRecord.of(glance) == record
    assert not glance.is_changed


def test_a_span_of_ours_knows_the_route_of_its_request():
    """The path of the open root span that it belongs to."""
    assert SpanRecord.of(ours()).routes == ("/chat/7",)
    assert SpanRecord.of(theirs()).routes == ()


@pytest.mark.parametrize("make", [ours, theirs])
def test_what_is_added_is_in_the_record_and_not_on_the_span(make):
    """Other processors of the application hold the same span: it is not changed under their hands."""
    span = make()
    before = dict(span.attributes)
    glance = Glance(span).plus({"x": 1}).plus({"y": 2, "x": 3})
    assert glance.is_changed
    assert {**before, "x": 3, "y": 2} == dict(glance.attributes) == dict(glance.whole().attributes)
    assert SpanRecord.of(span).plus({"x": 3, "y": 2}) == glance.whole()
    assert dict(span.attributes) == before


def test_a_record_is_a_copy():
    """Attributes of a record are its own."""
    span = ours()
    record = SpanRecord.of(span)
    assert record.attributes is not span.attributes
    assert record.whole() is record
    assert {*record._fields} >= {"by_rule", "duration", "routes"}
