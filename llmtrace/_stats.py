"""What happened to the spans of this process: recorded, delivered, lost, each loss with its reason.

For each backend ``accepted`` spans were offered to its delivery, ``delivered`` ones got a success from it, ``spooled``
and ``replayed`` ones went to disk and came back. ``accepted`` = ``delivered`` + ``lost.*`` + what waits. The counters
of other backends than the main one have its name behind them: ``delivered[honeycomb]``. ``alerts.tagged`` tags came to
the branch to the router, ``alerts.sent`` spans left it. As metrics: ``docs/reference/metrics.md``.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final


class Loss(StrEnum):
    """Why something was lost."""

    QUEUE_FULL = "queue_full"
    """The bounded queue was full: the backend was away for longer than it can bridge."""
    REJECTED = "rejected"
    """The backend answered that it will never take these spans (a 4xx, or `partial_success`)."""
    NOT_ENCODABLE = "not_encodable"
    """No OTLP bytes could be made of the span, not even of a cleaned copy."""
    SHUTDOWN = "shutdown"
    """Still undelivered when the time given to `shutdown` was over, and there was no spool to put it in."""
    SPOOL_FULL = "spool_full"
    """The spool on disk was full: the oldest went, what chance kept before what a rule kept."""
    SPOOL_ERROR = "spool_error"
    """What stood in the spool could not be read again: a damaged file, a file that somebody removed."""
    EXPIRED = "expired"
    """Still undelivered at the age at which spans are given up."""
    INTERNAL_ERROR = "internal_error"
    """An error of llmtrace itself; the span may be incomplete."""


class Stats:
    """Counters of one process. Thread-safe."""

    def __init__(self) -> None:
        # Reentrant: a span may end inside the garbage collector, which may run while this very lock is held.
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._levels: dict[str, Callable[[], int]] = {}

    def watch(self, name: str, read: Callable[[], int]) -> None:
        """Have something that rises and falls read by `levels`; a second one of a name replaces the first."""
        with self._lock:
            self._levels[name] = read

    def add(self, name: str, number: int = 1) -> None:
        """Count something that went well, e.g. ``delivered``."""
        with self._lock:
            self._counts[name] += number

    def lose(self, reason: Loss, number: int = 1) -> None:
        """Count a loss."""
        self.add(f"lost.{reason.value}", number)

    def snapshot(self) -> dict[str, int]:
        """The counters now, by name; losses as ``lost.<reason>``."""
        with self._lock:
            return dict(self._counts)

    def levels(self) -> dict[str, int]:
        """What rises and falls, now."""
        with self._lock:
            return {name: read() for name, read in self._levels.items()}

    def reset(self) -> None:
        """Start from zero: in a forked child, and in tests."""
        self._lock = threading.RLock()
        self._counts = Counter()


stats: Final = Stats()
