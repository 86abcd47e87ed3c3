"""The sinks of the pipeline, put together from the settings: each backend with its own queue, threads and spool."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from opentelemetry.sdk.resources import Resource

from llmtrace._config import Privacy, Settings
from llmtrace._config.addresses import TRACES_PATH
from llmtrace.destinations import Spool
from llmtrace.exporters.annotations import Annotations
from llmtrace.exporters.delivery import Delivery
from llmtrace.exporters.destination import Destination
from llmtrace.exporters.encoding import Encoding
from llmtrace.exporters.spool import Bounds, DiskSpool
from llmtrace.exporters.tally import MAIN, Tally
from llmtrace.exporters.ways import Step
from llmtrace.scores import Score
from llmtrace.semconv import trace as keys

ROUTER = "router"
"""The name of the way to the router, in log lines and counters."""


def backend_sinks(settings: Settings, resource: Resource, *, joined: bool) -> list[Encoding]:
    """The ways to the backends: the main one and those that were named in addition."""
    headers = dict(settings.headers)
    if joined and settings.project:
        # The application's resource cannot be changed; Phoenix takes the project from this header as well.
        headers.setdefault("x-project-name", settings.project)
    deliveries = [_delivery(settings, resource, MAIN, settings.endpoint.url, headers)]
    more: list[Delivery] = []
    for backend in settings.backends:
        wants_more = not set(backend.conventions) <= set(settings.conventions)
        same = more if wants_more else deliveries
        same.append(_delivery(settings, resource, backend.name, backend.url, backend.headers))
    return [Encoding(deliveries), *([Encoding(more, _gen_ai)] if more else [])]


def _gen_ai() -> Step:
    """What a backend wants that asks for OpenTelemetry's attributes where the main one does not."""
    from llmtrace.processors.gen_ai import add_gen_ai  # noqa: PLC0415 - only where it is asked for

    return add_gen_ai


def router_sink(settings: Settings, resource: Resource, url: str) -> Encoding:
    """The way to the router."""
    return Encoding([_delivery(settings, resource, ROUTER, url, settings.alerts_headers)])


def score_sink(settings: Settings) -> Annotations | None:
    """The way of scores, which Phoenix alone takes; None where the backend is another."""
    url = settings.endpoint.url
    if not settings.endpoint.is_phoenix or not url.endswith(TRACES_PATH):
        return None
    target = destination(settings, "scores", url.removesuffix(TRACES_PATH), settings.headers)
    return Annotations(target, settings.project or "default", partial(_clean_score, settings.privacy))


def _clean_score(privacy: Privacy) -> Callable[[Score], Score]:
    """What takes secrets out of a score, and its explanation where content is not captured."""
    from llmtrace.processors.chain import text_redaction  # noqa: PLC0415 - patterns that most services need not compile

    redacted = text_redaction(privacy).text

    def clean(score: Score) -> Score:
        explanation = score.explanation if privacy.capture_content else None
        if explanation is None and score.explanation is not None and score.score is None and score.label is None:
            explanation = ""  # that somebody judged is all that is left
        facts = json.loads(redacted(json.dumps(dict(score.metadata))))
        return replace(
            score,
            label=None if score.label is None else redacted(score.label),
            explanation=None if explanation is None else redacted(explanation),
            metadata=facts if isinstance(facts, dict) else {},
        )

    return clean


def destination(settings: Settings, name: str, url: str, headers: Mapping[str, str]) -> Destination:
    """An address, and how requests to it are made."""
    transport = settings.transport
    return Destination(
        name=name,
        url=url,
        headers=headers,
        timeout=transport.timeout,
        compression=transport.compression,
        certificate=transport.certificate,
        client_certificate=transport.client_certificate,
        client_key=transport.client_key,
    )


def _delivery(settings: Settings, resource: Resource, name: str, url: str, headers: Mapping[str, str]) -> Delivery:
    target = destination(settings, name, url, headers)
    tally = Tally(name, target.shown)
    spool = None
    if settings.spool is not None:
        spool = _spool(settings.spool, target, settings.project, resource, tally)
    return Delivery(target, spool=spool, tally=tally)


def _spool(spool: Spool, target: Destination, project: str | None, resource: Resource, tally: Tally) -> DiskSpool:
    """Only what goes to the same address, for the same project and service, may be taken over by another process."""
    service = resource.attributes.get(keys.SERVICE_NAME)
    identity = json.dumps([target.shown, project, str(service)])
    folder = Path(spool.folder or "") / hashlib.sha256(identity.encode()).hexdigest()[:16]
    bounds = Bounds(spool.max_bytes, spool.max_age)
    return DiskSpool(folder, tally, bounds, write_ahead=spool.write_ahead)
