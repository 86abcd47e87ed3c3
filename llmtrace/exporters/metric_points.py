"""From the series of this process to the bytes of an OTLP request: cumulative, with exemplars.

The points are the SDK's, the encoder is the reference one: once a minute neither costs anything.
"""

from __future__ import annotations

from time import time_ns
from typing import Final

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from llmtrace._metering import Distribution, Labels, MeterStore, Total, own_counts
from llmtrace.semconv.metrics import Instrument, Kind

_SCOPE: Final = InstrumentationScope("llmtrace")
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


def request(store: MeterStore, resource: Resource) -> bytes:
    """Everything that was measured since the store began, and what llmtrace did with the spans."""
    now = time_ns()
    with store.lock:
        found = [_metric(instrument, series, store.since, now) for instrument, series in store]
    found.extend(_own(store.since, now))
    scope = ScopeMetrics(scope=_SCOPE, metrics=found, schema_url="")
    whole = MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])
    encoded: bytes = encode_metrics(whole).SerializeToString()
    return encoded


def _metric(instrument: Instrument, series: dict[Labels, Distribution | Total], since: int, now: int) -> Metric:
    if instrument.kind is Kind.HISTOGRAM:
        distributions = ((labels, found) for labels, found in series.items() if isinstance(found, Distribution))
        points = [_distribution(instrument, labels, found, since, now) for labels, found in distributions]
        return _named(instrument, Histogram(points, _CUMULATIVE))
    totals = ((labels, found.total) for labels, found in series.items() if isinstance(found, Total))
    return _named(instrument, Sum([_number(labels, total, since, now) for labels, total in totals], _CUMULATIVE, True))


def _own(since: int, now: int) -> list[Metric]:
    points: dict[Instrument, list[NumberDataPoint]] = {}
    for instrument, labels, value in own_counts():
        points.setdefault(instrument, []).append(_number(labels, value, since, now))
    return [
        _named(instrument, Gauge(found) if instrument.kind is Kind.GAUGE else Sum(found, _CUMULATIVE, True))
        for instrument, found in points.items()
    ]


def _named(instrument: Instrument, data: Histogram | Sum | Gauge) -> Metric:
    return Metric(instrument.name, instrument.description, instrument.unit, data)


def _number(labels: Labels, value: float, since: int, now: int) -> NumberDataPoint:
    return NumberDataPoint(dict(labels), since, now, value)


def _distribution(
    instrument: Instrument, labels: Labels, found: Distribution, since: int, now: int
) -> HistogramDataPoint:
    kept, found.exemplars = found.exemplars, {}  # those of the next point shall be new ones
    exemplars = [
        SdkExemplar({}, one.value, one.at, one.context.span_id, one.context.trace_id) for one in list(kept.values())
    ]
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=sum(found.counts),
        sum=found.total,
        bucket_counts=tuple(found.counts),
        explicit_bounds=instrument.buckets,
        min=found.lowest,
        max=found.highest,
        exemplars=exemplars,
    )
