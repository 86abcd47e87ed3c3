"""What the router is told to do, checked and resolved: RouterConfig and its parts. Made by ``load``, never by hand."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, urlsplit

from pydantic import BaseModel

from llmtrace.router.config.access import IntakeOptions, WebOptions
from llmtrace.router.config.enrich import EnrichOptions
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.scope import Scope
from llmtrace.router.config.times import TimeInterval
from llmtrace.router.config.watch import Watch
from llmtrace.router.matchers import Matcher, Silence
from llmtrace.router.model import Destination, Policy, Rollout, Tier
from llmtrace.router.ports import Retention


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on. Port 0: any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a reader of an alert can look further. ``trace`` holds ``{trace_id}`` and, if wished, ``{span_id}``."""

    trace: str

    def trace_url(self, trace_id: str, span_id: str) -> str:
        """The address of a trace in the backend's page."""
        return self.trace.replace("{trace_id}", quote(trace_id)).replace("{span_id}", quote(span_id))


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is told what another receiver refused, or did not take ``after`` so long."""

    receiver: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While an alert of ``source`` fires, one of ``target`` with the same ``equal`` labels is held."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookupRow:
    """What alerts that match get, as far as they lack it."""

    matchers: tuple[Matcher, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Flapping:
    """More than ``begins`` beginnings ``within`` so long are too many, unless the alert is ``steady`` for so long."""

    begins: int
    within: timedelta
    steady: timedelta


@dataclass(frozen=True, slots=True)
class RolloutRule:
    """How far the alerts that match are. ``capped``: how they are told where a page is too much."""

    matchers: tuple[Matcher, ...]
    mode: Rollout
    capped: Policy


@dataclass(frozen=True, slots=True)
class RouteNode:
    """One route. ``policies`` holds how it tells in each tier that it can end in, inheritance already applied."""

    id: str
    """The matchers on the way to it: it stays the same when routes are put in another order."""
    matchers: tuple[Matcher, ...]
    continues: bool
    tier: Tier | None
    """None: the alert's severity says."""
    policies: Mapping[Tier, Policy]
    children: tuple[RouteNode, ...]


@dataclass(frozen=True, slots=True)
class Oddity:
    """What is allowed, and hardly meant: where it stands in the file, and what is odd about it."""

    line: int
    column: int
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.key}: {self.text}"


@dataclass(frozen=True, slots=True)
class Digest:
    """What a receiver is told by mail, together, whenever the schedule says."""

    receiver: str
    schedule: str
    """Cron's five fields."""
    timezone: str
    scope: Scope = field(default=Scope(), compare=False)
    """Whose alerts it counts. The store does not know it: the rules may say otherwise tomorrow."""


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """A whole router file, ready to use. ``hash`` names exactly this text of the rules; it covers no secret."""

    hash: str
    listen: Listen
    store: str = field(repr=False)
    """A file, or the URL of a PostgreSQL database, which may hold a password."""
    external_url: str | None
    """What readers call the router by; None: the address that it listens on."""
    links: Links
    intake: IntakeOptions
    web: WebOptions
    mappings: Mapping[str, AlertMapping]
    """Source -> how its JSON is read."""
    fallback: Fallback | None
    silences: tuple[Silence, ...]
    inhibit: tuple[Inhibition, ...]
    enrich: EnrichOptions
    lookup: tuple[LookupRow, ...]
    """For alerts that lack labels or annotations; the first that says one counts."""
    watch: Watch
    flapping: Flapping
    rollout: tuple[RolloutRule, ...]
    """The first that matches an alert counts; where none does, its routes say all."""
    capped: Policy
    """How an alert is told where a page is too much and nothing else is said."""
    time_intervals: Mapping[str, list[TimeInterval]]
    receivers: Mapping[str, Mapping[str, BaseModel]]
    """Receiver -> notifier -> its settings."""
    routes: tuple[RouteNode, ...]
    unrouted: Policy
    """For an alert that no route matches."""
    is_proven: bool
    """Whether the rules treat regulated alerts on their own, and each of those comes to a ticket."""
    retention: Retention
    warnings: tuple[Oddity, ...]
    digests: tuple[Digest, ...] = ()
    revision: str = ""
    """The commit of git that the rules are, where they are kept in one."""

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Every notifier of every receiver."""
        return tuple(Destination(name, kind) for name, kinds in self.receivers.items() for kind in kinds)

    @property
    def external_hosts(self) -> frozenset[str]:
        """The name in ``external_url``, where there is one."""
        name = urlsplit(self.external_url or "").hostname
        return frozenset([name] if name else [])

    @property
    def route_count(self) -> int:
        """How many routes there are, children included."""
        return sum(_size(node) for node in self.routes)


def _size(node: RouteNode) -> int:
    return 1 + sum(_size(child) for child in node.children)
