"""The inbox: accepted alerts on disk until they are decided, apart from all else so that accepting waits for nothing.

The database remembers up to which entry it has decided (``about.inbox_done``), in the very transaction that decides.
Entries up to there are waste, whatever happens to the process before they are taken out.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from llmtrace.router.model import Alert
from llmtrace.router.store.backend import Rows
from llmtrace.router.store.schema import from_microseconds, to_microseconds
from llmtrace.router.store.unreadable import READING, salvaged

MOST_IN_ENTRY: Final = 500
"""Alerts. An entry is decided as a whole, or not at all."""
_FORGET_AT: Final = 64
"""Decided entries; then the next commit takes them out with it."""
_READ_AT_ONCE: Final = 64

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(list[Alert])


@dataclass(frozen=True, slots=True)
class Entry:
    """Alerts that were accepted together."""

    id: int
    received_at: datetime
    alerts: Sequence[Alert]
    counted: int
    """How many alerts were accepted: not all can be read, perhaps."""
    problem: str = ""
    """Why it cannot be read as it is."""
    body: bytes = b""
    """Its bytes, in that case."""


class Inbox:
    """Appends and reads. ``done``: the last entry that is decided."""

    def __init__(self, rows: Rows, done: int) -> None:
        self._rows = rows
        mark = rows.mark
        self._insert = f"INSERT INTO inbox (id, received_at, alerts, body) VALUES ({mark}, {mark}, {mark}, {mark})"  # noqa: S608 - marks, no values
        self._select = f"SELECT id, received_at, alerts, body FROM inbox WHERE id > {mark} ORDER BY id LIMIT {mark}"  # noqa: S608 - marks, no values
        self._delete = f"DELETE FROM inbox WHERE id <= {mark}"  # noqa: S608 - marks, no values
        self._lock = threading.Lock()
        self._rows.write((self._delete, [(done,)]))
        self._done = self._forgotten = done
        last, waiting = self._rows.read("SELECT max(id), coalesce(sum(alerts), 0) FROM inbox", ())[0]
        # Never below what is decided already: an empty inbox beside an old database goes on where the old one ended.
        self._last = max(done, last or 0)
        self._undecided = int(waiting)

    @property
    def near(self) -> bool:
        """Whether it is a file of this machine."""
        return self._rows.near

    @property
    def undecided(self) -> int:
        """How many alerts wait."""
        return self._undecided

    def make_room(self) -> None:
        """Get ready for many alerts."""
        self._rows.make_room()

    def append(self, alerts: Sequence[Alert], now: datetime) -> None:
        """Return once they are on disk.

        Raises:
            StoreError: they are not; nothing was kept.
        """
        at = to_microseconds(now)
        parts = [alerts[first : first + MOST_IN_ENTRY] for first in range(0, len(alerts), MOST_IN_ENTRY)]
        with self._lock:
            numbers = itertools.count(self._last + 1)
            rows = [(next(numbers), at, len(part), _ENCODER.encode(part)) for part in parts]
            done = self._done
            if done - self._forgotten >= _FORGET_AT:
                self._rows.write((self._delete, [(done,)]), (self._insert, rows))
                self._forgotten = done
            else:
                self._rows.write((self._insert, rows))
            self._last += len(rows)
            self._undecided += len(alerts)

    def read(self, after: int, most: int) -> Iterator[Entry]:
        """Entries behind this one, the oldest first, until they hold so many alerts or there are no more."""
        found = 0
        while True:
            rows = self._rows.read(self._select, (after, _READ_AT_ONCE))
            for number, at, counted, body in rows:
                entry = _entry(number, from_microseconds(at), counted, _bytes(body))
                yield entry
                after, found = number, found + len(entry.alerts)
                if found >= most:
                    return
            if len(rows) < _READ_AT_ONCE:
                return

    def decided(self, done: int, alerts: int) -> None:
        """All entries up to this one are decided; the new ones among them held so many alerts."""
        with self._lock:
            self._done = done
            self._undecided -= alerts


def _entry(number: int, at: datetime, counted: int, body: bytes) -> Entry:
    """Written by another version, perhaps, or damaged: what cannot be read must not keep the rest from being told."""
    try:
        return Entry(number, at, _DECODER.decode(body), counted)
    except READING as fault:
        return Entry(number, at, salvaged(body, counted, at), counted, type(fault).__name__, body)


def _bytes(body: Any) -> bytes:
    return body.encode(errors="replace") if isinstance(body, str) else bytes(body)
