"""Metrics as they came over the wire: by name, each point with its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from otlp_sink import OtlpSink, _attributes


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a metric; `value` is a histogram's sum."""

    attributes: dict[str, Any]
    value: float
    count: int
    exemplars: list[str]
    """Trace ids."""


@dataclass(frozen=True, slots=True)
class SentMetric:
    """A metric with its points."""

    name: str
    kind: str
    unit: str
    points: list[Point]
    resource: dict[str, Any]
    buckets: tuple[float, ...] = ()

    def total(self, **attributes: Any) -> float:
        """Counts of a histogram, else values, of the points that have these attributes (``__`` stands for a dot)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}.items()
        found = [point for point in self.points if wanted <= point.attributes.items()]
        return sum(point.count if self.kind == "histogram" else point.value for point in found)


def decoded(body: bytes) -> dict[str, SentMetric]:
    """The metrics of one request."""
    request = ExportMetricsServiceRequest.FromString(body)
    found = {}
    for of_resource in request.resource_metrics:
        resource = _attributes(of_resource.resource.attributes)
        for metric in of_resource.scope_metrics[0].metrics:
            kind = metric.WhichOneof("data")
            points = list(getattr(metric, kind).data_points)
            bounds = tuple(points[0].explicit_bounds) if kind == "histogram" else ()
            found[metric.name] = SentMetric(
                metric.name, kind, metric.unit, [_point(kind, point) for point in points], resource, bounds
            )
    return found


def _point(kind: str, point: Any) -> Point:
    is_histogram = kind == "histogram"
    value = point.sum if is_histogram else (point.as_double or point.as_int)
    exemplars = [exemplar.trace_id.hex() for exemplar in point.exemplars]
    return Point(_attributes(point.attributes), value, point.count if is_histogram else 0, exemplars)


def latest(sink: OtlpSink) -> dict[str, SentMetric]:
    """The metrics that a sink was sent last."""
    bodies = [request.body for request in sink.requests if request.path.endswith("/v1/metrics")]
    return decoded(bodies[-1]) if bodies else {}
