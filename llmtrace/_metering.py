"""Metrics in this process: counted at a microsecond each, bounded in number, read by whoever sends them.

OpenTelemetry's SDK needs twenty times as long for one measurement, which on every span is more than the span itself
costs. Here a series is looked up once and then kept by whoever measures. Where the numbers go is not decided here.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from time import time_ns
from typing import Final, Protocol

from opentelemetry.trace import SpanContext

from llmtrace._stats import stats
from llmtrace.semconv import metrics
from llmtrace.semconv.metrics import Instrument, Kind

MOST_SERIES: Final = 1_000
"""Series of one metric; what comes beyond them is counted in one more, whose attribute says so."""

Labels = tuple[tuple[str, str | bool], ...]
"""Attributes in a form that can be a key."""


class Series(Protocol):
    """One metric with one set of attributes."""

    def record(self, value: float, exemplar: SpanContext | None = None) -> None:
        """Measure, or count up by `value`; `exemplar` is a span that is surely exported."""


class Meters(Protocol):
    """Where measurements go."""

    @property
    def is_ready(self) -> bool:
        """Whether anybody takes them."""

    def series(self, instrument: Instrument, labels: Labels) -> Series:
        """The series of these attributes."""


@dataclass(slots=True)
class Exemplar:
    """One measurement of a bucket, and the span that it comes from."""

    value: float
    at: int
    context: SpanContext


class Distribution:
    """A histogram's series."""

    __slots__ = ("_bounds", "counts", "exemplars", "highest", "lowest", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.lowest = float("inf")
        self.highest = float("-inf")
        self.exemplars: dict[int, Exemplar] = {}

    def record(self, value: float, exemplar: SpanContext | None = None) -> None:
        """Put a value in its bucket."""
        bucket = bisect_left(self._bounds, value)
        self.counts[bucket] += 1
        self.total += value
        if value < self.lowest:  # noqa: PLR1730 - a call of min() costs as much as all the rest
            self.lowest = value
        if value > self.highest:  # noqa: PLR1730 - as above
            self.highest = value
        if exemplar is not None:
            self.exemplars[bucket] = Exemplar(value, time_ns(), exemplar)


class Total:
    """A counter's series."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0

    def record(self, value: float, exemplar: SpanContext | None = None) -> None:  # noqa: ARG002 - as a series
        """Count up."""
        self.total += value


class MeterStore:
    """The series of this process, since it began. Measured by one thread, read by another under `lock`."""

    def __init__(self, most_series: int = MOST_SERIES) -> None:
        self._most_series = most_series
        self.is_ready = True
        self.renew()

    def renew(self) -> None:
        """Begin from zero: at the start, and in a forked child."""
        self.lock = threading.Lock()
        self.since = time_ns()
        self._series: dict[Instrument, dict[Labels, Distribution | Total]] = {}

    def series(self, instrument: Instrument, labels: Labels) -> Series:
        """The series of these attributes; beyond the bound the one that stands for all others."""
        with self.lock:
            present = self._series.setdefault(instrument, {})
            found = present.get(labels)
            if found is None:
                if len(present) >= self._most_series:
                    labels = ((metrics.OVERFLOW, True),)
                found = present.setdefault(labels, _new(instrument))
            return found

    def __iter__(self) -> Iterator[tuple[Instrument, dict[Labels, Distribution | Total]]]:
        """Every metric with its series; hold `lock` while you read."""
        return iter(self._series.items())


def _new(instrument: Instrument) -> Distribution | Total:
    return Distribution(instrument.buckets) if instrument.kind is Kind.HISTOGRAM else Total()


_STATS: Final = (
    ("traces.kept.", metrics.TRACES_KEPT),
    ("traces.dropped", metrics.TRACES_DROPPED),
    ("traces.evicted", metrics.TRACES_EVICTED),
    ("traces.partial", metrics.TRACES_PARTIAL),
    ("buffer.spans", metrics.BUFFER_SPANS),
    ("lost.", metrics.SPANS_LOST),
    ("delivered", metrics.SPANS_DELIVERED),
    ("spans.unobserved", metrics.SPANS_UNOBSERVED),
    ("alerts.sent", metrics.ALERTS_SENT),
)
"""How a counter of `llmtrace._stats` begins, and the metric that it belongs to; what follows is the reason."""
_COUNTER: Final = re.compile(r"([^\[]*)(?:\[(.*)\])?")


def own_counts() -> Iterator[tuple[Instrument, Labels, int]]:
    """What llmtrace did with the spans of this process, as metrics."""
    for counter, value in {**stats.snapshot(), **stats.levels()}.items():
        found = _COUNTER.fullmatch(counter)
        if found is None:
            continue
        name, backend = found[1], found[2]
        for start, instrument in _STATS:
            if name.startswith(start):
                reason = name[len(start) :].strip(".")
                labels = ((metrics.REASON, reason), (metrics.BACKEND, backend))
                kept = tuple((key, text) for key, text in labels if text and key in instrument.attributes)
                yield instrument, kept, value
                break
