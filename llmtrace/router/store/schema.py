"""The tables. Nothing in them is SQLite's own; times are microseconds since 1970 so that they sort and survive exactly.

``alerts`` is the history of what the inbox brought; ``decisions`` and ``audit`` are written once and never changed;
``states``, ``alert_groups`` and ``incidents`` are what a decision recalls; ``members`` are decided alerts that wait for
(or were told in) a notification; ``deliveries`` is the outbox; ``rollouts`` counts what rules did that wake nobody yet,
``shadows`` are the incidents that they would have open, ``shadow_steps`` counts how those would have escalated;
``changes`` is what was deployed, ``tails`` how far sources were read that are asked;
``quarantine`` is what was set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

VERSION: Final = 3
"""Of the tables. A database of another version is refused, not guessed at."""

PENDING: Final = "pending"
"""A delivery that is not over; afterwards its state is an Outcome."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EARLIEST: Final = (datetime(1, 1, 3, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LATEST: Final = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _MICROSECOND


class Time(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, _dialect: Dialect) -> Callable[[datetime | None], int | None]:
        """To the database."""
        return lambda value: None if value is None else to_microseconds(value)

    def result_processor(self, _dialect: Dialect, _type: object) -> Callable[[int | None], datetime | None]:
        """From the database."""
        return lambda value: None if value is None else from_microseconds(value)


def to_microseconds(moment: datetime) -> int:
    """As the database keeps it. What a time zone would shift out of the calendar stays within it."""
    count = (moment - _EPOCH) // _MICROSECOND
    return count if _EARLIEST <= count <= _LATEST else min(max(count, _EARLIEST), _LATEST)


def from_microseconds(count: int) -> datetime:
    """As everybody else has it."""
    return _EPOCH + min(max(count, _EARLIEST), _LATEST) * _MICROSECOND


def _id() -> Column[int]:
    # SQLite counts up by itself only in a column of exactly this type.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """An index over these rows only, in each dialect's own word."""
    return {"sqlite_where": condition, "postgresql_where": condition}


metadata = MetaData()

about = Table(
    "about",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("link_key", String(64), nullable=False),
    Column("inbox_done", BigInteger, nullable=False, default=0),
    Column("decisions_pruned", BigInteger, nullable=False, default=0),
    Column("audit_pruned", BigInteger, nullable=False, default=0),
    Column("audit_pruned_hash", String(64), nullable=False, default="0" * 64),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("fingerprint", String(32), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time),
    Column("received_at", Time, nullable=False),
    Column("decided_at", Time),
)
Index("alerts_undecided", alerts.c.id, **_where(alerts.c.decided_at.is_(None)))

