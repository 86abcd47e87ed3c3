"""Alert tags on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity, is_slim_key

texts = st.text(min_size=1)
tags = st.builds(
    AlertTag,
    st.sampled_from(Severity),
    reason=st.none() | texts,
    key=st.none() | texts,
    team=st.none() | texts,
    priority=st.none() | texts,
    runbook_url=st.none() | texts,
    regulated=st.booleans(),
    source=st.just("tag") | texts.map("rule:".__add__),
    count=st.integers(1, 10**6),
    segment=st.dictionaries(texts, texts),
)


@given(tags)
def test_a_tag_survives_the_wire(tag):
    """Attributes made of a tag are read back as an equal tag."""
    assert AlertTag.from_attributes(tag.to_attributes()) == tag


@given(tags)
def test_a_tag_is_flat_and_may_travel(tag):
    """Each attribute of a tag is a scalar under llmtrace.alert, and allowed on a slim span."""
    for key, value in tag.to_attributes().items():
        assert key.startswith("llmtrace.alert.")
        assert type(value) in (str, bool, int)
        assert is_slim_key(key)


def test_severities_are_ranked_worst_first():
    """critical, error, warning, info: a smaller rank is worse."""
    assert [severity.value for severity in Severity] == ["critical", "error", "warning", "info"]
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3]


@pytest.mark.parametrize("severity", [None, "", "fatal", 3])
def test_attributes_without_a_severity_are_no_tag(severity):
    """A sender's attributes without one of the four severities are refused."""
    with pytest.raises(ValueError, match="Severity"):
        AlertTag.from_attributes({alert.SEVERITY: severity})


def test_a_foreign_sender_is_read_leniently():
    """Upper case, numbers as texts, an empty or odd count: the tag is still read."""
    tag = AlertTag.from_attributes(
        {alert.SEVERITY: "CRITICAL", alert.REGULATED: "True", alert.COUNT: "many", alert.KEY: 7, alert.TEAM: ""}
    )
    assert tag == AlertTag(Severity.CRITICAL, regulated=True, key="7")


@pytest.mark.parametrize(
    "key",
    [
        trace.INPUT_VALUE,
        trace.OUTPUT_VALUE,
        trace.METADATA,
        trace.TAGS,
        trace.TOOL_PARAMETERS,
        trace.TOOL_DESCRIPTION,
        trace.PROMPT_TEMPLATE,
        trace.PROMPT_VARIABLES,
        trace.LLM_INVOCATION_PARAMETERS,
        "llm.input_messages.0.message.content",
        "retrieval.documents.0.document.content",
        "exception.message",
        "some.key.of.the.user",
        "llmtrace.alertness",
        "",
    ],
)
def test_content_may_not_travel_to_the_router(key):
    """A key that is not on the list of what is allowed is content."""
    assert not is_slim_key(key)


@pytest.mark.parametrize(
    "key",
    [
        trace.SPAN_KIND,
        trace.LLM_MODEL_NAME,
        trace.PROMPT_VERSION,
        trace.SESSION_ID,
        trace.LLM_TOKEN_COUNT_TOTAL,
        trace.RETRIEVAL_COUNT,
        "llm.cost.total",
        alert.TRACE_SEVERITY,
    ],
)
def test_kind_model_counts_and_ids_may_travel(key):
    """What the router decides by is allowed."""
    assert is_slim_key(key)
