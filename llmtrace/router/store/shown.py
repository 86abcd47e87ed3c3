"""What the page shows: each view in a bounded number of indexed reads, however much the database holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Select, func, select

from llmtrace.router.matchers import Silence
from llmtrace.router.model import Alert, IncidentState, Phase, Rollout, Tier
from llmtrace.router.store import rollouts, shadows, silences
from llmtrace.router.store.database import Database
from llmtrace.router.store.explain import explain
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import alerts, audit, decisions, deliveries, incidents, members, notifications
from llmtrace.router.store.unreadable import alert_of

T = TypeVar("T")

WINDOW: Final = 5_000
"""Rows that one read looks through for those of a rare kind; the next page looks through as many again."""
MOST_ALERTS: Final = 50
"""Of one incident."""
MOST_EVENTS: Final = 200
"""Of one incident, the latest."""
_MOST_DELIVERIES: Final = 500
_MOST_OF_MESSAGE: Final = 20
"""Alerts among which the worst of a message is looked for."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, the newest first, and the ``before`` of those that come after them (None: there are no more)."""

    rows: Sequence[T]
    older: int | None


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """A row of ``incidents`` with the worst alert that its latest message told (None: they are gone by now)."""

    row: AnyRow
    worst: Alert | None
    more: int = 0
    """Other alerts in that message, as far as was counted."""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the audit trail about an incident, with the deliveries of the message that it speaks of."""

    at: datetime
    kind: str
    body: Mapping[str, Any]
    deliveries: Sequence[AnyRow] = ()


@dataclass(frozen=True, slots=True)
class IncidentStory:
    """One incident, whole: its alerts (the newest first, with their ids), its events, and why it was told."""

    incident: ShownIncident
    alerts: Sequence[tuple[int, Alert]]
    events: Sequence[Event]
    explanation: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ShownDecision:
    """What was decided about an alert on a route."""

    row: AnyRow
    alert: Alert


class SqlShown:
    """Reads beside the writer; each call sees one state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def live(self) -> Mapping[str, int]:
        """How many incidents are not over, by state."""
        query = select(incidents.c.state, func.count()).where(_LIVE).group_by(incidents.c.state)
        with self._database.read() as connection:
            return {str(state): int(number) for state, number in connection.execute(query)}

    def incidents(self, limit: int, before: int | None, *, live: bool) -> Page[ShownIncident]:
        """The newest first; ``live``: only those that are not over."""
        query = select(incidents).order_by(incidents.c.id.desc()).limit(limit)
        query = query.where(_LIVE) if live else query
        query = query if before is None else query.where(incidents.c.id < before)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            shown = _with_alerts(connection, rows)
        return Page(shown, rows[-1].id if len(rows) == limit else None)

    def incident(self, number: int) -> IncidentStory | None:
        """One with all that happened to it; None where there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(incidents).where(incidents.c.id == number)).one_or_none()
            if row is None:
                return None
            shown = _with_alerts(connection, [row])[0]
            told = _alerts_of(connection, number)
            why = explain(connection, str(told[0][0])) if told else []
            return IncidentStory(shown, told, _events_of(connection, number), why)

    def stream(self, limit: int, before: int | None, tier: Tier | None) -> Page[ShownDecision]:
        """What was decided, the newest first; of a ``tier`` those among the next ``WINDOW`` decisions."""
        with self._database.read() as connection:
            top = (before or int(connection.scalar(select(func.max(decisions.c.id))) or 0) + 1) - 1
            query = _decided().where(decisions.c.id <= top).order_by(decisions.c.id.desc()).limit(limit)
            if tier is not None:
                query = query.where(decisions.c.tier == tier, decisions.c.id > top - WINDOW)
            rows = connection.execute(query).all()
            more = rows[-1].id if len(rows) == limit else (top - WINDOW + 1 if tier is not None else 0)
        return Page([ShownDecision(row, alert_of(row)) for row in rows], more if more > 1 else None)

    def alert(self, number: int) -> tuple[Alert, Sequence[str]] | None:
        """An alert and why somebody was told of it, or nobody."""
        with self._database.read() as connection:
            row = connection.execute(select(alerts).where(alerts.c.id == number)).one_or_none()
            return None if row is None else (alert_of(row), explain(connection, str(number)))

    def silences(self, now: datetime) -> Sequence[Silence]:
        """Those that are not over, the first to end first."""
        with self._database.read() as connection:
            return sorted(silences.active(connection, now), key=lambda silence: silence.ends_at)

    def look(self, read: Callable[[Connection], T]) -> T:
        """What somebody else reads, in one state."""
        with self._database.read() as connection:
            return read(connection)

    def rollouts(self, limit: int, now: datetime) -> Sequence[tuple[AnyRow, Sequence[shadows.WouldBe]]]:
        """What rules did that wake nobody yet, the loudest first, with what would have escalated of each in shadow."""
        with self._database.read() as connection:
            rows, steps = rollouts.every_rule(connection, limit), shadows.would_be(connection, now)
        return [(row, steps.get((row.alertname, row.route), ()) if row.mode == Rollout.SHADOW else ()) for row in rows]


_LIVE: Final = incidents.c.state != IncidentState.RESOLVED


def _decided() -> Select[Any]:
    about_alert = [alerts.c.labels, alerts.c.annotations, alerts.c.starts_at, alerts.c.ends_at, alerts.c.status]
    return select(decisions, *about_alert).select_from(decisions.join(alerts))


def _with_alerts(connection: Connection, rows: Sequence[AnyRow]) -> list[ShownIncident]:
    """Each with the worst of the alerts that its latest message about what fires has told."""
    latest = (
        select(notifications.c.incident_id, func.max(notifications.c.id).label("id"))
        .where(notifications.c.incident_id.in_([row.id for row in rows]), notifications.c.phase == Phase.FIRING)
        .group_by(notifications.c.incident_id)
    )
    of_message = {row.id: row.incident_id for row in connection.execute(latest)}
    found: dict[int, list[Alert]] = {row.id: [] for row in rows}
    for message, alert in _first_alerts(connection, of_message):
        found[of_message[message]].append(alert)
    return [_shown(row, found[row.id]) for row in rows]


def _first_alerts(connection: Connection, messages: Collection[int]) -> list[tuple[int, Alert]]:
    place = func.row_number().over(partition_by=members.c.notification_id, order_by=members.c.id).label("place")
    told = (
        select(members.c.notification_id, members.c.alert_id, place)
        .where(members.c.notification_id.in_(messages))
        .subquery()
    )
    query = select(told.c.notification_id, alerts).join(alerts, told.c.alert_id == alerts.c.id)
    rows = connection.execute(query.where(told.c.place <= _MOST_OF_MESSAGE))
    return [(row.notification_id, alert_of(row)) for row in rows]


def _shown(row: AnyRow, told: Sequence[Alert]) -> ShownIncident:
    worst = min(told, key=lambda alert: alert.severity.rank, default=None)
    return ShownIncident(row, worst, len({alert.fingerprint for alert in told} - {worst.fingerprint if worst else ""}))


def _alerts_of(connection: Connection, incident: int) -> list[tuple[int, Alert]]:
    """One alert for each fingerprint, its newest occurrence."""
    query = (
        select(alerts)
        .join(members, members.c.alert_id == alerts.c.id)
        .join(notifications, members.c.notification_id == notifications.c.id)
        .where(notifications.c.incident_id == incident)
        .order_by(notifications.c.id.desc(), members.c.id.desc())
        .limit(4 * MOST_ALERTS)
    )
    newest: dict[str, tuple[int, Alert]] = {}
    for row in connection.execute(query):
        newest.setdefault(row.fingerprint, (row.id, alert_of(row)))
    return list(newest.values())[:MOST_ALERTS]


def _events_of(connection: Connection, incident: int) -> list[Event]:
    entries = connection.execute(
        select(audit.c.at, audit.c.kind, audit.c.body)
        .where(audit.c.incident_id == incident)
        .order_by(audit.c.id.desc())
        .limit(MOST_EVENTS)
    ).all()
    read = [(row, json.loads(row.body)) for row in entries]
    messages = [body["notification"] for _, body in read if "notification" in body]
    sent: dict[int, list[AnyRow]] = {message: [] for message in messages}
    query = select(deliveries).where(deliveries.c.notification_id.in_(messages)).order_by(deliveries.c.id)
    for row in connection.execute(query.limit(_MOST_DELIVERIES)):
        sent[row.notification_id].append(row)
    return [Event(row.at, row.kind, body, sent.get(body.get("notification"), ())) for row, body in read]