decisions = Table(
    "decisions",
    metadata,
    _id(),
    Column("alert_id", ForeignKey(alerts.c.id), nullable=False, index=True),
    Column("route", Text, nullable=False),
    Column("tier", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("receivers", JSON, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("due_at", Time),
    Column("held_by", Text),
    Column("held_until", Time),
    Column("config_hash", String(16), nullable=False),
    Column("decided_at", Time, nullable=False),
)

groups = Table(
    "alert_groups",
    metadata,
    Column("key", Text, primary_key=True),
    Column("labels", JSON, nullable=False),
    Column("route", Text, nullable=False),
    Column("policy", JSON, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("told_at", Time),
    Column("due_at", Time, index=True),
)

states = Table(
    "states",
    metadata,
    Column("fingerprint", String(32), primary_key=True),  # the first: who decides asks for all routes
    Column("route", Text, primary_key=True),
    Column("group_key", ForeignKey(groups.c.key), nullable=False, index=True),
    Column("alert_id", ForeignKey(alerts.c.id), nullable=False),
    Column("decision_id", ForeignKey(decisions.c.id), nullable=False),
    Column("status", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("told_at", Time),
    Column("resolve_at", Time),
    Column("held_by", Text),
    Column("held_until", Time),
)
_firing = states.c.status == "firing"
Index("states_over", states.c.resolve_at, **_where(_firing & states.c.resolve_at.is_not(None)))
Index("states_held", states.c.held_until, **_where(_firing & states.c.held_until.is_not(None)))
Index("states_held_by", states.c.held_by, **_where(_firing & states.c.held_by.is_not(None)))

incidents = Table(
    "incidents",
    metadata,
    _id(),
    Column("group_key", ForeignKey(groups.c.key), nullable=False),
    Column("dedup_key", String(32), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("tier", String(16), nullable=False),
    Column("receivers", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("step", Integer, nullable=False),
    Column("escalate_at", Time),
    Column("config_hash", String(16), nullable=False),
    Column("opened_at", Time, nullable=False),
    Column("acknowledged_at", Time),
    Column("acknowledged_by", Text),
    Column("resolved_at", Time),
    Column("resolved_by", Text),
)
_live = incidents.c.state != "resolved"
Index("incidents_live", incidents.c.group_key, unique=True, **_where(_live))
Index("incidents_escalate", incidents.c.escalate_at, **_where(incidents.c.escalate_at.is_not(None)))

notifications = Table(
    "notifications",
    metadata,
    _id(),
    Column("dedup_key", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("group_key", ForeignKey(groups.c.key), nullable=False),
    Column("incident_id", ForeignKey(incidents.c.id), index=True),
    Column("phase", String(16), nullable=False),
    Column("step", Integer, nullable=False),
    Column("acted_by", Text, nullable=False),
    Column("tier", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("decision_id", ForeignKey(decisions.c.id), nullable=False),
    Column("created_at", Time, nullable=False),
)

members = Table(
    "members",
    metadata,
    _id(),
    Column("group_key", ForeignKey(groups.c.key), nullable=False),
    Column("alert_id", ForeignKey(alerts.c.id), nullable=False, index=True),
    Column("decision_id", ForeignKey(decisions.c.id), nullable=False),
    Column("ended_at", Time),
    Column("notification_id", ForeignKey(notifications.c.id), index=True),
)
Index("members_waiting", members.c.group_key, **_where(members.c.notification_id.is_(None)))

deliveries = Table(
    "deliveries",
    metadata,
    _id(),
    Column("notification_id", ForeignKey(notifications.c.id), nullable=False, index=True),
    Column("receiver", Text, nullable=False),
    Column("notifier", String(32), nullable=False),
    Column("dedup_key", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("attempted_at", Time),
    Column("due_at", Time, nullable=False),
    Column("superseded_by", BigInteger, index=True),
    Column("fallback_at", Time),
)
_pending = _where(deliveries.c.state == PENDING)
Index("deliveries_due", deliveries.c.receiver, deliveries.c.notifier, deliveries.c.due_at, **_pending)
Index("deliveries_in_order", deliveries.c.receiver, deliveries.c.notifier, deliveries.c.dedup_key, **_pending)
Index("deliveries_fallback", deliveries.c.fallback_at, **_where(deliveries.c.fallback_at.is_not(None)))

handles = Table(
    "handles",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("receiver", Text, primary_key=True),
    Column("notifier", String(32), primary_key=True),
    Column("handle", Text, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("matchers", JSON, nullable=False),
    Column("starts_at", Time, nullable=False),
    Column("ends_at", Time, nullable=False, index=True),
    Column("created_by", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("mode", String(16), primary_key=True),
    Column("alertname", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("tier", String(16), primary_key=True),
    Column("alerts", BigInteger, nullable=False),
    Column("notifications", BigInteger, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False, index=True),
)

shadows = Table(
    "shadows",
    metadata,
    Column("group_key", Text, primary_key=True),
    Column("route", Text, nullable=False),
    Column("alertnames", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("opened_at", Time, nullable=False),
    Column("escalate_at", Time, nullable=False),
)

shadow_steps = Table(
    "shadow_steps",
    metadata,
    Column("alertname", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("delay", BigInteger, primary_key=True),
    Column("receivers", Text, primary_key=True),
    Column("incidents", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("last_at", Time, nullable=False),
)

tails = Table(
    "tails",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("at", Time, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("url", Text, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    Column("kind", String(16), nullable=False, index=True),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("body", LargeBinary),
)

digests = Table(
    "digests",
    metadata,
    Column("receiver", Text, primary_key=True),
    Column("schedule", Text, primary_key=True),
    Column("timezone", Text, primary_key=True),
    Column("since", Time, nullable=False),
    Column("due_at", Time, nullable=False),
    Column("until", Time),
    Column("retry_at", Time),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    Column("at", Time, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("alert_id", BigInteger, index=True),
    Column("incident_id", BigInteger, index=True),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)

APPEND_ONLY: Final[Mapping[str, str]] = MappingProxyType(
    {"audit": "SELECT audit_pruned FROM about", "decisions": "SELECT decisions_pruned FROM about"}
)
"""Tables whose rows are never changed nor taken out, save those whose id is not above this query's result."""
