"""Series in this process: buckets, bounds, and what llmtrace says of itself."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import SpanContext

from llmtrace._metering import MeterStore, own_counts
from llmtrace._stats import Stats, stats
from llmtrace.semconv import metrics
from llmtrace.semconv.metrics import TOKEN_USAGE

pytest_plugins = ("core_fixtures",)


@given(st.lists(st.one_of(st.integers(0, 10**9), st.floats(0, 1e9), st.sampled_from(TOKEN_USAGE.buckets)), max_size=50))
def test_a_histogram_is_the_sdks(values):
    """Counts, sum, least and most are those that the SDK's histogram of the same bounds has."""
    reader = InMemoryMetricReader()
    theirs = (
        MeterProvider([reader], shutdown_on_exit=False)
        .get_meter("m")
        .create_histogram("h", explicit_bucket_boundaries_advisory=list(TOKEN_USAGE.buckets))
    )
    ours = MeterStore().series(TOKEN_USAGE, ())
    for value in values:
        theirs.record(value)
        ours.record(value)
    data = reader.get_metrics_data()
    if not values:
        assert data is None
        return
    (point,) = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert tuple(ours.counts) == tuple(point.bucket_counts)
    assert ours.total == pytest.approx(point.sum)
    assert (ours.lowest, ours.highest) == (point.min, point.max)


def test_a_series_is_looked_up_by_its_attributes():
    """The same attributes are the same series, whoever asks."""
    store = MeterStore()
    assert store.series(TOKEN_USAGE, (("a", "b"),)) is store.series(TOKEN_USAGE, (("a", "b"),))
    assert store.series(TOKEN_USAGE, (("a", "c"),)) is not store.series(TOKEN_USAGE, (("a", "b"),))


def test_beyond_the_bound_there_is_one_series_more():
    """The overflow, as in OpenTelemetry's SDK; those that are there already stay their own."""
    store = MeterStore(2)
    first = store.series(TOKEN_USAGE, (("a", "0"),))
    others = {id(store.series(TOKEN_USAGE, (("a", str(number)),))) for number in range(2, 9)}
    assert len(others) == 2
    assert store.series(TOKEN_USAGE, (("a", "0"),)) is first
    ((_, found),) = store
    assert ((metrics.OVERFLOW, True),) in found


def test_a_bucket_keeps_its_latest_exemplar():
    """One for each bucket, so that there is one for the slow ones too."""
    series = MeterStore().series(TOKEN_USAGE, ())
    for value, trace_id in ((1, 1), (2, 2), (3, 3), (100, 4)):
        series.record(value, SpanContext(trace_id, 1, is_remote=False))
    assert {bucket: kept.context.trace_id for bucket, kept in series.exemplars.items()} == {
        bisect_left(TOKEN_USAGE.buckets, value): trace_id for value, trace_id in ((1, 1), (3, 3), (100, 4))
    }


def test_our_own_counters_are_metrics(counts):
    """What became of traces and spans, by reason and backend, and what nobody saw; other counters are not sent."""
    for name, number in {
        "traces.kept.error": 1, "traces.kept.by_chance": 2, "traces.dropped": 3, "traces.dropped.over_the_cap": 4,
        "traces.evicted": 5, "traces.partial": 6, "lost.queue_full": 7, "lost.rejected[honeycomb]": 8, "delivered": 9,
        "delivered[honeycomb]": 10, "alerts.sent": 11, "metrics.sent": 12, "tombstones": 13,
        "spans.unobserved": 14,
    }.items():  # fmt: skip
        stats.add(name, number)
    found = {(instrument.name, *dict(labels).values()): value for instrument, labels, value in own_counts()}
    assert found.pop(("llmtrace.buffer.spans",), 0) == 0
    assert found == {
        ("llmtrace.traces.kept", "error"): 1,
        ("llmtrace.traces.kept", "by_chance"): 2,
        ("llmtrace.traces.dropped",): 3,
        ("llmtrace.traces.dropped", "over_the_cap"): 4,
        ("llmtrace.traces.evicted",): 5,
        ("llmtrace.traces.partial",): 6,
        ("llmtrace.spans.lost", "queue_full"): 7,
        ("llmtrace.spans.lost", "rejected", "honeycomb"): 8,
        ("llmtrace.spans.delivered",): 9,
        ("llmtrace.spans.delivered", "honeycomb"): 10,
        ("llmtrace.alerts.sent",): 11,
        ("llmtrace.spans.unobserved",): 14,
    }


def test_what_rises_and_falls_is_read_when_asked():
    """A level is no counter: it is read each time, and the latest reader of a name counts."""
    own, level = Stats(), [3]
    own.watch("buffer.spans", lambda: -1)
    own.watch("buffer.spans", lambda: level[0])
    assert own.levels() == {"buffer.spans": 3}
    level[0] = 5
    assert own.levels() == {"buffer.spans": 5}
    assert own.snapshot() == {}
