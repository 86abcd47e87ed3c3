"""Metrics from spans: what is measured, and how many series that can be."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags
from records import record

from llmtrace._metering import Distribution, MeterStore
from llmtrace.processors import span_metrics
from llmtrace.processors.span_metrics import MOST_VALUES, SpanMetrics
from llmtrace.semconv import alert, metrics, trace

KINDS = ["LLM", "EMBEDDING", "RERANKER", "TOOL", "AGENT", "RETRIEVER", "EVALUATOR", "CHAIN", "GUARDRAIL", None, 7]


def series(store: MeterStore, instrument) -> dict[tuple, object]:
    """The series of one metric."""
    return dict(store).get(instrument, {})


def labels_of(store: MeterStore, instrument) -> list[dict[str, object]]:
    """The attributes of each series of one metric."""
    return [dict(labels) for labels in series(store, instrument)]


def count(store: MeterStore, instrument) -> float:
    """Measurements of a histogram, else the total of a counter."""
    found = series(store, instrument).values()
    return sum(sum(one.counts) if isinstance(one, Distribution) else one.total for one in found)


def observe(*records, redact=str, most_series=1_000) -> MeterStore:
    """A store in which these spans were measured."""
    store = MeterStore(most_series)
    observer = SpanMetrics(store, redact)
    for span in records:
        observer(span)
    return store


def tool(name: str, **fields):
    """A tool call."""
    return record({trace.SPAN_KIND: "TOOL", trace.TOOL_NAME: name}, **fields)


def test_values_beyond_the_bound_count_as_other():
    """A model that invents a tool name for each call makes a hundred series, and one for all others."""
    store = observe(*(tool(f"tool-{number}") for number in range(1_000)))
    found = labels_of(store, metrics.TOOL_DURATION)
    assert len(found) == MOST_VALUES + 1
    assert {metrics.TOOL: metrics.OTHER} in found
    assert count(store, metrics.TOOL_DURATION) == 1_000


def test_series_beyond_the_bound_are_one():
    """Many values of several attributes multiply: beyond the bound of a metric there is one series for the rest."""
    calls = [
        record({trace.SPAN_KIND: "LLM", trace.LLM_MODEL_NAME: f"m{a}", trace.PROMPT_VERSION: f"v{b}"})
        for a in range(20)
        for b in range(20)
    ]
    store = observe(*calls, most_series=50)
    found = labels_of(store, metrics.OPERATION_DURATION)
    assert len(found) == 51
    assert {metrics.OVERFLOW: True} in found
    assert count(store, metrics.OPERATION_DURATION) == 400


def test_what_is_remembered_is_bounded(monkeypatch):
    """Neither the cache of series nor the list of known values grows with the traffic."""
    monkeypatch.setattr(span_metrics, "_MOST_CACHED", 10)
    store = MeterStore()
    observer = SpanMetrics(store, str)
    for number in range(1_000):
        observer(tool(f"tool-{number}"))
    assert len(observer._groups) <= 10
    assert all(len(known) <= MOST_VALUES for known in observer._known.values())
    assert count(store, metrics.TOOL_DURATION) == 1_000


def test_values_are_redacted_and_cut():
    """Before a value is first used; the redaction sees each value once."""
    seen = []

    def hide(text):
        seen.append(text)
        return text.replace("secret", "***")

    store = observe(*(tool("my-secret-" + "x" * 500) for _ in range(10)), redact=hide)
    (labels,) = labels_of(store, metrics.TOOL_DURATION)
    assert labels[metrics.TOOL].startswith("my-***-xxx")
    assert len(labels[metrics.TOOL]) == 128
    assert len(seen) == 1


def test_an_error_is_named_by_its_type():
    """The last exception's type; a failed span without one is _OTHER; its message is nowhere."""
    event = Event("exception", {"exception.type": "openai.RateLimitError", "exception.message": "secret"})
    failed = Status(StatusCode.ERROR, "secret")
    store = observe(tool("t", status=failed, events=[event]), tool("t", status=failed), tool("t", events=[event]))
    assert labels_of(store, metrics.TOOL_ERRORS) == [
        {metrics.TOOL: "t", metrics.ERROR: "openai.RateLimitError"},
        {metrics.TOOL: "t", metrics.ERROR: metrics.OTHER},
    ]
    assert "secret" not in repr(list(store))


