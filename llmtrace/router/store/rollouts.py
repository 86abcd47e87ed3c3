"""What rules did that wake nobody yet: counted by rule as it is decided, so that to look costs nothing.

A rule is an ``alertname`` on a route; ``tier`` is the one that the route would have told it in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select, tuple_, update

from llmtrace.router.model import Policy, Rollout, Tier, rollout_of
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import rollouts

AT_ONCE: Final = 100
"""Rules in one statement."""


class Rule(NamedTuple):
    """What is counted together."""

    mode: Rollout
    alertname: str
    route: str
    tier: Tier


def rule_of(alertname: str, route: str, policy: Policy) -> Rule | None:
    """The rule by which an alert is not told as its route says; None where it is."""
    if policy.rollout is Rollout.PAGE:
        return None
    _, base = rollout_of(route)
    return Rule(policy.rollout, alertname, base, Tier.PAGE if policy.rollout is Rollout.NOTIFY else policy.tier)


def count(connection: Connection, alerts: Iterable[Rule], notifications: Iterable[Rule], now: datetime) -> None:
    """One more alert, or one more message, of each of these."""
    came, told = Counter(alerts), Counter(notifications)
    every = list(dict.fromkeys((*came, *told)))
    for first in range(0, len(every), AT_ONCE):
        _count(connection, every[first : first + AT_ONCE], came, told, now)


def _count(connection: Connection, every: list[Rule], came: Counter[Rule], told: Counter[Rule], now: datetime) -> None:
    key = tuple_(rollouts.c.mode, rollouts.c.alertname, rollouts.c.route, rollouts.c.tier)
    known = {
        Rule(row.mode, row.alertname, row.route, row.tier): row
        for row in connection.execute(select(rollouts).where(key.in_(every)))
    }
    for rule in every:
        row = known.get(rule)
        if row is None:
            counts = {"alerts": came[rule], "notifications": told[rule], "first_at": now, "last_at": now}
            connection.execute(insert(rollouts).values(**rule._asdict(), **counts))
        else:
            values = {"alerts": row.alerts + came[rule], "notifications": row.notifications + told[rule]}
            connection.execute(update(rollouts).where(key.in_([rule])).values(**values, last_at=now))


def every_rule(connection: Connection, limit: int) -> list[AnyRow]:
    """What there is to see, the loudest first."""
    query = select(rollouts).order_by(rollouts.c.notifications.desc(), rollouts.c.alertname, rollouts.c.route)
    return list(connection.execute(query.limit(limit)).all())


def forget(connection: Connection, before: datetime) -> None:
    """Take out rules of which nothing came for so long."""
    connection.execute(delete(rollouts).where(rollouts.c.last_at < before))
