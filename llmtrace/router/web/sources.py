"""The table of intakes: a path, who may send there, and how its body becomes alerts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.access import MAPPED, SourceOptions
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.intake import alertmanager, arize_events, change, generic, mapping
from llmtrace.router.intake.body import read_json
from llmtrace.router.intake.builtin import mapping_of
from llmtrace.router.intake.gate import Gate
from llmtrace.router.model import Alert, Change
from llmtrace.router.web.intake import Door, Found, Intake, Reader, changes, metrics, traces, webhook


def intakes(config: RouterConfig, door: Door, keep: Callable[[Sequence[Change]], None]) -> dict[str, Intake]:
    """Every path that takes alerts."""
    intake, clock = config.intake, door.clock
    gate = Gate(intake.auth_of(intake.otlp), door.seen["otlp"])
    pushed: Reader = lambda body: alertmanager.read_push(body, intake.api.resolve_timeout, clock.now())  # noqa: E731 - a row of the table
    found = [
        traces(door, gate, config.links),
        metrics(door, gate),
        _intake("/api/v2/alerts", config, intake.api, door, pushed, HTTPStatus.OK),
        *(_intake(f"/ingest/{name}", config, options, door, read) for name, options, read in _sources(config, door)),
        *_changes(config, door, keep),
    ]
    return {each.path: each for each in found}


def _sources(config: RouterConfig, door: Door) -> Iterator[tuple[str, SourceOptions, Reader]]:
    intake, clock = config.intake, door.clock
    yield (
        "alertmanager",
        intake.alertmanager,
        lambda body: alertmanager.read_webhook(body, intake.alertmanager.resolve_timeout, clock.now()),
    )
    yield (
        "grafana",
        intake.grafana,
        lambda body: alertmanager.read_webhook(body, intake.grafana.resolve_timeout, clock.now(), source="grafana"),
    )
    yield (
        "generic",
        intake.generic,
        lambda body: generic.read(body, "generic", config.links, intake.generic.resolve_timeout, clock.now()),
    )
    for tool in MAPPED:
        options = getattr(intake, tool)
        rules = config.mappings.get(tool) or mapping_of(tool)
        yield tool, options, partial(_mapped, rules, tool, options, config, door)
    for name, options in intake.sources.items():
        yield name, options, partial(_mapped, config.mappings[name], name, options, config, door)


def _changes(config: RouterConfig, door: Door, keep: Callable[[Sequence[Change]], None]) -> Iterator[Intake]:
    intake, clock = config.intake, door.clock
    readers: list[tuple[str, SourceOptions, Callable[[bytes], Found]]] = [
        ("/ingest/change", intake.change, lambda body: ((), change.read(body, clock.now()))),
        (
            "/ingest/arize-events",
            intake.arize_events,
            lambda body: arize_events.read(body, config.links, intake.arize_events.resolve_timeout, clock.now()),
        ),
    ]
    for path, options, read in readers:
        yield changes(path, door, Gate(config.intake.auth_of(options), door.seen[path]), read, keep)


def _mapped(
    rules: AlertMapping, name: str, options: SourceOptions, config: RouterConfig, door: Door, body: bytes
) -> Sequence[Alert]:
    items = mapping.apply(rules, read_json(body))
    return generic.build(items, name, config.links, options.resolve_timeout, door.clock.now(), is_foreign=True)


def _intake(
    path: str,
    config: RouterConfig,
    options: SourceOptions,
    door: Door,
    read: Reader,
    status: HTTPStatus = HTTPStatus.ACCEPTED,
) -> Intake:
    gate = Gate(config.intake.auth_of(options), door.seen[path])
    return webhook(path, door, gate, read, status)


def unknown(paths: Iterable[str]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for senders that were given a path which there is not."""
    known = ", ".join(sorted(path for path in paths if path.startswith("/ingest/")))
    answer = {"error": f"no such source; there are {known}; others stand under intake.sources in the rules"}

    async def endpoint(_request: Request) -> Response:
        return JSONResponse(answer, HTTPStatus.NOT_FOUND)

    return endpoint
