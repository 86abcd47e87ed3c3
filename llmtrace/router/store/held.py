"""What held alerts back, by name: which silence, which other alert, which muted times; many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from llmtrace.router.model import ALERTNAME, Reason
from llmtrace.router.store.schema import alerts, silences

DAMPING: Final = "the damping of flapping alerts"
_AT_ONCE: Final = 500

Holder = tuple[Reason, str]
"""Why something is held, and the name of what holds it as decisions have it."""


def named(connection: Connection, holders: Collection[Holder]) -> dict[Holder, str]:
    """Each in words."""
    found = {holder: DAMPING if holder[0] is Reason.FLAPPING else holder[1] for holder in holders}
    ids = [by for reason, by in holders if reason is Reason.SILENCED]
    made = {row.id: silence(*row) for some in _some(ids) for row in connection.execute(_silences(some))}
    found |= {(Reason.SILENCED, by): made.get(by, f"the silence {by}") for by in ids}
    fingerprints = [by for reason, by in holders if reason is Reason.INHIBITED]
    names = {row.fingerprint: row.name for some in _some(fingerprints) for row in connection.execute(_names(some))}
    return found | {(Reason.INHIBITED, by): names.get(by) or by for by in fingerprints}


def silence(identifier: str, created_by: str, comment: str) -> str:
    """One that a person made."""
    return f"the silence {identifier} by {created_by}{f' ({comment})' if comment else ''}"


def _silences(ids: Collection[str]) -> Select[Any]:
    return select(silences.c.id, silences.c.created_by, silences.c.comment).where(silences.c.id.in_(ids))


def _names(fingerprints: Collection[str]) -> Select[Any]:
    newest = select(func.max(alerts.c.id)).where(alerts.c.fingerprint.in_(fingerprints)).group_by(alerts.c.fingerprint)
    name = alerts.c.labels[ALERTNAME].as_string().label("name")
    return select(alerts.c.fingerprint, name).where(alerts.c.id.in_(newest))


def _some(of: list[str]) -> Iterator[list[str]]:
    return (of[start : start + _AT_ONCE] for start in range(0, len(of), _AT_ONCE))
