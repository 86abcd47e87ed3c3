"""What would have escalated: incidents that rules in shadow would have opened, and how many of them lasted so long.

Nobody can acknowledge what nobody was told of, so that a step counts where what fired was not over by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, select, update

from llmtrace.router.config import durations
from llmtrace.router.model import Escalation, Policy, Status
from llmtrace.router.store.rows import AnyRow, from_steps, to_steps
from llmtrace.router.store.schema import shadow_steps, shadows, states

_Key = tuple[str, str]
"""An alertname and a route."""


@dataclass(frozen=True, slots=True)
class Told:
    """A group in shadow of which there would be a message now."""

    key: str
    route: str
    policy: Policy
    alertnames: Sequence[str]
    ended_at: datetime | None
    """When the last of its alerts was over; None where something fires."""


@dataclass(frozen=True, slots=True)
class WouldBe:
    """A step of a rule: of so many incidents that nobody ended before, so many were still going on."""

    after: str
    receivers: str
    incidents: int
    taken: int

    def __str__(self) -> str:
        """In words."""
        times = f"{self.taken} of {self.incidents} incident{'s' * (self.incidents != 1)}"
        return f"would have told {self.receivers} after {self.after} unless acknowledged: {times}"


def note(connection: Connection, told: Iterable[Told], now: datetime) -> None:
    """Incidents begin and end with these."""
    every = {each.key: each for each in told if each.policy.escalate}
    if not every:
        return
    found = connection.execute(select(shadows).where(shadows.c.group_key.in_(every))).all()
    known = {row.group_key: row for row in found}
    for key, each in every.items():
        row = known.get(key)
        if row is None and each.ended_at is None:
            _begin(connection, each, now)
        elif row is not None and each.ended_at is None:
            _join(connection, row, each)
        elif row is not None and each.ended_at is not None:
            _count(connection, row, _taken(row, each.ended_at))
            connection.execute(delete(shadows).where(shadows.c.group_key == key))


def would_be(connection: Connection, now: datetime) -> dict[_Key, list[WouldBe]]:
    """By alertname and route, the first step first; what still fires counts for the steps that are behind it."""
    going: dict[tuple[str, str, timedelta, str], int] = {}
    fires = exists().where(
        states.c.group_key == shadows.c.group_key, states.c.status == Status.FIRING, states.c.told_at.is_not(None)
    )
    for row in connection.execute(select(shadows).where(fires, shadows.c.escalate_at <= now)):
        for name in row.alertnames:
            for step in _taken(row, now):
                key = (name, row.route, step.after, _text(step))
                going[key] = going.get(key, 0) + 1
    found: dict[_Key, list[WouldBe]] = {}
    for row in connection.execute(select(shadow_steps).order_by(shadow_steps.c.delay)):
        after = timedelta(microseconds=row.delay)
        taken = row.taken + going.get((row.alertname, row.route, after, row.receivers), 0)
        found.setdefault((row.alertname, row.route), []).append(
            WouldBe(durations.text(after), row.receivers, row.incidents, taken)
        )
    return found


def forget(connection: Connection, before: datetime) -> None:
    """Take out steps that no incident has had for so long, and incidents of which nothing fires any more."""
    connection.execute(delete(shadow_steps).where(shadow_steps.c.last_at < before))
    fires = exists().where(states.c.group_key == shadows.c.group_key, states.c.status == Status.FIRING)
    connection.execute(delete(shadows).where(shadows.c.opened_at < before, ~fires))


def _begin(connection: Connection, told: Told, now: datetime) -> None:
    steps = told.policy.escalate
    row = {
        "group_key": told.key,
        "route": told.route,
        "alertnames": list(told.alertnames),
        "steps": from_steps(steps),
        "opened_at": now,
        "escalate_at": now + steps[0].after,
    }
    connection.execute(insert(shadows).values(**row))
    for name in told.alertnames:
        _add_incident(connection, name, told.route, steps, now)


def _join(connection: Connection, row: AnyRow, told: Told) -> None:
    """Another rule's alert in an incident that is open: its steps are those of the incident."""
    new = [name for name in told.alertnames if name not in row.alertnames]
    if new:
        names = [*row.alertnames, *new]
        connection.execute(update(shadows).where(shadows.c.group_key == row.group_key).values(alertnames=names))
    for name in new:
        _add_incident(connection, name, row.route, to_steps(row.steps), row.opened_at)


def _add_incident(
    connection: Connection, name: str, route: str, steps: Sequence[Escalation], opened_at: datetime
) -> None:
    for step in steps:
        this = _this(name, route, step)
        values = {"incidents": shadow_steps.c.incidents + 1, "last_at": opened_at}
        if connection.execute(update(shadow_steps).where(*this).values(**values)).rowcount == 0:
            key = {"alertname": name, "route": route, "delay": _delay(step), "receivers": _text(step)}
            connection.execute(insert(shadow_steps).values(**key, incidents=1, taken=0, last_at=opened_at))


def _count(connection: Connection, row: AnyRow, taken: Sequence[Escalation]) -> None:
    for name in row.alertnames:
        for step in taken:
            this = _this(name, row.route, step)
            connection.execute(update(shadow_steps).where(*this).values(taken=shadow_steps.c.taken + 1))


def _taken(row: AnyRow, until: datetime) -> list[Escalation]:
    """The steps that would have come by then."""
    return [step for step in to_steps(row.steps) if row.opened_at + step.after <= until]


def _this(name: str, route: str, step: Escalation) -> list[Any]:
    columns = shadow_steps.c
    return [
        columns.alertname == name,
        columns.route == route,
        columns.delay == _delay(step),
        columns.receivers == _text(step),
    ]


def _delay(step: Escalation) -> int:
    return step.after // timedelta(microseconds=1)


def _text(step: Escalation) -> str:
    return ", ".join(step.receivers)
