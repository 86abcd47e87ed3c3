"""OTLP/HTTP: both encodings, plain and gzip, give the same alerts; anything malformed is a clear refusal."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from router_values import NOON, SPAN_ID, TRACE_ID, make_request, make_span, make_tag

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp
from llmtrace.router.intake.body import LARGEST_DECOMPRESSED, MOST_ALERTS
from llmtrace.router.intake.otlp import Encoding
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.semconv import alert as words

LINKS = Links("http://localhost:6006/redirects/traces/{trace_id}")


def read(body: bytes, encoding: Encoding = Encoding.PROTOBUF, content_encoding: str = "") -> otlp.Export:
    """Read a body that came in at noon."""
    return otlp.read(body, encoding, content_encoding, LINKS, NOON)


def as_json(request) -> dict:
    """OTLP's JSON: protobuf's own, but with hex ids."""
    data = json_format.MessageToDict(request)
    for span in data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span |= {"traceId": TRACE_ID, "spanId": SPAN_ID}
    return data


REQUEST = make_request(make_span(make_tag(key="a", reason="why"), input__value="canary"), make_span())


def test_protobuf_and_json_plain_and_gzip_say_the_same():
    """The alert does not depend on how it was written down; the untagged span is nothing."""
    body, text = REQUEST.SerializeToString(), json.dumps(as_json(REQUEST)).encode()
    expected = read(body)
    assert [alert.name for alert in expected.alerts] == ["a"]
    assert expected.alerts[0].annotations["trace_id"] == TRACE_ID
    assert "canary" not in repr(expected)
    assert read(text, Encoding.JSON) == expected
    assert read(gzip.compress(body), content_encoding="gzip") == expected
    assert read(gzip.compress(text), Encoding.JSON, "gzip") == expected


def test_nothing_to_tell_is_accepted():
    """Untagged spans, an empty request and unknown JSON fields are fine and give no alert."""
    assert read(make_request(make_span()).SerializeToString()).alerts == ()
    assert read(b"").alerts == ()
    assert read(b'{"resourceSpans": [], "news": 1}', Encoding.JSON).alerts == ()


def test_a_bad_tag_costs_its_span_alone():
    """Other spans of the request are taken, and the answer says how many were not, and why."""
    request = make_request(make_span(make_tag("fatal"), name="bad"), make_span(make_tag(key="good")))
    export = read(request.SerializeToString())
    assert [alert.name for alert in export.alerts] == ["good"]
    answer = ExportTraceServiceResponse.FromString(otlp.answer(export, Encoding.PROTOBUF))
    assert answer.partial_success.rejected_spans == 1
    assert "span 'bad': llmtrace.alert.severity is missing or none of critical" in answer.partial_success.error_message


def test_the_answer_speaks_the_senders_encoding():
    """A full success is an empty message; a refusal is google.rpc.Status; both in protobuf or JSON as asked."""
    export = read(b"")
    assert otlp.answer(export, Encoding.PROTOBUF) == b""
    assert json.loads(otlp.answer(export, Encoding.JSON)) == {}
    refusal = Status.FromString(otlp.refusal(400, "no", Encoding.PROTOBUF))
    assert (refusal.code, refusal.message) == (3, "no")
    assert json.loads(otlp.refusal(400, "no", Encoding.JSON)) == {"code": 3, "message": "no"}


def test_half_a_surrogate_pair_does_not_cost_the_batch():
    """JSON may spell half a character; the alert arrives with a question mark in its place."""
    data = as_json(make_request(make_span(make_tag(key="a"))))
    text = json.dumps(data).replace('"a"', '"a\\ud83d"').encode()
    assert [alert.name for alert in read(text, Encoding.JSON).alerts] == ["a?"]


def test_a_time_that_is_not_said_is_the_time_of_arrival():
    """A span without times is an alert that starts now, without a duration."""
    span = make_span(make_tag(key="a"))
    span.start_time_unix_nano = span.end_time_unix_nano = span.events[0].time_unix_nano = 0
    (alert,) = read(make_request(span).SerializeToString()).alerts
    assert alert.starts_at == NOON
    assert "duration_seconds" not in alert.annotations


def test_extreme_times_and_codes_are_taken():
    """The highest time and a status code of the future are no fault."""
    span = make_span(make_tag(key="a"))
    span.end_time_unix_nano = span.events[0].time_unix_nano = 2**64 - 1
    span.status.code = 99
    (alert,) = read(make_request(span).SerializeToString()).alerts
    assert alert.starts_at.year == 2554


NESTED = b'{"resourceSpans":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
DEEP_VALUE = {"arrayValue": {"values": []}}
for _ in range(300):
    DEEP_VALUE = {"arrayValue": {"values": [DEEP_VALUE]}}


@pytest.mark.parametrize(
    ("body", "encoding", "content_encoding", "status", "problem"),
    [
        (b"\xff\xff", Encoding.PROTOBUF, "", 400, "no ExportTraceServiceRequest in application/x-protobuf"),
        (b"", Encoding.JSON, "", 400, "in application/json"),
        (b"[]", Encoding.JSON, "", 400, "in application/json"),
        (b"null", Encoding.JSON, "", 400, "in application/json"),
        (b'{"resourceSpans": 7}', Encoding.JSON, "", 400, "in application/json"),
        (b'{"resourceSpans": [7]}', Encoding.JSON, "", 400, "in application/json"),
        (b'{"resourceSpans": "x"}', Encoding.JSON, "", 400, "in application/json"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', Encoding.JSON, "", 400, "json"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}', Encoding.JSON, "", 400, "json"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"abcd"}]}]}]}', Encoding.JSON, "", 400, "json"),
        (NESTED, Encoding.JSON, "", 400, "in application/json"),
        (
            json.dumps({"resourceSpans": [{"resource": {"attributes": [{"key": "a", "value": DEEP_VALUE}]}}]}).encode(),
            Encoding.JSON, "", 400, "in application/json",
        ),
        (b"1" * 10_000, Encoding.JSON, "", 400, "in application/json"),
        (b"no gzip", Encoding.PROTOBUF, "gzip", 400, "not gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], Encoding.PROTOBUF, "gzip", 400, "not one whole gzip stream"),
        (gzip.compress(b"", mtime=0) + b"more", Encoding.PROTOBUF, "gzip", 400, "not one whole gzip stream"),
        (zlib.compress(b""), Encoding.PROTOBUF, "gzip", 400, "not gzip"),
        (b"", Encoding.PROTOBUF, "zstd", 415, "content-encoding must be gzip or identity"),
        (gzip.compress(bytes(LARGEST_DECOMPRESSED + 1), mtime=0), Encoding.PROTOBUF, "gzip", 413, "when decompressed"),
    ],
)  # fmt: skip
def test_malformed_input_is_refused_with_its_status(body, encoding, content_encoding, status, problem):
    """Each way of being wrong has its status and its words."""
    with pytest.raises(RefusedError, match=problem) as caught:
        read(body, encoding, content_encoding)
    assert caught.value.status == status


def test_a_request_of_too_many_alerts_is_refused():
    """Alerts take more room than the spans that they come from: their number is bounded."""
    tags = [{words.SEVERITY: "info", words.KEY: str(number)} for number in range(MOST_ALERTS + 1)]
    with pytest.raises(RefusedError, match="more than 10000 alerts") as caught:
        read(make_request(make_span(*tags)).SerializeToString())
    assert caught.value.status == 413


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/grpc", "application/x-protobuf2"])
def test_other_content_types_are_refused(content_type):
    """The message names both that are taken."""
    with pytest.raises(RefusedError, match="application/x-protobuf or application/json"):
        otlp.encoding_of(content_type)


def test_content_types_may_carry_parameters():
    """Letter case and a charset do not matter."""
    assert otlp.encoding_of("Application/JSON; charset=utf-8") is Encoding.JSON


@given(st.binary(max_size=300), st.sampled_from(list(Encoding)), st.sampled_from(["", "gzip"]))
def test_any_bytes_are_an_export_or_a_refusal(body, encoding, content_encoding):
    """No body yields another exception."""
    try:
        read(body, encoding, content_encoding)
    except RefusedError as error:
        assert error.status in (400, 413, 415)  # noqa: PT017 - bytes that happen to be right are fine too


shapes = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["resourceSpans", "scopeSpans", "spans", "traceId", "links", "events", "attributes", "key", "value"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=15,
)


@given(shapes)
def test_any_json_is_an_export_or_a_refusal(data):
    """Right names with wrong values of any kind are a refusal."""
    try:
        read(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": data}]}]}).encode(), Encoding.JSON)
    except RefusedError as error:
        assert error.status == 400  # noqa: PT017 - a shape that happens to be right is fine too
