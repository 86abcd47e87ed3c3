"""A period of decisions, counted: what a digest says of the alerts that it is about."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Text, case, cast, func, select

from llmtrace.router.config.scope import Scope
from llmtrace.router.config.settings import Digest
from llmtrace.router.model import ALERTNAME, SEVERITY, UNROUTED, Reason, Rollout, Status, Tier, rollout_of
from llmtrace.router.store.bounds import Bounds, bounds
from llmtrace.router.store.explain import ROLLOUT, WHY
from llmtrace.router.store.held import named
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import alerts, decisions
from llmtrace.semconv import trace

ALL: Final = 500_000
"""Decisions that a digest counts at most: the latest of its period."""
_MOST_HOLDERS: Final = 1_000
"""What held the most alerts back; what others held is counted together."""
_IN_DIGEST: Final = frozenset({Reason.BUNDLED, Reason.NO_ROUTE})

_ENDS: Final = [*(reason for reason in Reason if reason.ends), Reason.NOT_FIRING, Reason.REGULATED]
"""Of an alert that is over: nothing came in."""
_SHADOW: Final = decisions.c.route.like(f"{Rollout.SHADOW}:%")
_TOLD: Final = case((decisions.c.due_at.is_not(None), 1), else_=0)
_NO_ROUTE: Final = case((decisions.c.route.in_([mode.route(UNROUTED) for mode in Rollout]), 1), else_=0)
_DECISIONS: Final = func.count()
_ALERTS: Final = func.count(decisions.c.alert_id.distinct())
"""One that took several routes, or was decided again, is one alert."""
_NAME: Final = alerts.c.labels[ALERTNAME].as_string()
_SEVERITY: Final = alerts.c.labels[SEVERITY].as_string()


@dataclass(frozen=True, slots=True)
class Rule:
    """Alerts of one name."""

    name: str
    severity: str


@dataclass(frozen=True, slots=True)
class Held:
    """Alerts of one name that nobody was told of: why in words, and what held them (empty: nothing that has a name)."""

    name: str
    why: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was decided of firing alerts in a period. ``bundled`` is what the digest's receiver is told by it."""

    bundled: Mapping[Rule, int]
    tiers: Mapping[Tier, int]
    suppressed: Mapping[Held, int]
    rules: Mapping[Rule, int]
    cost: float
    """US dollars, of the model calls that were tagged."""
    is_cut: bool
    """Whether there was more than could be counted."""


NOTHING: Final = Figures({}, {}, {}, {}, 0.0, is_cut=False)


def trend(
    connection: Connection, digest: Digest, since: datetime, until: datetime, most: int = ALL
) -> tuple[Figures, Figures]:
    """What came in a period, and in one of the same length before: of each at most the latest ``most`` decisions.

    Of a period that is cut the one before is not counted: the two cannot be compared.
    """
    found = _figures(connection, digest, bounds(connection, since, until, most))
    if found.is_cut:
        return found, NOTHING
    return found, _figures(connection, digest, bounds(connection, since - (until - since), since, most))


def _figures(connection: Connection, digest: Digest, within: Bounds) -> Figures:
    period = _Period(connection, digest.scope, within)
    bundled: Counter[Rule] = Counter()
    tiers: Counter[Tier] = Counter()
    suppressed: Counter[tuple[str, Reason]] = Counter()
    columns = {
        "name": _NAME, "severity": _SEVERITY, "tier": decisions.c.tier, "reason": decisions.c.reason,
        "whom": cast(decisions.c.receivers, Text), "told": _TOLD,
    }  # fmt: skip
    for row in period.counted(columns, ~_SHADOW):
        tier, reason = Tier(row.tier), Reason(row.reason)
        waits = tier is Tier.DIGEST and reason in _IN_DIGEST
        if waits and digest.receiver in json.loads(row.whom):
            bundled[Rule(row.name or "", row.severity or "")] += row.number
        elif not row.told and reason.suppresses and reason not in _IN_DIGEST:
            suppressed[row.name or "", reason] += row.number
        tiers[tier] += row.number if row.told or reason in _IN_DIGEST else 0
    rules: Counter[Rule] = Counter()
    for row in period.counted({"name": _NAME, "severity": _SEVERITY}, ~_SHADOW, number=_ALERTS):
        rules[Rule(row.name or "", row.severity or "")] += row.number
    return Figures(bundled, tiers, _held(connection, period, suppressed), rules, period.cost(), within.is_cut)


