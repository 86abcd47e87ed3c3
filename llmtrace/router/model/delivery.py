"""A delivery: one notification on its way to one destination, and what became of each attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from llmtrace.router.model.alert import Alert
from llmtrace.router.model.decision import Group, Reason
from llmtrace.router.model.policy import Tier
from llmtrace.semconv.alert import Severity


class Phase(StrEnum):
    """What a notification says of its group."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Outcome(StrEnum):
    """What became of one attempt to deliver."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    RECEIVER_GONE = "receiver_gone"
    SUPERSEDED = "superseded"

    @property
    def failed(self) -> bool:
        """Whether the destination never heard of it."""
        return self in (Outcome.REFUSED, Outcome.GAVE_UP, Outcome.RECEIVER_GONE)


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
    """The worst that fires first; never empty."""
    escalation_step: int = 0
    """0 for those who are told first."""
    phase: Phase = Phase.FIRING
    incident_id: int | None = None
    """The incident that it is about."""
    acted_by: str = ""
    """Who acknowledged or resolved it, where a person did."""

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
    handle: str = ""
    """What the destination calls its message or ticket about the incident; empty where it has none that is known."""
    set_aside: str = ""
    """What of it could not be read, and is told without its particulars."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What one attempt came to. ``detail`` is short and holds neither payload nor secret."""

    outcome: Outcome
    detail: str
    retry_after: timedelta | None = None
    """How long the destination asked us to wait."""
    handle: str = ""
    """What the destination calls its message or ticket from now on, where it has said."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A receipt with the delivery it belongs to, ready to be written."""

    delivery_id: int
    receipt: Receipt
    at: datetime
    retry_at: datetime | None
    """When to try again; None where the delivery is over."""
    set_aside: str = ""
    """Why the message was told without its particulars, where it was."""
