"""A decision: what was decided about one alert on one route, why, and what the decision could know of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from llmtrace.router.model.alert import Alert, Status
from llmtrace.router.model.incident import Incident
from llmtrace.router.model.policy import Policy
from llmtrace.semconv.alert import Severity

UNROUTED: Final = "none"
"""The route of an alert that no route of the rules takes."""


class Reason(StrEnum):
    """Why a decision came out as it did."""

    NEW = "new"
    SEVERITY_ROSE = "severity_rose"
    REPEATED = "repeated"
    NO_ROUTE = "no_route"
    RESOLVED = "resolved"
    RESOLVE_AFTER = "resolve_after"
    RESOLVE_TIMEOUT = "resolve_timeout"

    DEDUPLICATED = "deduplicated"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    MUTED = "muted"
    FLAPPING = "flapping"
    NOT_FIRING = "not_firing"
    NEVER_TOLD = "never_told"
    REGULATED = "regulated"
    NO_RECEIVER = "no_receiver"
    BUNDLED = "bundled"

    ESCALATED = "escalated"
    BY_PERSON = "by_person"

    @property
    def suppresses(self) -> bool:
        """Whether nobody is told."""
        return self in _SUPPRESSING

    @property
    def ends(self) -> bool:
        """Whether an alert that fired is over."""
        return self in (Reason.RESOLVED, Reason.RESOLVE_AFTER, Reason.RESOLVE_TIMEOUT, Reason.NEVER_TOLD)


_SUPPRESSING = frozenset(
    {
        Reason.DEDUPLICATED,
        Reason.ACKNOWLEDGED,
        Reason.SILENCED,
        Reason.INHIBITED,
        Reason.MUTED,
        Reason.FLAPPING,
        Reason.NOT_FIRING,
        Reason.NEVER_TOLD,
        Reason.REGULATED,
        Reason.NO_RECEIVER,
        Reason.BUNDLED,
    }
)


@dataclass(frozen=True, slots=True)
class AlertState:
    """What a route remembers of a fingerprint: whether it fires, and what was last told of it."""

    status: Status
    severity: Severity
    """The worst that was told since it fires; as received, where nothing was."""
    told_at: datetime | None
    resolve_at: datetime | None
    """When it is over by itself; None: not before a person says so."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a route knew of an alert at a time: that it fires, or that it was over."""

    at: datetime
    status: Status


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are told in one notification: the same route and the same values of its ``group_by`` labels."""

    key: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """A route that applies to an alert, and the alert's group there, before anything of the past is asked."""

    route: str
    policy: Policy
    reason: Reason
    group: Group


@dataclass(frozen=True, slots=True)
class GroupState:
    """When a group was last told, and when it is due to be; either may be None."""

    told_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an alert waits: ``until`` a time, or (None) until the alert with the fingerprint ``by`` is over."""

    by: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alert on one of its routes while the stages look at it, with the reason that holds so far."""

    alert: Alert
    route: str
    policy: Policy
    reason: Reason
    state: AlertState | None
    incident: Incident | None
    """The one of its group that is not resolved yet."""
    now: datetime
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one alert on one route, and why. Written for suppressed alerts too."""

    route: str
    policy: Policy
    reason: Reason
    group: Group
    due_at: datetime | None
    """When the group is to be told; None where nobody is."""
    config_hash: str
    """The text of the rules that decided."""
    state: AlertState
    """What the route remembers from now on."""
    hold: Hold | None = None
    """Set where the alert is to be looked at again when something ends."""

    @property
    def notifies(self) -> bool:
        """Whether somebody is told."""
        return self.due_at is not None
