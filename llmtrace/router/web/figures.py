"""``GET /metrics``: what the router did, in Prometheus's text format."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from llmtrace.router.config.watch import Watch
from llmtrace.router.ports import Oldest, Records, StoreError
from llmtrace.router.web.intake import Door

FRESH: Final = 2.0
"""Seconds for which what was counted in the store holds: to count again and again would take the time of others."""
_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
Samples = Iterable[tuple[Mapping[str, str], int]]


def figures(door: Door, records: Records, watch: Watch) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. Those of the store are gauges: what is pruned is counted no more."""
    kept: dict[str, Mapping[str, int]] = {}
    oldest = Oldest(None, None)
    counted_at = float("-inf")

    async def endpoint(_request: Request) -> Response:
        nonlocal kept, oldest, counted_at
        now, today = monotonic(), door.clock.now()
        try:
            if now - counted_at > FRESH:
                kept, counted_at = dict(await asyncio.to_thread(records.counts)), now
                oldest = await asyncio.to_thread(records.oldest, today)
        except StoreError:
            return PlainTextResponse("the store cannot be read\n", HTTPStatus.SERVICE_UNAVAILABLE)
        lines = [*_of_the_door(door), *_of_the_store(kept), *_of_the_watch(door, watch, oldest, today)]
        return Response("\n".join(lines) + "\n", media_type=_FORMAT)

    return endpoint


def _of_the_door(door: Door) -> Iterator[str]:
    tally = door.tally
    answers: Samples = [
        ({"path": path, "status": str(status)}, n) for (path, status), n in sorted(tally.answers.items())
    ]
    alerts: Samples = [({"path": path}, number) for path, number in sorted(tally.alerts.items())]
    yield from _series("intake_requests_total", "counter", "Requests to the intakes.", answers)
    yield from _series("alerts_accepted_total", "counter", "Alerts that are on disk.", alerts)
    yield from _series("metric_points_unwatched_total", "counter", "Points of metrics that nothing reads.",
                       [({}, tally.unwatched_points)])  # fmt: skip
    yield from _series(
        "alerts_undecided", "gauge", "Accepted alerts that wait for a decision.", [({}, door.undecided())]
    )
    yield from _series("body_bytes", "gauge", "Bytes of request bodies in memory.", [({}, door.room.used)])


def _of_the_store(stored: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for name, label in (("decisions", "reason"), ("deliveries", "state"), ("incidents", "state")):
        yield from _series(name, "gauge", f"Kept {name} by {label}.", _by(label, stored[name]))
    aside = _by("kind", stored["set_aside"])
    yield from _series("set_aside", "gauge", "What was set aside, for it kept others from being told.", aside)


def _by(label: str, numbers: Mapping[str, int]) -> Samples:
    return [({label: key}, number) for key, number in sorted(numbers.items())]


def _of_the_watch(door: Door, watch: Watch, oldest: Oldest, now: datetime) -> Iterator[str]:
    """How long what waits has waited, and how long sources were silent."""
    for name, about, since in (
        ("oldest_due_seconds", "How long the oldest due notification has waited.", oldest.due),
        ("oldest_pending_seconds", "How long the oldest delivery is not over.", oldest.pending),
    ):
        yield from _series(name, "gauge", about, [({}, _seconds(since, now))])
    heard = {name: [door.heard[path] for path in paths if path in door.heard] for name, paths in watch.paths.items()}
    silent: Samples = [({"source": name}, _seconds(max(times), now)) for name, times in heard.items() if times]
    yield from _series("source_silent_seconds", "gauge", "How long a source that is watched was silent.", silent)


def _seconds(since: datetime | None, now: datetime) -> int:
    return 0 if since is None else max(0, (now - since) // timedelta(seconds=1))


def _series(name: str, kind: str, about: str, samples: Samples) -> Iterator[str]:
    """Values of labels are words of ours and paths: nothing in them needs an escape."""
    full = f"llmtrace_router_{name}"
    yield f"# HELP {full} {about}"
    yield f"# TYPE {full} {kind}"
    for labels, value in samples:
        said = ",".join(f'{key}="{text}"' for key, text in labels.items())
        yield f"{full}{{{said}}} {value}" if said else f"{full} {value}"
