"""From the watchdog's options to what is watched, and to the route that heartbeats take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from llmtrace.router.config.access import MAPPED
from llmtrace.router.config.document import Document
from llmtrace.router.config.settings import RouteNode
from llmtrace.router.config.tree import check_names
from llmtrace.router.config.watch import HEARTBEAT, OURSELVES, PHOENIX, Watch, WatchdogOptions
from llmtrace.router.matchers import Matcher, Operator
from llmtrace.router.model import ALERTNAME, SOURCE, Policy, Tier

BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "otlp": ("/v1/traces", "/v1/metrics"),
        "api": ("/api/v2/alerts",),
        "phoenix": (PHOENIX,),
        **{name: (f"/ingest/{name}",) for name in ("alertmanager", "grafana", "generic", *MAPPED)},
    }
)
"""Source -> its paths."""
_NEVER: Final = timedelta(days=36_500)


def watch(opened: Document, given: WatchdogOptions, receivers: Collection[str], own: Collection[str]) -> Watch:
    """The options, checked; ``own``: sources that the file names itself.

    Raises:
        ConfigurationError: a source or a receiver is none of the file.
    """
    known = {**BUILT_IN, **{name: (f"/ingest/{name}",) for name in own}}
    for name in given.sources:
        if name not in known:
            problem = f"no source; allowed: {', '.join(known)}"
            raise opened.error(("watchdog", "sources", name), problem, about_key=True)
    beat = given.heartbeat
    if beat is not None:
        check_names(opened, ("watchdog", "heartbeat", "receivers"), beat.receivers, receivers)
    return Watch(given.late, beat.every if beat else None, given.sources, {name: known[name] for name in given.sources})


def heartbeat_route(given: WatchdogOptions) -> tuple[RouteNode, ...]:
    """The route that heartbeats take, before all others; each is told, and none is an incident."""
    if given.heartbeat is None:
        return ()
    every = given.heartbeat.every
    policy = Policy(
        tier=Tier.CHANNEL,
        receivers=tuple(given.heartbeat.receivers),
        group_by=(ALERTNAME,),
        group_wait=timedelta(0),
        group_interval=timedelta(0),
        repeat_interval=timedelta(0),
        resolve_after=max(every, _NEVER),
        opens_incident=False,
    )
    matchers = (Matcher(ALERTNAME, Operator.EQUAL, HEARTBEAT), Matcher(SOURCE, Operator.EQUAL, OURSELVES))
    name = "/{" + ",".join(map(str, matchers)) + "}"
    return (
        RouteNode(name, matchers, continues=False, tier=Tier.CHANNEL, policies={Tier.CHANNEL: policy}, children=()),
    )
