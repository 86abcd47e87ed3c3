"""The values that flow through the router: Alert, Decision, Notification, Delivery, Receipt, and every Reason.

Each is frozen; a step takes one and hands on a new one. Nothing here does I/O or knows the time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from llmtrace.semconv.alert import Severity

ALERTNAME: Final = "alertname"
SEVERITY: Final = "severity"
GROUP_BY_ALL: Final = "..."


class Annotation(StrEnum):
    """The annotations that the router itself writes and reads; a sender may add others."""

    REASON = "reason"
    RUNBOOK_URL = "runbook_url"
    COUNT = "count"
    VALUE = "value"
    THRESHOLD = "threshold"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    TRACE_URL = "trace_url"
    SPAN_NAME = "span_name"
    SPAN_STATUS = "span_status"
    DURATION = "duration_seconds"


class Tier(StrEnum):
    """How loudly an alert is told: wake someone, write to a channel, or bundle for later."""

    PAGE = "page"
    CHANNEL = "channel"
    DIGEST = "digest"


class Reason(StrEnum):
    """Why a decision came out as it did. The first four tell someone, the others do not."""

    NEW = "new"
    SEVERITY_ROSE = "severity_rose"
    REPEATED = "repeated"
    NO_ROUTE = "no_route"
    DEDUPLICATED = "deduplicated"
    NO_RECEIVER = "no_receiver"

    @property
    def suppresses(self) -> bool:
        """Whether nobody is told."""
        return self in (Reason.DEDUPLICATED, Reason.NO_RECEIVER)


class Outcome(StrEnum):
    """What became of one attempt to deliver."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    RECEIVER_GONE = "receiver_gone"


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity of an alert: 32 hex characters over its labels without the severity, whatever their order."""
    pairs = sorted((name, value) for name, value in labels.items() if name != SEVERITY and value)
    return digest(json.dumps(pairs))


def digest(text: str) -> str:
    """128 bits of SHA-256, as 32 hex characters."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Alert:
    """One occurrence of a condition. ``labels`` say which condition and hold ``severity``; ``annotations`` the rest."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime

    @property
    def name(self) -> str:
        """The ``alertname``."""
        return self.labels.get(ALERTNAME, "")

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return Severity(self.labels[SEVERITY])

    @property
    def fingerprint(self) -> str:
        """The same for every occurrence of this condition, at any severity."""
        return fingerprint(self.labels)


def worst_of_each(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """One alert for each fingerprint, its most severe (of equals the latest given), the worst first."""
    worst: dict[str, Alert] = {}
    for alert in alerts:
        known = worst.get(alert.fingerprint)
        if known is None or alert.severity.rank <= known.severity.rank:
            worst[alert.fingerprint] = alert
    return tuple(sorted(worst.values(), key=lambda alert: alert.severity.rank))


@dataclass(frozen=True, slots=True)
class Policy:
    """How a route tells: whom, how loudly, bundled by which labels, and how often."""

    tier: Tier
    receivers: tuple[str, ...]
    group_by: tuple[str, ...]
    group_wait: timedelta
    group_interval: timedelta
    repeat_interval: timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """What a route last told about a fingerprint: the severity, and when."""

    severity: Severity
    at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are told in one notification: the same route and the same values of its ``group_by`` labels."""

    key: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupState:
    """When a group was last told, and when it is due to be; either may be None."""

    told_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An alert on one of its routes while the stages look at it, with the reason that holds so far."""

    alert: Alert
    route: str
    policy: Policy
    reason: Reason
    told: Told | None
    now: datetime


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

    @property
    def notifies(self) -> bool:
        """Whether somebody is told."""
        return self.due_at is not None


@dataclass(frozen=True, slots=True)
class Notification:
    """One message about a group. ``dedup_key`` names the group everywhere, ``sequence`` counts its messages."""

    dedup_key: str
    sequence: int
    group: Group
    route: str
    tier: Tier
    reason: Reason
    decision_id: int
    created_at: datetime
    alerts: tuple[Alert, ...]
    """The worst first; never empty."""
    escalation_step: int = 0
    """0 for those who are told first."""

    @property
    def id(self) -> str:
        """The same for every attempt and receiver, and for no other message: what a destination may deduplicate by."""
        return f"{self.dedup_key}.{self.sequence}.{int(self.created_at.timestamp())}"

    @property
    def severity(self) -> Severity:
        """The worst of its alerts."""
        return self.alerts[0].severity


@dataclass(frozen=True, slots=True)
class Destination:
    """One notifier of one receiver."""

    receiver: str
    notifier: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification on its way to one destination. ``attempts`` counts those made so far."""

    id: int
    destination: Destination
    notification: Notification
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one attempt came to. ``detail`` is short and holds neither payload nor secret."""

    outcome: Outcome
    detail: str
    retry_after: timedelta | None = None
    """How long the destination asked us to wait."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A receipt with the delivery it belongs to, ready to be written."""

    delivery_id: int
    receipt: Receipt
    at: datetime
    retry_at: datetime | None
    """When to try again; None where the delivery is over."""
