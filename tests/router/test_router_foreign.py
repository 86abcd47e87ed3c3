"""Other people's alerts: what is odd but legal is an alert, and what is not says what is wrong with it and where."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from router_values import NOON

from llmtrace.router.config import Links
from llmtrace.router.intake import alertmanager, generic, mapping, otlp
from llmtrace.router.intake.body import LARGEST_DECOMPRESSED, decompress, read_json
from llmtrace.router.intake.builtin import mapping_of
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.texts import LONGEST_ANNOTATION, LONGEST_LABEL
from llmtrace.router.model import Annotation, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmtrace.router.model import Alert

LINKS = Links("")
HOUR = timedelta(hours=1)
NAMED = {"alertname": "odd", "severity": "critical"}
BODY = b'[{"labels": {"alertname": "a", "severity": "critical"}}]'


def pushed(**fields: Any) -> Alert:
    """As a Prometheus pushes it."""
    (alert,) = alertmanager.read_push(json.dumps([{"labels": NAMED, **fields}]).encode(), HOUR, NOON)
    return alert


def sent(**fields: Any) -> Alert:
    """As an Alertmanager, or what speaks like one, sends it."""
    (alert,) = alertmanager.read_webhook(json.dumps({"alerts": [{"labels": NAMED, **fields}]}).encode(), HOUR, NOON)
    return alert


def posted(**fields: Any) -> Alert:
    """In the generic format."""
    (alert,) = generic.read(json.dumps({"name": "odd", **fields}).encode(), "generic", LINKS, HOUR, NOON)
    return alert


@pytest.mark.parametrize("read", [pushed, sent])
def test_names_that_only_newer_senders_give_become_names_of_ours(read):
    """A Prometheus 3 pushes `service.name`: the batch is taken, and an exact name beside it keeps its value."""
    labels = {**NAMED, "service.name": "bot", "service_name": "exact", "日本": "x", "1st": "y"}
    assert read(labels=labels).labels == {
        "source": "alertmanager", **NAMED, "service_name": "exact", "__": "x", "_1st": "y",
    }  # fmt: skip


@pytest.mark.parametrize("read", [pushed, sent])
def test_null_is_what_go_writes_for_nothing(read):
    """In labels, annotations and times; of the year 1 the same holds."""
    alert = read(labels={**NAMED, "empty": None}, annotations={"a": None}, startsAt=None, endsAt="0001-01-01T00:00:00Z")
    assert "empty" not in alert.labels
    assert (alert.starts_at, alert.ends_at, alert.status) == (NOON, NOON + HOUR, Status.FIRING)


@pytest.mark.parametrize("read", [pushed, sent])
def test_a_leap_second_is_a_time(read):
    """RFC 3339 has them."""
    assert read(startsAt="2016-12-31T23:59:60Z").starts_at == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert posted(starts_at="2016-12-31T23:59:60.5+00:00").starts_at.second == 59


def test_what_was_read_from_an_alertmanager_can_be_posted_on():
    """Its own answers hold a state, a fingerprint and receivers, which its API lets pass."""
    status = {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    alert = pushed(status=status, fingerprint="ab", receivers=[{"name": "x"}], updatedAt="2026-01-01T00:00:00Z")
    assert alert.status is Status.FIRING


@pytest.mark.parametrize("values", [{"A": {"x": 1}}, [1, 2], "x", {"A": None}, 7])
def test_what_grafana_measured_may_have_any_shape(values):
    """It is told where it can be, and no alert is lost for it."""
    assert Annotation.VALUE not in sent(values=values).annotations


def test_a_state_in_capitals_is_a_state():
    """As some relays write it."""
    assert sent(status=" RESOLVED ").status is Status.RESOLVED


def test_null_says_nothing_in_the_generic_format():
    """In every field but the name."""
    nothing = dict.fromkeys(set(generic.GenericAlert.model_fields) - {"name"})
    assert posted(**nothing) == posted()


ODD = {"an object": {"a": {"b": 1}}, "a list": [1, {"a": 2}], "a long text": "x" * 10_000, "a large number": 10**30,
       "true": True, "null": None, "the year 1": "0001-01-01T00:00:00Z"}  # fmt: skip
TOOLS = {
    "langfuse": {"type": "monitor-alert", "timestamp": "2026-01-01T00:00:00Z",
                 "payload": {"monitorId": "m", "projectId": "p", "severity": "ALERT", "permalink": "https://l",
                             "message": {"title": "latency", "body": "slow"}}},
    "langsmith": {"alert_rule_name": "errors", "alert_rule_id": "r", "project_name": "p", "triggered_threshold": 3,
                  "triggered_metric_value": 5, "timestamp": "2026-01-01T00:00:00Z"},
    "opik": {"alertName": "errors", "alertId": "a", "createdAt": "2026-01-01T00:00:00Z", "message": "m"},
    "arize": {"monitor_name": "drift", "severity": "critical", "metric_value": 1.5, "threshold": 2, "segment": "s",
              "description": "d", "url": "https://a"},
}  # fmt: skip


def places(data: dict[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """Every field, those within fields too."""
    for name, value in data.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from places(value, *above, name)


def put(data: dict[str, Any], place: Sequence[str], value: Any) -> dict[str, Any]:
    """The same with another value there."""
    name, *rest = place
    return {**data, name: put(data[name], rest, value) if rest else value}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("odd", ODD)
def test_no_alert_of_another_tool_is_lost_over_a_field_of_another_shape(tool, odd):
    """What fits is told, and what was left out is named; only a name it must have."""
    for place in places(TOOLS[tool]):
        body = put(TOOLS[tool], place, ODD[odd])
        try:
            items = mapping.apply(mapping_of(tool), body)
            (alert,) = generic.build(items, tool, LINKS, HOUR, NOON, is_foreign=True)
        except RefusedError as refused:
            assert "name: " in str(refused)  # noqa: PT017 - of most places it is not
        else:
            assert max(map(len, alert.annotations.values()), default=0) <= LONGEST_ANNOTATION


def test_what_another_tool_says_at_length_is_cut():
    """A model's answer as the reason of an alert is no reason to lose it."""
    item = {"name": "n" * 5_000, "reason": "r" * 50_000, "value": {"a": 1}, "labels": {"project": "p" * 9_000}}
    (alert,) = generic.build([item], "tool", LINKS, HOUR, NOON, is_foreign=True)
    assert (len(alert.name), len(alert.annotations[Annotation.REASON]), len(alert.labels["project"])) == (
        LONGEST_LABEL, LONGEST_ANNOTATION, LONGEST_LABEL,
    )  # fmt: skip
    assert alert.annotations[generic.LEFT_OUT] == "value"
    with pytest.raises(RefusedError, match="name"):
        generic.build([item], "generic", LINKS, HOUR, NOON)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(gzip.compress(BODY), "gzip", id="gzip"),
        pytest.param(gzip.compress(BODY), "x-gzip", id="its-old-name"),
        pytest.param(gzip.compress(BODY), "identity, gzip", id="a-list"),
        pytest.param(gzip.compress(BODY[:9]) + gzip.compress(b"") + gzip.compress(BODY[9:]), "gzip", id="streams"),
        pytest.param(b"\xef\xbb\xbf" + BODY, "", id="byte-order-mark"),
        pytest.param(BODY.decode().encode("utf-16"), "identity", id="utf-16"),
    ],
)
def test_a_body_may_be_written_in_many_ways(body, encoding):
    """All of them are the same JSON."""
    assert read_json(decompress(body, encoding)) == json.loads(BODY)


