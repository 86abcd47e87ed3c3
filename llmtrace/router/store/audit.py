"""The audit trail: what happened, appended and never changed; each entry's hash covers the one before it.

Whoever changes or takes out an entry breaks the chain from there on; whoever cuts off its end is found by the last hash
that somebody else has kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import about, audit
from llmtrace.router.store.statement import Statement, inserting

FIRST: Final = "0" * 64
"""What the first entry's hash covers in place of one before it."""
_AT_ONCE: Final = 1_000
# To the byte what ``json.dumps`` writes with ensure_ascii=False, separators=(",", ":") and sort_keys=True.
_JSON: Final = msgspec.json.Encoder(order="sorted")

_LAST: Final = Statement(select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1))
_INSERT: Final = inserting(audit)


class AuditTrail:
    """The entries of one transaction, written together at its end."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._entries: list[dict[str, Any]] = []

    def add(
        self, kind: str, body: Mapping[str, Any], alert_id: int | None = None, incident_id: int | None = None
    ) -> None:
        """One entry."""
        text = _JSON.encode(body).decode()
        entry = {"at": self._now, "kind": kind, "alert_id": alert_id, "incident_id": incident_id, "body": text}
        self._entries.append(entry)

    def write(self) -> None:
        """Chain the entries to what is there already."""
        if not self._entries:
            return
        last = _LAST.first(self._connection)
        number, previous = beginning(self._connection) if last is None else (last.id, last.hash)
        for entry in self._entries:
            number += 1
            entry["id"] = number
            previous = entry["hash"] = chained(previous, entry)
        _INSERT.run_all(self._connection, self._entries)


def beginning(connection: Connection) -> tuple[int, str]:
    """The number and the hash of what stands before the first entry: those of the last one that was pruned."""
    row = connection.execute(select(about.c.audit_pruned, about.c.audit_pruned_hash)).first()
    return (0, FIRST) if row is None else (row.audit_pruned, row.audit_pruned_hash)


def chained(previous: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 over the hash before it and a JSON list of its fields."""
    fields = [previous, entry["id"], _utc(entry["at"]), entry["kind"], entry["alert_id"], entry["incident_id"]]
    return hashlib.sha256(_JSON.encode([*fields, entry["body"]])).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying came to: how many entries are right, the last hash, and the first entry that is wrong (if any)."""

    entries: int
    head: str
    broken_at: int | None = None


def verify(connection: Connection) -> Verdict:
    """Compute the whole chain again, from its first entry or from where it was cut."""
    number, previous = beginning(connection)
    count = 0
    for row in _rows(connection):
        number += 1
        expected = chained(previous, row._asdict())
        if row.id != number or row.hash != expected:
            return Verdict(count, previous, row.id)
        previous, count = row.hash, count + 1
    return Verdict(count, previous)


def holds(connection: Connection, head: str) -> bool:
    """Whether an entry has this hash."""
    return connection.scalar(select(audit.c.id).where(audit.c.hash == head).limit(1)) is not None


def export(connection: Connection) -> Iterator[str]:
    """Each entry as a line of JSON, with all that is needed to compute its hash again."""
    for row in _rows(connection):
        entry = {
            "id": row.id, "at": _utc(row.at), "kind": row.kind, "alert_id": row.alert_id,
            "incident_id": row.incident_id, "body": json.loads(row.body), "hash": row.hash,
        }  # fmt: skip
        yield json.dumps(entry, ensure_ascii=False)


def _rows(connection: Connection) -> Iterator[AnyRow]:
    after = 0
    while rows := connection.execute(
        select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(_AT_ONCE)
    ).all():
        yield from rows
        after = rows[-1].id


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
