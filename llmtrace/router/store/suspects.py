"""Suspects: rows that a turn acts on because their time has come, one kind each, and what setting one aside means.

A trial lets all but some of them rest and makes the turn itself, in a transaction that is undone: so it is the turn's
own code that says which row it cannot get past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, delete, literal, select, tuple_, update

from llmtrace.router.model import Status
from llmtrace.router.store.due import FAILED
from llmtrace.router.store.quarantine import Kind
from llmtrace.router.store.schema import (
    PENDING,
    alerts,
    decisions,
    deliveries,
    groups,
    incidents,
    members,
    notifications,
    states,
)

_MOST_ALERTS: Final = 100
"""Of one suspect, among which the worst is looked for."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Suspects:
    """Rows of one kind. ``rest``: what a row is given so that a turn leaves it alone."""

    kind: Kind
    table: Table
    key: Sequence[Column[Any]]
    due: Callable[[datetime], ColumnElement[bool]]
    rest: Callable[[datetime], Mapping[str, Any]]
    alerts_of: Callable[[Key], Select[Any]]
    what: str
    """In words, with a place for the key."""
    waits: ColumnElement[bool] | None = None
    """Whether one waits for its time, where such ones must rest in a trial too."""

    def keys(self, connection: Connection, now: datetime) -> list[Key]:
        """Of all whose time has come, in the order of their keys."""
        found = connection.execute(select(*self.key).where(self.due(now)).order_by(*self.key))
        return [tuple(row) for row in found]

    def let_rest(self, connection: Connection, now: datetime, but: Sequence[Key] = ()) -> None:
        """All whose time has come but these, which are neighbours in the order of their keys."""
        others = self.due(now) if self.waits is None else self.waits
        if but:
            others &= (self._place < self._at(but[0])) | (self._place > self._at(but[-1]))
        connection.execute(update(self.table).where(others).values(**self.rest(now)))

    def give_up(self, connection: Connection, key: Key, now: datetime) -> None:
        """Let one rest for good; of a group, what waits to be told in it goes too."""
        connection.execute(update(self.table).where(self._is(key)).values(**self.rest(now)))
        if self.table is groups:
            waits = (members.c.group_key == key[0]) & members.c.notification_id.is_(None)
            connection.execute(delete(members).where(waits))

    def labels(self, connection: Connection, key: Key) -> Sequence[Any]:
        """Of the alerts that it is about, whatever stands there."""
        return list(connection.scalars(self.alerts_of(key).limit(_MOST_ALERTS)))

    @property
    def _place(self) -> Any:
        return self.key[0] if len(self.key) == 1 else tuple_(*self.key)

    def _at(self, key: Key) -> Any:
        return literal(key[0]) if len(key) == 1 else tuple_(*(literal(each) for each in key))

    def _is(self, key: Key) -> ColumnElement[bool]:
        found: ColumnElement[bool] = self._place == self._at(key)
        return found


_BY_STATE: Final = select(alerts.c.labels).join(states, states.c.alert_id == alerts.c.id)
_fires: Final = states.c.status == Status.FIRING


def _of_state(key: Key) -> Select[Any]:
    return _BY_STATE.where((states.c.route == key[0]) & (states.c.fingerprint == key[1]))


def _of_group(key: Key) -> Select[Any]:
    return _BY_STATE.where(states.c.group_key == key[0])


def _of_incident(key: Key) -> Select[Any]:
    query = _BY_STATE.join(incidents, incidents.c.group_key == states.c.group_key)
    return query.where((incidents.c.id == key[0]) & _fires)


def _of_delivery(key: Key) -> Select[Any]:
    query = select(alerts.c.labels).join(decisions, decisions.c.alert_id == alerts.c.id)
    query = query.join(notifications, notifications.c.decision_id == decisions.c.id)
    return query.join(deliveries, deliveries.c.notification_id == notifications.c.id).where(deliveries.c.id == key[0])


_untold: Final = deliveries.c.state.in_(FAILED)
_STATE_KEY: Final = (states.c.route, states.c.fingerprint)

INCIDENTS: Final = Suspects(
    Kind.INCIDENT,
    incidents,
    (incidents.c.id,),
    lambda now: incidents.c.escalate_at <= now,
    lambda _now: {"escalate_at": None},
    _of_incident,
    "incident {0}, whose escalation is due",
)
EVERY: Final = (
    Suspects(
        Kind.ALERT,
        alerts,
        (alerts.c.id,),
        lambda _now: alerts.c.decided_at.is_(None),
        lambda now: {"decided_at": now},
        lambda key: select(alerts.c.labels).where(alerts.c.id == key[0]),
        "alert {0}, which is to be decided again",
    ),
    Suspects(
        Kind.STATE,
        states,
        _STATE_KEY,
        lambda now: _fires & (states.c.held_until <= now),
        lambda _now: {"held_until": None, "held_by": None},
        _of_state,
        "what held {1} back on route {0} is over",
    ),
    Suspects(
        Kind.STATE,
        states,
        _STATE_KEY,
        lambda now: _fires & (states.c.resolve_at <= now),
        lambda _now: {"resolve_at": None},
        _of_state,
        "{1} is over on route {0} by its time",
    ),
    Suspects(
        Kind.GROUP,
        groups,
        (groups.c.key,),
        lambda now: groups.c.due_at <= now,
        lambda _now: {"due_at": None},
        _of_group,
        "group {0}, which is to be told",
        groups.c.due_at.is_not(None),
    ),
    INCIDENTS,
    Suspects(
        Kind.DELIVERY,
        deliveries,
        (deliveries.c.id,),
        lambda now: (
            deliveries.c.fallback_at.is_not(None)
            & (_untold | ((deliveries.c.state == PENDING) & (deliveries.c.fallback_at <= now)))
        ),
        lambda _now: {"fallback_at": None},
        _of_delivery,
        "delivery {0}, which another receiver is to hear of",
    ),
)
"""In the order of a turn."""
