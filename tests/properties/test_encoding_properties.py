"""Our encoder against OpenTelemetry's own: the same message for any span."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState
from otlp_sink import decoded
from records import record
from strategies import any_texts, recipes, sound_texts

from llmtrace._record import SpanRecord
from llmtrace.exporters.fitting import made_fit
from llmtrace.exporters.otlp import Encoder, encode, span_bytes

int64s = st.integers(-(2**63), 2**63 - 1)
keys = st.text(min_size=1, max_size=20)
scalars = st.one_of(sound_texts, int64s, st.booleans(), st.floats(allow_nan=False))
sequences = st.one_of(
    *(st.lists(kind, max_size=5) for kind in (sound_texts, int64s, st.booleans(), st.floats(allow_nan=False)))
)
values = st.one_of(scalars, sequences, sequences.map(tuple))
attributes = st.dictionaries(sound_texts, values, max_size=6)
small = st.dictionaries(keys, values, max_size=3)
moments = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**32 - 1)
states = st.builds(
    TraceState,
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.from_regex(r"[ -+\--<>-~]{0,9}[a-z]", fullmatch=True)
        ),
        max_size=3,
    ),
)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 255).map(TraceFlags),
    states,
)
statuses = st.one_of(
    st.sampled_from([Status(), Status(StatusCode.OK)]),
    st.builds(Status, st.just(StatusCode.ERROR), st.none() | sound_texts),
)
events = st.builds(Event, sound_texts, small, moments)
links = st.builds(Link, contexts, small)
resources = st.builds(Resource, small, sound_texts)
scopes = st.none() | st.builds(
    InstrumentationScope, sound_texts, st.none() | sound_texts, sound_texts, st.none() | small
)
sound_records = st.builds(
    SpanRecord,
    name=sound_texts,
    context=contexts,
    parent=st.none() | contexts,
    kind=st.sampled_from(SpanKind),
    start_time=moments,
    end_time=moments,
    attributes=attributes,
    events=st.lists(events, max_size=3),
    links=st.lists(links, max_size=3),
    status=statuses,
    resource=resources,
    instrumentation_scope=scopes,
    dropped_attributes=counts,
    dropped_events=counts,
    dropped_links=counts,
)


def parsed(body: bytes) -> ExportTraceServiceRequest:
    """The request as a receiver reads it."""
    return ExportTraceServiceRequest.FromString(body)


def merged(request):
    """The request with spans of equal scopes together: no scope and an empty one are the same bytes."""
    for of_resource in request.resource_spans:
        kept = []
        for scope in of_resource.scope_spans:
            same = next((one for one in kept if (one.scope, one.schema_url) == (scope.scope, scope.schema_url)), None)
            if same is None:
                kept.append(scope)
            else:
                same.spans.extend(scope.spans)
        together = [type(one).FromString(one.SerializeToString()) for one in kept]
        del of_resource.scope_spans[:]
        of_resource.scope_spans.extend(together)
    return request


@given(st.lists(sound_records, max_size=3))
def test_our_bytes_parse_to_the_message_of_the_reference_encoder(records):
    """For any spans, one by one and as a batch: kinds, times, links, events, resources, scopes, texts of any length."""
    for one in records:
        span_bytes(one)  # our own writer can do it: the equality below is not that of a fallback
    assert parsed(encode(records)) == merged(encode_spans(records))


@settings(max_examples=60)
@given(
    st.dictionaries(any_texts, recipes, max_size=4),
    any_texts,
    any_texts,
    st.dictionaries(any_texts, recipes, max_size=2),
)
def test_so_they_do_for_any_span_after_cleaning(attributes, name, description, of_event):
    """Lone surrogates, huge integers, hostile types: we send the cleaned span, as the reference would."""
    event = Event("event", {}, 1)
    event._attributes = {key: recipe.make() for key, recipe in of_event.items()}
    hostile = record(
        {key: recipe.make() for key, recipe in attributes.items()},
        name=name,
        status=Status(StatusCode.ERROR, description),
        events=[event],
    )
    fit = made_fit(hostile)  # once: what a value that never ends is rendered to depends on the time it takes
    span_bytes(fit)
    assert parsed(encode([fit])) == encode_spans([fit])
    (span,) = decoded(encode([hostile]))
    assert (span.name, span.status_message) == (fit.name, fit.status.description or "")
    assert span.attributes.keys() == fit.attributes.keys()


@pytest.mark.parametrize("length", [0, 1, 100, *range(118, 130), *range(4_090, 4_100), *range(16_370, 16_390), 2**21])
@pytest.mark.parametrize("sign", ["a", "é", "€", "😀"])
def test_a_text_of_any_length_is_the_reference_encoders(length, sign):
    """Around each length at which a length takes one byte more: as value, key, name, in a list, an event and a link."""
    text = sign * (length // len(sign.encode()))
    context = SpanContext(1, 2, is_remote=False)
    long = record(
        {"a": text, "b": [text], text: 1},
        name=text,
        events=[Event(text, {"a": text}, 1)],
        links=[Link(context, {"a": text})],
        status=Status(StatusCode.ERROR, text),
    )
    span_bytes(long)
    assert parsed(encode([long])) == encode_spans([long])


@settings(max_examples=50)
@given(st.lists(sound_records, min_size=1, max_size=2))
def test_a_batch_holds_each_span_under_its_own_resource_and_scope(records):
    """Whatever the order in which spans of several services and scopes come."""
    encoder = Encoder()
    assert parsed(encode(records + records)) == merged(encode_spans(records + records))
    for one in records:
        encoded = encoder.encode(one)
        assert encoded is not None
        assert encoded.data == span_bytes(one)
