"""Records -> OTLP bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from otlp_sink import SinkSpan, decoded
from records import record
from strategies import HOSTILE, any_texts

from llmtrace.exporters import otlp
from llmtrace.exporters.otlp import encode
from llmtrace.semconv import trace as keys

pytest_plugins = ("core_fixtures",)

BAD = 500
LINK = SpanContext(7, 8, is_remote=True)


def sound(span_id: int, **fields):
    """A span of which `check` knows everything."""
    return record(
        {"a": "text", "b": True, "c": 7, "d": 0.5, "e": ("x", "y")},
        name=f"sound-{span_id}",
        span_id=span_id,
        events=[Event("event", {"k": 1}, 1_500)],
        links=[Link(LINK)],
        status=Status(StatusCode.ERROR, "why"),
        **fields,
    )


def check(span: SinkSpan, span_id: int) -> None:
    """The span arrived as `sound` made it."""
    assert span.name == f"sound-{span_id}"
    assert span.attributes == {"a": "text", "b": True, "c": 7, "d": 0.5, "e": ["x", "y"]}
    assert span.events == [("event", {"k": 1})]
    assert span.links == [(f"{7:032x}", f"{8:016x}")]
    assert (span.status, span.status_message) == (2, "why")


def among_others(bad) -> SinkSpan:
    """Encode one span among 99 others, check that these are intact, and return it as it arrived."""
    bad = bad._replace(context=SpanContext(1, BAD, is_remote=False))
    batch = [*map(sound, range(1, 51)), bad, *map(sound, range(51, 100))]
    try:
        spans = decoded(encode(batch))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
        failure = type(error).__name__
    else:
        failure = ""
    if failure:
        pytest.fail(f"encode raised {failure}", pytrace=False)
    assert len(spans) == 100, "the span is not among them"
    arrived = {int(span.span_id, 16): span for span in spans}
    for number in range(1, 100):
        check(arrived[number], number)
    return arrived[BAD]


def test_sound_spans_are_encoded_as_the_reference_encoder_does():
    """The bytes are those of OpenTelemetry's own encoder."""
    spans = [sound(number) for number in range(1, 4)]
    assert encode(spans) == encode_spans(spans).SerializeToString()


def test_a_lone_surrogate_in_a_name_costs_one_sign(counts):
    """The other 99 spans of the batch are intact, and this one arrives with U+FFFD and everything else."""
    span = among_others(sound(200)._replace(name="na\ud800me"))
    assert span.name == "na\ufffdme"
    assert span.attributes == {"a": "text", "b": True, "c": 7, "d": 0.5, "e": ["x", "y"]}
    assert span.links == [(f"{7:032x}", f"{8:016x}")]
    assert span.events == [("event", {"k": 1})]
    assert counts() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"resource": Resource({"service.name": "na\ud800me", "k": "v"})},
        {"instrumentation_scope": InstrumentationScope("na\ud800me", "1")},
        {"instrumentation_scope": InstrumentationScope("name", "\udfff")},
    ],
    ids=["resource", "scope", "scope version"],
)
def test_a_lone_surrogate_in_resource_or_scope_loses_no_span(counts, fields):
    """A service name with a bad sign must not cost every span of the service."""
    among_others(record({"a": "text"}, **fields))
    assert counts() == {}


ENDLESS = ("endless sequence", "endless mapping of endless mappings", "2**60 entries of 60 lists")
"""Neither our spans nor the SDK's take these: they could never stand on a record."""


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - set(ENDLESS)))
def test_a_hostile_attribute_loses_neither_its_span_nor_the_others(counts, name):
    """Whatever value got into a span's attributes or events, the batch is encoded and parses back."""
    value = HOSTILE[name]()
    event = Event("event", {"sound": 1}, 1_500)
    event._attributes = {"sound": 1, "bad": value}
    span = among_others(record({"sound": "text", "bad": value}, events=[event]))
    assert span.attributes["sound"] == "text"
    assert span.events[0][1]["sound"] == 1
    assert counts() == {}


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), any_texts, st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(any_texts, inner, max_size=4)),
    max_leaves=10,
)


@settings(max_examples=50)
@given(st.dictionaries(any_texts, values, max_size=4), any_texts, any_texts)
def test_no_attributes_lose_the_batch(attributes, name, description):
    """Any keys, values, names and descriptions: the others arrive intact."""
    among_others(record(attributes, name=name, status=Status(StatusCode.ERROR, description)))


def test_integers_that_otlp_cannot_carry_become_text():
    """2**70 is kept as its digits."""
    assert among_others(record({"big": 2**70, "small": -(2**63)})).attributes == {
        "big": str(2**70),
        "small": -(2**63),
    }


@pytest.mark.parametrize("value", [10**40, "c4n4ry \ud800", ("c4n4ry", "\ud800")], ids=["int", "text", "list"])
def test_nothing_is_logged_about_a_value(caplog, value):
    """A value that OTLP does not carry makes no log line, in which it would be repeated."""
    encode([record({"bad": value})])
    assert [entry.getMessage() for entry in caplog.records] == []


def test_nothing_is_an_empty_request():
    """No span encodes to a request without spans."""
    assert decoded(encode([])) == []


def test_values_of_unknown_types_become_their_json():
    """A dict that an SDK span carries natively arrives in a readable form."""
    value = among_others(record({"native": {"a": [1]}})).attributes["native"]
    assert value == {"a": [1]} or json.loads(value) == {"a": [1]}


class NoMapping(dict):
    """Attributes that cannot even be walked through."""

    def items(self):
        raise RuntimeError

    __iter__ = items


def test_a_span_that_cannot_be_encoded_is_replaced_by_a_tombstone(counts):
    """Its ids and times stay in the trace, it says what it is, and the others of the batch are intact."""
    span = among_others(record(NoMapping(a=1), name="lost"))
    assert (span.name, span.attributes) == ("lost", {keys.TOMBSTONE: "not encodable"})
    assert (span.start, span.end) == (1_000, 2_000)
    assert counts() == {"tombstones": 1}


def test_what_our_writer_cannot_do_the_reference_encoder_does(monkeypatch):
    """A mistake of our own encoder costs time, not spans."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(otlp, "span_bytes", broken)
    spans = [sound(number) for number in range(1, 4)]
    assert encode(spans) == encode_spans(spans).SerializeToString()


@pytest.mark.parametrize("moment", [-1, 2**64, 1.5, float("nan"), "now", None])
def test_a_time_that_otlp_cannot_carry_costs_no_span(counts, moment):
    """Seconds as a float, a time before 1970, no time at all: the nearest that can be sent."""
    span = among_others(record({"a": 1}, end_time=moment, events=[Event("event", {}, 7)]))
    assert span.attributes == {"a": 1}
    assert counts() == {}


def test_a_span_without_a_context_is_counted(counts):
    """Where there is not even a tombstone to be made, the others are intact."""
    batch = [sound(1), record({}, context=None), sound(2)]
    assert len(decoded(encode(batch))) == 2
    assert counts() == {"lost.not_encodable": 1}
