"""The quarantine: what was set aside so that it keeps nothing else from being told; which it was, and what was wrong.

Each has its entry in the audit trail too. Neither holds what a sender wrote, save the bytes of an entry of the inbox
that cannot be read: whoever can read them finds them here for as long as alerts are kept.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete

from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.schema import quarantine
from llmtrace.router.store.statement import Insertion

_PUT: Final = Insertion(quarantine)


class Kind(StrEnum):
    """What is set aside."""

    ENTRY = "inbox_entry"
    ALERT = "alert"
    STATE = "state"
    GROUP = "group"
    INCIDENT = "incident"
    DELIVERY = "delivery"
    RECEIPT = "receipt"


def put(
    connection: Connection, trail: AuditTrail, kind: Kind, what: str, why: str, now: datetime, body: bytes | None = None
) -> None:
    """Note it, in the transaction that sets it aside."""
    _PUT.run(connection, [{"kind": kind, "what": what, "why": why, "at": now, "body": body}])
    trail.add("set_aside", {"kind": kind.value, "what": what, "why": why})


def forget(connection: Connection, before: datetime) -> None:
    """What is too old."""
    connection.execute(delete(quarantine).where(quarantine.c.at < before))
