"""What became of the spans of one backend: counted, and told in the log, one line a minute while there is trouble."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Final

from llmtrace._guard import logger
from llmtrace._stats import Loss, stats

SAY_EVERY: Final = 60.0
"""Seconds between two log lines about the same thing."""
MAIN: Final = "backend"
"""The backend whose counters have no name behind them: in most services there is no other."""


class Tally:
    """Counters and log lines of one backend. Thread-safe."""

    def __init__(self, name: str, shown: str) -> None:
        self._suffix = "" if name == MAIN else f"[{name}]"
        self._shown = shown
        self.renew()

    def renew(self) -> None:
        """Begin anew: in a forked child."""
        # Reentrant: a span may end inside the garbage collector, which may run while this very lock is held.
        self._lock = threading.RLock()
        self._own: Counter[str] = Counter()
        self._said_at: dict[str, float] = {}
        self._summed_up: Counter[str] = Counter()
        self._summed_up_at = time.monotonic()

    def add(self, what: str, number: int = 1) -> None:
        """Count."""
        if number:
            with self._lock:
                self._own[what] += number
            stats.add(f"{what}{self._suffix}", number)

    def lose(self, reason: Loss, number: int = 1) -> None:
        """Count a loss."""
        self.add(f"lost.{reason.value}", number)

    def of(self, what: str) -> int:
        """A counter."""
        with self._lock:
            return self._own[what]

    def say(self, about: str, what: str, level: int = logging.WARNING) -> None:
        """Log one line, at most one a minute about the same thing."""
        now = time.monotonic()
        with self._lock:
            if now - self._said_at.get(about, float("-inf")) < SAY_EVERY:
                return
            self._said_at[about] = now
            self._summed_up_at = now
        logger.log(level, "llmtrace: %s %s", self._shown, what)

    def sum_up(self, trouble: str) -> None:
        """The one line a minute, while there is trouble or new losses; no more often, however often it is called."""
        now = time.monotonic()
        with self._lock:
            if now - self._summed_up_at < SAY_EVERY:
                return
            self._summed_up_at = now
            lost = {name: count for name, count in self._own.items() if name.startswith("lost.")}
            has_news = any(count > self._summed_up[name] for name, count in lost.items())
            self._summed_up = Counter(lost)
            counted = ", ".join(f"{count} {name}" for name, count in sorted(self._own.items()))
        if trouble or has_news:
            logger.warning("llmtrace: %s %s; so far: %s", self._shown, trouble or "lost spans", counted)