def test_a_call_is_named_by_the_conventions_words():
    """The model that was asked for, and the provider as the conventions call it, said or known by the model's name."""
    asked = {trace.LLM_REQUEST_MODEL_NAME: "mistral-small", trace.LLM_MODEL_NAME: "mistral-small-2409"}
    store = observe(
        record({trace.SPAN_KIND: "LLM", **asked, trace.LLM_PROVIDER: "mistralai"}),
        record({trace.SPAN_KIND: "EMBEDDING", trace.EMBEDDING_MODEL_NAME: "text-embedding-3-small"}),
        record({trace.SPAN_KIND: "LLM", trace.LLM_MODEL_NAME: "house-made"}),
    )
    assert labels_of(store, metrics.OPERATION_DURATION) == [
        {metrics.OPERATION: "chat", metrics.PROVIDER: "mistral_ai", metrics.MODEL: "mistral-small"},
        {metrics.OPERATION: "embeddings", metrics.PROVIDER: "openai", metrics.MODEL: "text-embedding-3-small"},
        {metrics.OPERATION: "chat", metrics.MODEL: "house-made"},
    ]


@pytest.mark.parametrize(("flags", "has_exemplar"), [(0, False), (1, True), (3, True), (2, False)])
def test_only_a_sampled_span_is_an_exemplar(flags, has_exemplar):
    """What may be dropped later is not pointed at."""
    span = tool("t", context=SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(flags)))
    (found,) = series(observe(span), metrics.TOOL_DURATION).values()
    assert [kept.context.trace_id for kept in found.exemplars.values()] == ([5] if has_exemplar else [])


def test_nothing_is_measured_where_nobody_takes_it():
    """A destination that is not ready costs one question."""
    store = MeterStore()
    store.is_ready = False
    SpanMetrics(store, str)(tool("t"))
    assert dict(store) == {}


numbers = st.one_of(
    st.integers(), st.floats(), st.text(max_size=3), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)
)
attributes = st.fixed_dictionaries(
    {trace.SPAN_KIND: st.sampled_from(KINDS)},
    optional={
        trace.LLM_MODEL_NAME: st.one_of(st.text(max_size=4), st.integers(), st.none()),
        trace.LLM_PROVIDER: st.text(max_size=2),
        trace.PROMPT_VERSION: st.one_of(st.text(max_size=2), st.tuples(st.text(max_size=1))),
        trace.TOOL_NAME: st.text(max_size=3),
        trace.LLM_TOKEN_COUNT_PROMPT: numbers,
        trace.LLM_TOKEN_COUNT_COMPLETION: numbers,
        trace.LLM_COST_TOTAL: numbers,
        trace.TIME_TO_FIRST_TOKEN: numbers,
        trace.STREAM_OUTCOME: st.one_of(st.sampled_from(["complete", "abandoned"]), numbers),
        trace.RETRIEVAL_COUNT: numbers,
        "retrieval.documents.0.document.score": numbers,
        "evaluations.0.evaluation.name": st.text(max_size=3),
        "evaluations.0.evaluation.score": numbers,
    },
)
spans = st.builds(
    record,
    attributes,
    name=st.text(max_size=4),
    duration=st.integers(0, 10**12),
    status=st.sampled_from([Status(), Status(StatusCode.ERROR)]),
    events=st.sampled_from([[], [Event(alert.EVENT_NAME, {alert.SEVERITY: "error"})], [Event(alert.EVENT_NAME, {})]]),
)


HUGE = record({trace.SPAN_KIND: "RETRIEVER", trace.RETRIEVAL_COUNT: 8.99e307}, name="", duration=0)
BEYOND = record({trace.SPAN_KIND: "RETRIEVER", trace.RETRIEVAL_COUNT: 10**400}, name="", duration=0)


@example([HUGE, HUGE], 1)
@example([BEYOND], 1)
@given(st.lists(spans, max_size=8), st.integers(1, 4))
def test_whatever_spans_there_are_the_series_are_few_and_sound(given_spans, most):
    """Any attributes: no metric has more series than its bound and one; attributes are documented, numbers finite."""
    store = observe(*given_spans, most_series=most)
    for instrument, found in store:
        assert len(found) <= most + 1
        for labels, one in found.items():
            assert {name for name, _ in labels} <= {*instrument.attributes, metrics.OVERFLOW}
            assert math.isfinite(one.total)
            assert one.total >= 0
            if isinstance(one, Distribution):
                assert len(one.counts) == len(instrument.buckets) + 1
                assert one.lowest <= one.highest or sum(one.counts) == 0
    calls = [
        span
        for span in given_spans
        if span.attributes[trace.SPAN_KIND] in ("LLM", "EMBEDDING", "RERANKER", "RETRIEVER")
    ]
    assert count(store, metrics.OPERATION_DURATION) == len(calls)
