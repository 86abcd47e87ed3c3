"""`init_tracing`, `flush`, `shutdown`: the one place where the parts of the service half are joined."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler, _get_from_env_or_default
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NoOpTracer

from llmtrace import __version__
from llmtrace._assembly import pipeline
from llmtrace._children import call_at_end_after_fork, call_at_end_of_child
from llmtrace._config import Settings, resolve
from llmtrace._conflicts import warn_of_conflicting_distributions
from llmtrace._guard import forget_said, guarded, logger
from llmtrace._head import Head
from llmtrace._joined import JoinedProvider
from llmtrace._keeping import keeping
from llmtrace._sinks import score_sink
from llmtrace._stats import stats
from llmtrace._tracer import Tracer, TracerProvider, active
from llmtrace.exporters.pipeline import Pipeline
from llmtrace.sampling import Preset, SamplingPolicy, policy_of
from llmtrace.semconv import trace as keys

if TYPE_CHECKING:
    from llmtrace.destinations import Backend, Spool
    from llmtrace.hints import HintRule
    from llmtrace.processors.redaction_rules import Rule as RedactionRule

_SCOPE: Final = InstrumentationScope("llmtrace", __version__)


@dataclass(slots=True)
class _Running:
    """What one `init_tracing` has put together."""

    settings: Settings
    source: TracerProvider | JoinedProvider
    pipeline: Pipeline
    instrumentors: list[Any] = field(default_factory=list)

    @property
    def provider(self) -> sdk.TracerProvider:
        return self.source.provider if isinstance(self.source, JoinedProvider) else self.source


_lock = threading.RLock()
_running: _Running | None = None
_own_provider: TracerProvider | None = None
_unfinished: list[Pipeline] = []
"""What was shut down before its worker was done: the end of the process gives it a moment more."""


def init_tracing(
    service_name: str | None = None,
    *,
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
    project: str | None = None,
    sampling: str | SamplingPolicy | None = None,
    alerts: str | None = None,
    alerts_headers: Mapping[str, str] | None = None,
    service_version: str | None = None,
    environment: str | None = None,
    capture_content: bool = True,
    redaction: bool | Sequence[RedactionRule] = True,
    hints: bool | str | Path | Sequence[HintRule] | None = None,
    conventions: Sequence[str] = ("openinference",),
    auto_instrument: bool | Sequence[str] = False,
    console: bool = False,
    metrics: str | bool | None = None,
    metrics_headers: Mapping[str, str] | None = None,
    backends: Sequence[Backend] = (),
    spool: bool | str | Path | Spool | None = None,
) -> sdk.TracerProvider:
    """Begin to trace: once, at process start. Never blocks, never prints, opens no connection.

    A second call returns the same provider; settings that differ are not applied, and one warning names them. After
    `shutdown` it starts afresh. Where the application has set an SDK provider already, llmtrace joins it.

    Args:
        service_name: who makes the spans; or OTEL_SERVICE_NAME.
        endpoint: the OTLP/HTTP backend, a base URL or a full one; or PHOENIX_COLLECTOR_ENDPOINT,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT; default http://localhost:6006/v1/traces.
        headers: sent with every request to the backend; they win over those from the environment.
        project: the Phoenix project; or PHOENIX_PROJECT, PHOENIX_PROJECT_NAME.
        sampling: "development" (keep all), "production" (1 %, and all that matters), "collector" (send all), "off", or
            a SamplingPolicy; or LLMTRACE_SAMPLING.
        alerts: the router, a base URL or a full one; tagged spans go there; or LLMTRACE_ALERTS_ENDPOINT.
        alerts_headers: sent with every request to the router; or LLMTRACE_ALERTS_HEADERS.
        service_version: ``service.version``.
        environment: ``deployment.environment.name``, e.g. production.
        capture_content: False: structure, tokens and timings leave the process, and no content.
        redaction: True: secrets are replaced before anything leaves the process; rules of your own: those too; False:
            nothing is replaced.
        hints: which spans llmtrace tags with an alert severity by itself; or LLMTRACE_HINTS. True: failed model calls,
            retrievals and tools; a file in TOML or JSON, or a list of `HintRule`: those; False: none; None: True where
            `alerts` is set.
        conventions: ("openinference",), or ("openinference", "gen_ai"): OpenTelemetry's GenAI attributes as well, for
            backends that read those.
        auto_instrument: True: switch on every OpenInference instrumentor that is installed; names: those.
        console: True: draw each trace on stderr, too.
        metrics: where metrics go, counted on every span whatever the sampling; or LLMTRACE_METRICS. An OTLP/HTTP
            endpoint; "alerts": the router; False: nowhere; None: into the application's MeterProvider, if it has set
            one by the time that the first span ends.
        metrics_headers: sent with every request to that endpoint.
        backends: OTLP/HTTP backends besides the main one, each with its own queue and spool.
        spool: where spans wait on disk that cannot be delivered now; or LLMTRACE_SPOOL. True, the default:
            ``$XDG_STATE_HOME/llmtrace/spool``; a folder: there; "write-ahead": every span is on disk before its
            ``end()`` returns; `Spool`: with bounds of your own; False: nowhere. Off under pytest, unless it is set.

    Returns:
        The provider in use: give it to any OpenTelemetry instrumentor.

    Raises:
        ConfigurationError: for a setting that cannot be: which one, its value, and what is allowed.
    """
    settings = resolve(
        service_name=service_name,
        endpoint=endpoint,
        headers=headers,
        project=project,
        sampling=sampling,
        alerts=alerts,
        alerts_headers=alerts_headers,
        service_version=service_version,
        environment=environment,
        capture_content=capture_content,
        redaction=redaction,
        hints=hints,
        conventions=conventions,
        auto_instrument=auto_instrument,
        console=console,
        metrics=metrics,
        metrics_headers=metrics_headers,
        backends=backends,
        spool=spool,
    )
    global _running  # noqa: PLW0603 - tracing is one thing in a process, as OpenTelemetry's global provider is
    with _lock:
        if _running is not None:
            _warn_of_differences(_running.settings, settings)
            return _running.provider
        warn_of_conflicting_distributions()
        _running = _start(settings)
        call_at_end_of_child(_shutdown_at_exit)
        return _running.provider


def flush(timeout: float = 5.0) -> bool:
    """Send what has ended so far.

    Args:
        timeout: seconds to wait at most.

    Returns:
        Whether everything was delivered in that time.
    """
    running = _running
    return running is None or running.pipeline.flush(time.monotonic() + timeout)


def shutdown(timeout: float = 2.0) -> bool:
    """Send what has ended, and stop tracing. Called by itself at the end of the process.

    Args:
        timeout: seconds to wait for the backends at most; what is not delivered by then stays in the spool for the
            next process, or is lost, counted and said. Spans that still have to be worked on, on a busy machine, get
            up to three times as long.

    Returns:
        Whether everything was delivered in that time.
    """
    global _running
    with _lock:
        running, _running = _running, None
        if running is None:
            return True
        active.tracer, active.is_off = None, False
        keeping.tell = keeping.ask = active.look = active.annotate = active.knows = None
        _uninstrument(running)
        for settle in active.settling:
            with guarded("settling what waits"):
                settle()
        now = time.monotonic()
        done = running.pipeline.close(now + timeout, now + timeout * _WORKS_LONGER)
        if not done:
            _unfinished.append(running.pipeline)
        running.source.disarm()
        forget_said()
        return done


def get_tracer() -> trace.Tracer:
    """The tracer in use, for spans of your own making; without `init_tracing` one that does nothing."""
    return active.tracer or NoOpTracer()


def _start(settings: Settings) -> _Running:
    points = _instrumentors(settings)
    existing = trace.get_tracer_provider()
    joins = isinstance(existing, sdk.TracerProvider) and not isinstance(existing, TracerProvider)
    source: TracerProvider | JoinedProvider
    if joins and isinstance(existing, sdk.TracerProvider):
        source = JoinedProvider(existing)
        resource = source.resource
    else:
        source = _our_provider(existing)
        resource = _resource(settings)
    scores = score_sink(settings)
    running = _Running(settings, source, pipeline(settings, resource, source, scores))
    if settings.sampling is not Preset.OFF and not _sdk_disabled():
        _arm(running, resource)
        active.annotate = None if scores is None else scores.offer
        active.knows = None if scores is None else scores.knows
        if points:
            from llmtrace.integrations.openinference import instrument  # noqa: PLC0415 - only where asked for

            running.instrumentors = instrument(points, running.provider)
    else:
        active.is_off = True
    return running


def _instrumentors(settings: Settings) -> Sequence[Any]:
    """What is to be switched on; a name that is not installed is an error before anything has started."""
    if not settings.auto_instrument:
        return ()
    from llmtrace.integrations.openinference import chosen  # noqa: PLC0415 - only where asked for

    return chosen(settings.auto_instrument)


def _uninstrument(running: _Running) -> None:
    if running.instrumentors:
        from llmtrace.integrations.openinference import uninstrument  # noqa: PLC0415 - only where asked for

        uninstrument(running.instrumentors)


def _arm(running: _Running, resource: Resource) -> None:
    if isinstance(running.source, JoinedProvider):
        running.source.arm(running.pipeline)
    else:
        running.source.arm(running.pipeline, resource, _sampler(running.settings))
    keeping.tell = running.pipeline.keep
    keeping.ask = running.pipeline.standing
    active.look = running.pipeline.measure
    running.pipeline.start()
    active.tracer = Tracer(running.source, _SCOPE)


def _our_provider(existing: trace.TracerProvider) -> TracerProvider:
    """Our provider, made once and set as OpenTelemetry's global one where that place is free."""
    global _own_provider  # noqa: PLW0603 - see TracerProvider
    if _own_provider is None:
        _own_provider = TracerProvider()
        if isinstance(existing, trace.ProxyTracerProvider):
            trace.set_tracer_provider(_own_provider)
        else:
            logger.warning(
                "llmtrace: the application's tracer provider (%s) takes no processors; llmtrace's own spans are "
                "recorded, those of other instrumentation are not",
                type(existing).__name__,
            )
    return _own_provider


