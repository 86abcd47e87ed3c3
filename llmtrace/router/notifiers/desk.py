"""Whom a configuration can tell, and at what pace."""

from __future__ import annotations

from dataclasses import replace

from llmtrace.router.config import RouterConfig
from llmtrace.router.model import Destination, digest
from llmtrace.router.notifiers import KINDS
from llmtrace.router.notifiers.pace import Bucket, Pace
from llmtrace.router.ports import Desk


def desk_of(config: RouterConfig) -> Desk:
    """All destinations, by what they can."""
    every = config.destinations
    desk = Desk(
        destinations=every,
        acknowledging=[each for each in every if KINDS[each.notifier].acknowledges],
        coalescing=[each for each in every if KINDS[each.notifier].coalesces],
    )
    if config.fallback is None:
        return desk
    return replace(desk, fallback=config.fallback.receiver, fallback_after=config.fallback.after)


def paces_of(config: RouterConfig) -> dict[Destination, Pace]:
    """Destinations with the same key share a bucket. A key may be a secret, so that only its hash is kept."""
    buckets: dict[tuple[str, str], Bucket] = {}
    paces: dict[Destination, Pace] = {}
    for each in config.destinations:
        kind, settings = KINDS[each.notifier], config.receivers[each.receiver][each.notifier]
        own = kind.rate_key(settings) or f"{each.receiver}/{each.notifier}"
        bucket = buckets.setdefault((each.notifier, digest(own)), Bucket(kind.rate))
        paces[each] = Pace(bucket)
    return paces
