"""Metrics into the application's own MeterProvider: its readers and views decide what becomes of them.

The SDK's price for a measurement is its own; who minds it has llmtrace send the metrics itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import metrics as api
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from llmtrace._metering import Labels, Series, own_counts
from llmtrace.semconv import metrics
from llmtrace.semconv.metrics import Instrument, Kind

NAME: Final = "llmtrace"


def app_provider() -> MeterProvider | None:
    """The SDK's MeterProvider that the application has set; None where it has set none."""
    sdk = sys.modules.get("opentelemetry.sdk.metrics")
    provider = api.get_meter_provider() if sdk is not None else None
    return provider if sdk is not None and isinstance(provider, sdk.MeterProvider) else None


class AppMeters:
    """Instruments in one provider of the application."""

    is_ready = True

    def __init__(self, provider: MeterProvider) -> None:
        self._instruments = _instruments(provider)

    def series(self, instrument: Instrument, labels: Labels) -> Series:
        """The series of these attributes."""
        return _AppSeries(self._instruments[instrument], dict(labels))


class _AppSeries:
    """One instrument with one set of attributes."""

    def __init__(self, measure: Callable[..., None], labels: dict[str, Any]) -> None:
        self._measure = measure
        self._labels = labels

    def record(self, value: float, exemplar: SpanContext | None = None) -> None:
        """Measure; the SDK takes the exemplar from the context, and none from one without a span."""
        context = _NO_SPAN if exemplar is None else set_span_in_context(NonRecordingSpan(exemplar), _NO_SPAN)
        self._measure(value, self._labels, context)


# Not empty: the SDK would take the current context for an empty one.
_NO_SPAN: Final = Context({NAME: True})

_made: WeakKeyDictionary[MeterProvider, dict[Instrument, Callable[..., None]]] = WeakKeyDictionary()
"""A provider keeps its instruments for good: a second `init_tracing` must find those of the first."""


def _instruments(provider: MeterProvider) -> dict[Instrument, Callable[..., None]]:
    if provider not in _made:
        meter = provider.get_meter(NAME)
        _made[provider] = {instrument: _measure(meter, instrument) for instrument in metrics.OF_SPANS}
        for instrument in metrics.OF_OURSELVES:
            make = meter.create_observable_gauge if instrument.kind is Kind.GAUGE else meter.create_observable_counter
            make(instrument.name, [partial(_observe, instrument)], instrument.unit, instrument.description)
    return _made[provider]


def _measure(meter: api.Meter, instrument: Instrument) -> Callable[..., None]:
    if instrument.kind is Kind.COUNTER:
        return meter.create_counter(instrument.name, instrument.unit, instrument.description).add
    return meter.create_histogram(
        instrument.name,
        instrument.unit,
        instrument.description,
        explicit_bucket_boundaries_advisory=list(instrument.buckets),
    ).record


def _observe(instrument: Instrument, _: CallbackOptions) -> Iterable[Observation]:
    return [Observation(value, dict(labels)) for which, labels, value in own_counts() if which is instrument]
