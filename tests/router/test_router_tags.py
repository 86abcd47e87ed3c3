"""From a tagged span to alerts: which labels and annotations it gets, and that no content gets past."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, SPAN_ID, TRACE_ID, make_tag

from llmtrace.router.config import Links
from llmtrace.router.intake.tags import LONGEST_ANNOTATION, LONGEST_LABEL, TaggedEvent, TaggedSpan, alerts_of
from llmtrace.semconv import alert as words
from llmtrace.semconv import trace

LINKS = Links("http://phoenix:6006/redirects/traces/{trace_id}")
SPAN = TaggedSpan(
    trace_id=TRACE_ID,
    span_id=SPAN_ID,
    name="retrieval",
    status="error",
    duration=1.5,
    ended_at=NOON,
    resource={trace.SERVICE_NAME: "bot", trace.SERVICE_VERSION: "7"},
    attributes={trace.SPAN_KIND: "RETRIEVER", trace.LLM_MODEL_NAME: "gpt-x", trace.PROMPT_VERSION: "v7"},
    tags=(),
)


def tagged(*tags, **changes):
    """The span with these tags."""
    return replace(SPAN, tags=tuple(TaggedEvent(tag, None) for tag in tags), **changes)


def alerts(*tags, **changes):
    """The alerts of the span with these tags."""
    return alerts_of(tagged(*tags, **changes), LINKS, NOON)


def test_labels_say_which_condition_and_annotations_the_rest():
    """Every part of a tag and of its span stands where rules and readers look for it."""
    tag = make_tag(
        "error", key="k", reason="why", team="t", priority="P1", runbook_url="https://r", regulated=True, count=3,
        **{"segment.tier": "premium", "segment.data-center": "eu"},
    )  # fmt: skip
    (alert,) = alerts(tag)
    assert alert.labels == {
        "alertname": "k", "severity": "error", "service": "bot", "team": "t", "priority": "P1", "model": "gpt-x",
        "prompt_version": "v7", "kind": "RETRIEVER", "source": "tag", "regulated": "true",
        "segment_tier": "premium", "segment_data_center": "eu",
    }  # fmt: skip
    assert alert.annotations == {
        "reason": "why", "runbook_url": "https://r", "count": "3", "trace_id": TRACE_ID, "span_id": SPAN_ID,
        "span_name": "retrieval", "span_status": "error", "duration_seconds": "1.500", "service.version": "7",
        "trace_url": f"http://phoenix:6006/redirects/traces/{TRACE_ID}",
    }  # fmt: skip
    assert alert.starts_at == NOON


def test_without_a_key_the_span_names_the_alert():
    """The name is kind and span name, never the reason; a span without a kind has its name alone."""
    assert alerts(make_tag(reason="anything"))[0].name == "RETRIEVER-retrieval"
    assert alerts(make_tag(), attributes={})[0].name == "retrieval"


def test_the_same_key_is_one_alert_and_another_key_a_second():
    """Of tags with the same key the most severe wins; the attributes' own tag adds none."""
    tags = [make_tag("warning", key="a"), make_tag("critical", key="a"), make_tag("error", key="a"), make_tag(key="b")]
    found = alerts(*tags, attributes={**SPAN.attributes, **make_tag(key="a")})
    assert [(alert.name, alert.severity.value) for alert in found] == [("a", "critical"), ("b", "critical")]


def test_attributes_alone_are_a_tag():
    """A span whose events were lost, or that was tagged by hand, is an alert too."""
    (alert,) = alerts(attributes=make_tag("warning", reason="by hand"))
    assert (alert.severity.value, alert.annotations["reason"]) == ("warning", "by hand")


def test_the_severity_of_the_trace_is_no_alert():
    """A root that only carries the worst severity below it says nothing of its own."""
    assert alerts(attributes={words.TRACE_SEVERITY: "critical"}) == []


@pytest.mark.parametrize("severity", ["fatal", "", None, 3])
def test_a_severity_that_is_none_is_refused(severity):
    """The four severities are the only ones; the message names them."""
    with pytest.raises(ValueError, match="none of critical, error, warning, info"):
        alerts({words.SEVERITY: severity})


def test_content_does_not_get_past():
    """Attributes that are not slim reach neither labels nor annotations; slim numbers do."""
    attributes = {
        trace.INPUT_VALUE: "canary", "llm.input_messages.0.message.content": "canary", "anything": "canary",
        trace.USER_ID: "canary", trace.LLM_TOKEN_COUNT_TOTAL: 17,
    }  # fmt: skip
    (alert,) = alerts(make_tag(), attributes=attributes)
    assert "canary" not in repr(alert)
    assert alert.annotations[trace.LLM_TOKEN_COUNT_TOTAL] == "17"


@given(st.text(st.characters(), max_size=50), st.text(st.characters(exclude_categories=[]), max_size=50))
def test_any_text_can_be_stored(key, reason):
    """NUL and half surrogate pairs, which databases refuse, are replaced."""
    for alert in alerts(make_tag(key=key, reason=reason)):
        for text in (*alert.labels.values(), *alert.annotations.values()):
            assert "\0" not in text
            text.encode()


def test_labels_and_annotations_are_bounded():
    """Neither a huge value nor a thousand segments gets through whole."""
    segments = {f"segment.s{number}": "x" for number in range(1000)}
    (alert,) = alerts(make_tag(key="k" * 10_000, reason="r" * 10_000, **segments))
    assert len(alert.name) == LONGEST_LABEL
    assert len(alert.annotations["reason"]) == LONGEST_ANNOTATION
    assert len(alert.labels) < 50
