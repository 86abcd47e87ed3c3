"""Why nobody was paged for an alert: what held it back, who else it was told to, or the page that it became part of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, func, select

from llmtrace.router.model import Phase, Reason, Rollout, Tier, rollout_of
from llmtrace.router.ports import NoPage
from llmtrace.router.store.explain import ROLLOUT, WHY, at, find, holder
from llmtrace.router.store.rows import AnyRow, to_alert
from llmtrace.router.store.schema import decisions, groups, incidents, members, notifications

_QUIET: Final = {Tier.CHANNEL: "tells a channel", Tier.DIGEST: "puts it into the digest"}


def no_page(connection: Connection, asked: str) -> NoPage | None:
    """The alert that is asked about, where it was decided and was no page; None where it was one."""
    row = find(connection, asked)
    if row is None:
        return None
    made = connection.execute(select(decisions).where(decisions.c.alert_id == row.id).order_by(decisions.c.id)).all()
    reasons = [_why_not(connection, each) for each in made]
    if not made or None in reasons:
        return None
    routed = any(each.tier == Tier.PAGE and rollout_of(each.route)[0] is not Rollout.SHADOW for each in made)
    said = tuple(dict.fromkeys(f"not paged: {reason}" for reason in reasons))
    return NoPage(to_alert(row), made[-1].config_hash, said, is_paging_route=routed)


def _why_not(connection: Connection, decision: AnyRow) -> str | None:
    """In words; None where this decision is a page."""
    mode, route = rollout_of(decision.route)
    if mode is Rollout.SHADOW:
        return ROLLOUT[mode]
    if decision.due_at is None:
        return _held(connection, decision)
    if mode is not Rollout.PAGE:
        return ROLLOUT[mode]
    if decision.reason == Reason.NO_ROUTE:
        return WHY[Reason.NO_ROUTE]
    if decision.tier != Tier.PAGE:
        return f"its route {route} {_QUIET[Tier(decision.tier)]}, for its tier is {decision.tier}"
    return next(_part_of(connection, decision), None)


def _held(connection: Connection, decision: AnyRow) -> str:
    why = WHY[Reason(decision.reason)]
    if decision.held_by is None:
        return why
    until = f"until {at(decision.held_until)}" if decision.held_until is not None else "until that is over"
    return f"{why}: {holder(connection, decision)} {until}"


def _part_of(connection: Connection, decision: AnyRow) -> Iterator[str]:
    """The page that the alert came too late for, or for which it still waits."""
    query = (
        select(members.c.notification_id, notifications.c.incident_id, incidents.c.opened_at, groups.c.due_at)
        .select_from(members.join(groups).outerjoin(notifications).outerjoin(incidents))
        .where(members.c.decision_id == decision.id)
    )
    for row in connection.execute(query.limit(1)):
        if row.notification_id is None:
            yield f"not yet, for its group is told at {at(row.due_at)}" if row.due_at else "not yet"
            continue
        first = select(func.min(notifications.c.id)).where(
            notifications.c.incident_id == row.incident_id, notifications.c.phase == Phase.FIRING
        )
        if row.incident_id is not None and connection.scalar(first) != row.notification_id:
            when = at(row.opened_at)
            yield f"it became part of incident {row.incident_id}, which was paged at {when}: that page was updated"