@pytest.mark.parametrize(
    ("body", "encoding", "status", "problem"),
    [
        pytest.param(gzip.compress(BODY), "", 415, "say so by content-encoding: gzip", id="gzip-unsaid"),
        pytest.param(b"", "deflate", 415, "must be gzip or identity", id="deflate"),
        pytest.param(gzip.compress(gzip.compress(BODY)), "gzip, gzip", 415, "must be gzip", id="twice"),
        pytest.param(gzip.compress(b"") * 2_000, "gzip", 400, "not one whole gzip stream", id="many-streams"),
        pytest.param(gzip.compress(BODY) + b"more", "gzip", 400, "not one whole gzip stream", id="more-behind"),
        pytest.param(gzip.compress(bytes(LARGEST_DECOMPRESSED // 4)) * 5, "gzip", 413, "when decompressed", id="bombs"),
        pytest.param(b'[{"value": NaN}]', "", 400, "NaN is no number in JSON", id="nan"),
        pytest.param(b'[{"a": 1,\n]', "", 400, "line 2, column 1", id="where"),
        pytest.param(b'"\xff"', "", 400, "it is not UTF-8", id="latin-1"),
    ],
)
def test_what_cannot_be_read_says_why(body, encoding, status, problem):
    """And where, without quoting what stands there."""
    with pytest.raises(RefusedError, match=problem) as refused:
        read_json(decompress(body, encoding))
    assert refused.value.status == HTTPStatus(status)


def test_a_byte_order_mark_costs_no_export():
    """In OTLP's JSON too."""
    read = otlp.read(b'\xef\xbb\xbf{"resourceSpans": []}', otlp.Encoding.JSON, "", LINKS, NOON)
    assert read == otlp.Export(())


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"startTimeUnixNano": "-1"}, "startTimeUnixNano cannot be read"),
        ({"traceId": "MDEyMzQ1Njc4OWFiY2RlZg=="}, "traceId is not hexadecimal"),
        ({"spanId": 7}, "spanId is not hexadecimal"),
        ({"parentSpanId": "abcd"}, "parentSpanId is neither 8 nor 16 bytes"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "SECRET"}}]}, "attributes.value cannot be read"),
        ({"name": 5}, "name cannot be read"),
    ],
)
def test_a_span_that_is_wrong_costs_no_other(fault, problem):
    """Of a Collector's batch in JSON the others are taken; the answer counts the one and names its field."""
    tag = {"key": "llmtrace.alert.severity", "value": {"stringValue": "critical"}}
    good = {"name": "good", "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "attributes": [tag]}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [good, {**good, **fault}, good]}]}]}
    export = otlp.read(json.dumps(body).encode(), otlp.Encoding.JSON, "", LINKS, NOON)
    assert (len(export.alerts), export.refused_spans) == (2, 1)
    assert problem in export.refusal
    assert "SECRET" not in export.refusal


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"resourceSpans": [}', "line 1, column 20"),
        (b'{"resourceSpans": [{"resource": {"attributes": 5}}]}', "resourceSpans.resource.attributes cannot be read"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "x"}]}]}]}', "traceId is not hexadecimal"),
    ],
)
def test_a_body_that_is_no_export_says_where(body, problem):
    """The field, or the place in the text."""
    with pytest.raises(RefusedError, match=problem):
        otlp.read(body, otlp.Encoding.JSON, "", LINKS, NOON)
