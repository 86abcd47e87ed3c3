"""A policy: how a route tells its alerts, from the receivers to what happens when nobody reacts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

GROUP_BY_ALL: Final = "..."


class Tier(StrEnum):
    """How loudly an alert is told: wake someone, write to a channel, or bundle for later."""

    PAGE = "page"
    CHANNEL = "channel"
    DIGEST = "digest"


class Rollout(StrEnum):
    """How far a rule is on its way to waking people: only recorded, told in a channel at most, or as its route says."""

    SHADOW = "shadow"
    NOTIFY = "notify"
    PAGE = "page"

    def route(self, base: str) -> str:
        """The name under which a route remembers what it does in this mode: each mode has a memory of its own."""
        return base if self is Rollout.PAGE else f"{self}:{base}"


def rollout_of(route: str) -> tuple[Rollout, str]:
    """The mode, and the route itself, of a name that ``Rollout.route`` gave."""
    mode, _, base = route.partition(":")
    return (Rollout(mode), base) if mode in (Rollout.SHADOW, Rollout.NOTIFY) else (Rollout.PAGE, route)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is told too, when nobody has acknowledged ``after`` the incident was opened."""

    after: timedelta
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """How a route tells: whom, how loudly, bundled by which labels, how often, until when."""

    tier: Tier
    receivers: tuple[str, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta
    resolve_after: timedelta = timedelta(hours=1)
    """An event that does not recur for so long is over."""
    escalate: tuple[Escalation, ...] = ()
    mute_time_intervals: tuple[str, ...] = ()
    rollout: Rollout = Rollout.PAGE
    """Under ``SHADOW`` all is decided and recorded, and nobody is told."""
    schedule: str = ""
    """Of a digest that is one mail about all of it: when, as in cron."""
    timezone: str = "UTC"
    opens_incident: bool = True
    """Not so for what is only a sign of life."""
