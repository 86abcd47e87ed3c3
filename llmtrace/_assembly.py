"""What stands behind a tracer, put together from the settings: the pipeline with its steps, sinks and branches.

Nothing here runs at import of the parts that it names: what a setting does not ask for is not loaded.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from llmtrace._config import Settings
from llmtrace._joined import JoinedProvider
from llmtrace._sinks import backend_sinks, destination, router_sink
from llmtrace._tracer import TracerProvider
from llmtrace.exporters.alert_branch import AlertBranch
from llmtrace.exporters.pipeline import Pipeline
from llmtrace.exporters.verdict import Tail
from llmtrace.exporters.ways import Beside, Look, Observer, Sink, Step
from llmtrace.exporters.write_ahead import WriteAheadPipeline
from llmtrace.hints import When
from llmtrace.sampling import Preset, policy_of

if TYPE_CHECKING:
    from llmtrace._metering import Meters
    from llmtrace.exporters.metric_delivery import MetricDelivery


def pipeline(
    settings: Settings, resource: Resource, source: TracerProvider | JoinedProvider, scores: Beside | None = None
) -> Pipeline:
    """The pipeline for the spans of one `init_tracing`; `scores` end with it."""
    sinks: list[Sink] = [*backend_sinks(settings, resource, joined=isinstance(source, JoinedProvider))]
    if settings.console:
        from llmtrace.exporters.console import Console  # noqa: PLC0415 - only where it is asked for

        sinks.append(Console())
    metrics = _metric_delivery(settings, resource)
    kind = WriteAheadPipeline if settings.spool is not None and settings.spool.write_ahead else Pipeline
    return kind(
        partial(_steps, settings, resource),
        sinks,
        hints=partial(_hints, settings),
        observers=partial(_observers, settings, metrics, names_traces=_flag_is_the_verdict(settings, source)),
        alerts=_alert_branch(settings, resource),
        tail=_tail(settings, source),
        quick=kind is Pipeline and not _looks_early(settings),
        beside=tuple(way for way in (metrics, scores) if way is not None),
    )


def _tail(settings: Settings, source: TracerProvider | JoinedProvider) -> Tail | None:
    """What decides on whole traces, where the preset decides in this process."""
    policy = policy_of(settings.sampling)
    if policy is None:
        return None
    from llmtrace.processors.tail import TailSampling  # noqa: PLC0415 - as above
    from llmtrace.processors.tail.counts import joined_decision  # noqa: PLC0415 - only where it is asked for

    if isinstance(source, JoinedProvider):
        base = joined_decision(policy.ratio, source.sampler)
        return TailSampling(policy, base=base, believes=policy.trust_upstream)
    return TailSampling(policy)


def _metric_delivery(settings: Settings, resource: Resource) -> MetricDelivery | None:
    """The way of the metrics that llmtrace sends itself."""
    if settings.metrics.url is None:
        return None
    from llmtrace._metering import MeterStore  # noqa: PLC0415 - most services send no metrics this way
    from llmtrace.exporters.metric_delivery import MetricDelivery  # noqa: PLC0415 - as above

    target = destination(settings, "metrics", settings.metrics.url, settings.metrics.headers)
    said = partial(_redacted, settings, resource)
    return MetricDelivery(MeterStore(), target, said, interval=settings.metrics.interval)


def _redacted(settings: Settings, resource: Resource) -> Resource:
    from llmtrace.processors.chain import text_redaction  # noqa: PLC0415 - as in `_steps`

    return text_redaction(settings.privacy).resource(resource)


def _flag_is_the_verdict(settings: Settings, source: TracerProvider | JoinedProvider) -> bool:
    """Whether a span whose sampled flag is set is surely exported.

    Not where a Collector decides later, nor where the flag is an application's sampler's and the verdict is ours.
    """
    if policy_of(settings.sampling) is None:
        return settings.sampling is Preset.DEVELOPMENT
    return not isinstance(source, JoinedProvider)


def _observers(settings: Settings, delivery: MetricDelivery | None, *, names_traces: bool) -> tuple[Observer, ...]:
    """The metrics, where anybody takes them; run once, on the worker, with the first span."""
    meters = _meters(settings, delivery)
    if meters is None:
        return ()
    from llmtrace.processors.chain import text_redaction  # noqa: PLC0415 - as in `_steps`
    from llmtrace.processors.cost import total_of  # noqa: PLC0415 - as in `_steps`
    from llmtrace.processors.span_metrics import SpanMetrics  # noqa: PLC0415 - as in `_steps`

    return (SpanMetrics(meters, text_redaction(settings.privacy).text, cost=total_of(), names_traces=names_traces),)


def _meters(settings: Settings, delivery: MetricDelivery | None) -> Meters | None:
    if delivery is not None:
        delivery.start()
        return delivery.store
    if not settings.metrics.is_on or "opentelemetry.sdk.metrics" not in sys.modules:
        return None
    from llmtrace.exporters.app_meters import AppMeters, app_provider  # noqa: PLC0415 - as in `_steps`

    provider = app_provider()
    return None if provider is None else AppMeters(provider)


def _hints(settings: Settings) -> tuple[Look, ...]:
    """What happens to every span before the verdict on its trace; run once, on the worker."""
    from llmtrace.processors.alert_hints import AlertHints  # noqa: PLC0415 - as in `_steps`
    from llmtrace.processors.cost import cost_step  # noqa: PLC0415 - as in `_steps`

    cost = cost_step() if _asks_cost(settings) else ()
    return (*cost, *((AlertHints(settings.hints),) if settings.hints else ()))


def _looks_early(settings: Settings) -> bool:
    """Whether anybody wants to see spans that may be dropped; else only the tail looks at them."""
    metered = settings.metrics.url is not None or (
        settings.metrics.is_on and "opentelemetry.sdk.metrics" in sys.modules
    )
    from llmtrace import pricing  # noqa: PLC0415 - as in `_steps`

    is_priced = _asks_cost(settings) and pricing.is_installed()  # else a cost is there when the span ends, or never
    return bool(settings.hints or settings.alerts or metered or is_priced)


def _asks_cost(settings: Settings) -> bool:
    """Whether a verdict or a rule needs the cost on the span; else it is worked out for what is kept or sent only."""
    policy = policy_of(settings.sampling)
    return any(rule.when is When.COST for rule in settings.hints) or (policy is not None and policy.asks_cost)


def _alert_branch(settings: Settings, resource: Resource) -> AlertBranch | None:
    if settings.alerts is None:
        return None
    return AlertBranch(router_sink(settings, resource, settings.alerts), partial(_slim_steps, settings))


def _slim_steps(settings: Settings) -> tuple[Step, ...]:
    """What happens to a tagged span on its way to the router; run once, on the worker."""
    from llmtrace.processors.chain import slim_chain  # noqa: PLC0415 - as in `_steps`

    return slim_chain(settings.privacy)


def _steps(settings: Settings, resource: Resource) -> tuple[Step, ...]:
    """What happens to a span between its end and the wire; run once, on the worker."""
    from llmtrace.processors.chain import chain  # noqa: PLC0415 - 25 ms of patterns that the app's start need not pay

    return chain(resource, settings.privacy, settings.conventions, settings.limits)
