"""What cannot be read of the store, and what stands in for it: so much as can be read, never nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from llmtrace.router.config.watch import OURSELVES
from llmtrace.router.model import ALERTNAME, SOURCE, UNDECIDABLE, Alert, Annotation, Status, plain_labels
from llmtrace.router.store.rows import AnyRow, to_alert

Word = TypeVar("Word", bound=StrEnum)

READING: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, msgspec.MsgspecError)
"""What reading raises where the data is at fault; a database that fails raises its own."""


def salvaged(body: bytes, counted: int, at: datetime) -> Sequence[Alert]:
    """The alerts of an entry of the inbox that this version cannot read, one for one as far as that goes."""
    try:
        found = msgspec.json.decode(body)
    except READING:
        found = None
    if not isinstance(found, list) or not found:
        return [stand_in(None, f"{counted} alerts that the router had accepted cannot be read any more", at)]
    return [_alert(each, at) for each in found]


def alert_of(row: AnyRow) -> Alert:
    """What ``to_alert`` says, or what stands in for it."""
    try:
        return to_alert(row)
    except READING:
        is_over = row.status == Status.RESOLVED
        instead = stand_in(row.labels, "the router cannot read what else this alert says", row.starts_at)
        return replace(instead, status=Status.RESOLVED, ends_at=row.ends_at) if is_over else instead


def known(kind: type[Word], word: str, otherwise: Word) -> Word:
    """What a word means; ``otherwise``: it is none that this version knows."""
    try:
        return kind(word)
    except ValueError:
        return otherwise


def stand_in(labels: object, told: str, at: datetime) -> Alert:
    """An alert that says no more than it must, by its own labels as far as they can be read."""
    said = labels if isinstance(labels, Mapping) else {}
    found = {name: value for name, value in said.items() if isinstance(name, str) and isinstance(value, str)}
    found |= plain_labels(labels)
    if found[ALERTNAME] == UNDECIDABLE:
        found[SOURCE] = OURSELVES
    return Alert(found, {Annotation.REASON.value: told}, at)


def _alert(found: Any, at: datetime) -> Alert:
    try:
        return msgspec.convert(found, Alert)
    except READING as fault:
        told = f"the router cannot read what else this alert says ({type(fault).__name__})"
    said = found if isinstance(found, Mapping) else {}
    instead = stand_in(said.get("labels"), told, at)
    is_over = said.get("status") == Status.RESOLVED
    return replace(instead, status=Status.RESOLVED, ends_at=at) if is_over else instead
