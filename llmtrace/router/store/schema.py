"""The tables. Nothing in them is SQLite's own; times are microseconds since 1970 so that they sort and survive exactly.

``alerts`` is the inbox and the history; ``decisions`` is written once and never changed; ``told`` and ``alert_groups``
are what a decision recalls; ``members`` are decided alerts that wait for (or were told in) a notification;
``deliveries`` is the outbox.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

VERSION: Final = 1
"""Of the tables. A database of another version is refused, not guessed at."""

PENDING: Final = "pending"
"""A delivery that is not over; afterwards its state is an Outcome."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Time(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else _EPOCH + value * _MICROSECOND


def _id() -> Column[int]:
    # SQLite counts up by itself only in a column of exactly this type.
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """An index over these rows only, in each dialect's own word."""
    return {"sqlite_where": condition, "postgresql_where": condition}


metadata = MetaData()

about = Table("about", metadata, Column("version", Integer, primary_key=True))

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("fingerprint", String(32), nullable=False, index=True),
    Column("labels", JSON, nullable=False),
    Column("annotations", JSON, nullable=False),
    Column("starts_at", Time, nullable=False),
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
    Column("config_hash", String(16), nullable=False),
    Column("decided_at", Time, nullable=False),
)

told = Table(
    "told",
    metadata,
    Column("route", Text, primary_key=True),
    Column("fingerprint", String(32), primary_key=True),
    Column("severity", String(16), nullable=False),
    Column("told_at", Time, nullable=False),
)

groups = Table(
    "alert_groups",
    metadata,
    Column("key", Text, primary_key=True),
    Column("labels", JSON, nullable=False),
    Column("route", Text, nullable=False),
    Column("tier", String(16), nullable=False),
    Column("receivers", JSON, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("told_at", Time),
    Column("due_at", Time, index=True),
)

notifications = Table(
    "notifications",
    metadata,
    _id(),
    Column("dedup_key", String(32), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("group_key", ForeignKey(groups.c.key), nullable=False),
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
    Column("alert_id", ForeignKey(alerts.c.id), nullable=False),
    Column("decision_id", ForeignKey(decisions.c.id), nullable=False),
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
)
_pending = _where(deliveries.c.state == PENDING)
Index("deliveries_due", deliveries.c.receiver, deliveries.c.notifier, deliveries.c.due_at, **_pending)
Index("deliveries_in_order", deliveries.c.receiver, deliveries.c.notifier, deliveries.c.dedup_key, **_pending)
