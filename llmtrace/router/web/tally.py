"""The tally: how many requests and alerts came in by path and status since the router started."""

from __future__ import annotations

from collections import Counter


class Tally:
    """Counts. Of one event loop."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.alerts: Counter[str] = Counter()
        self.unwatched_points = 0

    def answered(self, path: str, status: int) -> None:
        """A request got this status."""
        self.answers[path, status] += 1

    def accepted(self, path: str, alerts: int) -> None:
        """So many alerts are on disk."""
        self.alerts[path] += alerts

    def unwatched(self, points: int) -> None:
        """So many points of metrics came, which no monitor reads."""
        self.unwatched_points += points
