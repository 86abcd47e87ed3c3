"""Whose turn it is: what came from the app a moment ago, or what waits on disk."""

from __future__ import annotations

from typing import Final

BATCH: Final = 512
"""Spans in one request."""
PROBE: Final = 64
"""Spans in a request to a backend that is away: half as many after each 500, as it may fail at one of them."""
REPLAYED_A_SECOND: Final = 5_000
"""Spans that come back from disk, at most: a backend that is back must not be drowned."""


class Turns:
    """In turns, and a backend that is away is asked with what is on disk already."""

    def __init__(self) -> None:
        self._was_replayed = False
        self._replay_at = 0.0

    def until_replay(self, now: float, *, hurries: bool) -> float:
        """Seconds until spans may come from disk again."""
        return 0.0 if hurries else max(0.0, self._replay_at - now)

    def prefers_disk(self, *, is_away: bool) -> bool:
        """Whether it goes first, where spans wait in memory too."""
        return is_away or not self._was_replayed

    @staticmethod
    def most(*, is_away: bool, broke: int) -> int:
        """Spans in the next request from disk; `broke`: so many in sequence met a 500."""
        return max(1, PROBE >> broke) if is_away else BATCH

    def took(self) -> None:
        """From memory."""
        self._was_replayed = False

    def replayed(self, number: int, now: float) -> None:
        """From disk, so many."""
        self._was_replayed = True
        self._replay_at = now + number / REPLAYED_A_SECOND