class _Period:
    """The firing alerts among some decisions, as far as they are in the scope."""

    def __init__(self, connection: Connection, scope: Scope, within: Bounds) -> None:
        self._connection = connection
        self._scope = scope
        self._labels = {f"scope{n}": alerts.c.labels[name].as_string() for n, name in enumerate(scope.labels)}
        decided = (decisions.c.id >= within.start) & (decisions.c.id < within.end)
        # Not the bare column: PostgreSQL would look for the lowest one in its index, from the first on.
        identifier = decisions.c.alert_id + 0
        lowest, highest = connection.execute(select(func.min(identifier), func.max(identifier)).where(decided)).one()
        # So that it reads these alerts, and not all that there are.
        near = alerts.c.id.between(lowest or 0, highest or 0)
        self._window = decided & near & (alerts.c.status == Status.FIRING) & decisions.c.reason.not_in(_ENDS)

    def counted(
        self, columns: Mapping[str, Any], *where: ColumnElement[bool], number: Any = _DECISIONS, most: int | None = None
    ) -> Iterator[AnyRow]:
        """The ``number`` for each combination of the columns; of the ``most`` frequent, where that is said."""
        every = self._columns(columns)
        query = select(*every, number.label("number")).select_from(decisions.join(alerts))
        query = query.where(self._window, *where).group_by(*every)
        return self._within(query if most is None else query.order_by(number.desc()).limit(most))

    def cost(self) -> float:
        """What a sender writes there may be anything."""
        cost = alerts.c.annotations[trace.LLM_COST_TOTAL].as_string()
        every = self._columns({"id": alerts.c.id, "cost": cost})
        found = select(*every).select_from(decisions.join(alerts)).where(self._window, ~_SHADOW, cost.is_not(None))
        return sum(_dollars(row.cost) for row in self._within(found.distinct()))

    def _columns(self, columns: Mapping[str, Any]) -> list[Any]:
        asked = {**columns, **self._labels, **({"unrouted": _NO_ROUTE} if self._labels else {})}
        return [column.label(name) for name, column in asked.items()]

    def _within(self, query: Select[Any]) -> Iterator[AnyRow]:
        names = self._scope.labels
        for row in self._connection.execute(query):
            # A scope without labels covers all.
            labels = {name: getattr(row, f"scope{n}") or "" for n, name in enumerate(names)}
            if not names or self._scope.covers(labels, is_unrouted=bool(row.unrouted)):
                yield row


def _held(connection: Connection, period: _Period, totals: Mapping[tuple[str, Reason], int]) -> Mapping[Held, int]:
    """By what held it, as far as something did: the rest of each reason stands without a name."""
    columns = {"name": _NAME, "reason": decisions.c.reason, "by": decisions.c.held_by}
    rows = list(period.counted(columns, ~_SHADOW, decisions.c.held_by.is_not(None), most=_MOST_HOLDERS))
    words = named(connection, {(Reason(row.reason), row.by) for row in rows})
    found: Counter[Held] = Counter()
    left = Counter(totals)
    for row in rows:
        reason = Reason(row.reason)
        found[Held(row.name or "", WHY[reason], words[reason, row.by])] += row.number
        left[row.name or "", reason] -= row.number
    found += Counter({Held(name, WHY[reason]): number for (name, reason), number in left.items()})
    return found + _in_shadow(period)


def _in_shadow(period: _Period) -> Counter[Held]:
    """What would have been told."""
    found: Counter[Held] = Counter()
    columns = {"name": _NAME, "route": decisions.c.route}
    would_tell = decisions.c.due_at.is_not(None) | decisions.c.reason.in_(_IN_DIGEST)
    for row in period.counted(columns, _SHADOW, would_tell, most=_MOST_HOLDERS):
        found[Held(row.name or "", ROLLOUT[Rollout.SHADOW], f"route {rollout_of(row.route)[1]}")] += row.number
    return found


def _dollars(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0  # noqa: PLR2004 - what no call costs