def _sampler(settings: Settings) -> Sampler:
    policy = policy_of(settings.sampling)
    if policy is not None:
        return Head(policy.ratio, trusts=policy.trust_upstream)
    return _get_from_env_or_default() if settings.otel_sampler else ALWAYS_ON


def _sdk_disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _resource(settings: Settings) -> Resource:
    """What the settings say of the service, over OTEL_RESOURCE_ATTRIBUTES."""
    said: dict[str, Any] = {
        keys.SERVICE_NAME: settings.service_name,
        keys.SERVICE_VERSION: settings.service_version,
        keys.ENVIRONMENT: settings.environment,
        keys.PROJECT_NAME: settings.project,
    }
    return Resource.create({key: value for key, value in said.items() if value is not None})


def _warn_of_differences(running: Settings, asked: Settings) -> None:
    different = [field.name for field in fields(Settings) if getattr(running, field.name) != getattr(asked, field.name)]
    if different:
        logger.warning(
            "llmtrace: init_tracing was called before; these settings are not applied: %s", ", ".join(different)
        )


_WORKS_LONGER: Final = 3.0
"""Times the budget of `shutdown` that our own worker gets: it needs no network, and what it has not seen is lost."""
_GRACE: Final = 10.0
"""Seconds beyond the budget of `shutdown` that the end of the process waits for spans that are not yet on disk."""


def _shutdown_at_exit() -> None:
    shutdown()
    while _unfinished:
        _unfinished.pop().finish(_GRACE)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may hold it, and is not there to let go of it
    _lock = threading.RLock()
    _unfinished.clear()
    stats.reset()
    call_at_end_after_fork(_shutdown_at_exit)
    if _running is not None:
        _running.pipeline.after_fork_in_child()


atexit.register(_shutdown_at_exit)
os.register_at_fork(after_in_child=_after_fork_in_child)
