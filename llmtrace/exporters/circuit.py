"""Whether a backend takes spans now, and when to ask again: pauses that double, waits that it asked for, patience."""

from __future__ import annotations

import random
from typing import Final

from llmtrace.exporters.answers import Answer, Outcome

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
LONGEST_CLOSED_PAUSE: Final = 60.0
"""Seconds between two attempts: doubled from the first to the longest, with jitter; longer where nobody is let in."""
SHORTEST_WAIT: Final = 0.2
"""For a backend that asks to be asked again at once."""
FIRST_PATIENCE: Final = 3.0
"""Seconds for an answer, doubled up to the request's timeout: a backend that hangs is found out before that."""
_GENEROSITY: Final = 10
"""The slowest answer so far, times this, is waited for the first time already."""


class Circuit:
    """The state of the way to one backend. Used by the sending thread, looked at by others."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._pause = FIRST_PAUSE
        self._patience = min(timeout, FIRST_PATIENCE)
        self._slowest = 0.0
        self.trouble: Answer | None = None
        """Why nothing is taken now; None: it is."""
        self.away_since = 0.0
        self._next_at = 0.0
        self.broke = 0
        """Attempts in sequence that met a 500."""
        self.asked_to_wait = False
        """Whether the backend itself named the time of the next attempt."""

    @property
    def is_open(self) -> bool:
        """Whether spans may go freely."""
        return self.trouble is None

    @property
    def patience(self) -> float:
        """Seconds that the next request may take."""
        return self._patience

    def succeeded(self, took: float) -> None:
        """A request was answered, in so many seconds, by a backend that works."""
        self._slowest = max(took, self._slowest)
        self._patience = min(self._timeout, max(FIRST_PATIENCE, _GENEROSITY * self._slowest))
        self._pause = FIRST_PAUSE
        self.trouble = None
        self.broke = 0

    def failed(self, answer: Answer, now: float) -> None:
        """A request was not answered, or by a backend that takes nothing now."""
        if self.trouble is None:
            self.away_since = now
        self.trouble = answer
        self.broke = self.broke + 1 if answer.outcome is Outcome.BROKEN else 0
        if answer.outcome is Outcome.NO_ANSWER:
            self._patience = min(self._timeout, self._patience * 2)
        self.asked_to_wait = answer.wait is not None
        jittered = self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        self._next_at = now + (jittered if answer.wait is None else max(answer.wait, SHORTEST_WAIT))
        longest = LONGEST_CLOSED_PAUSE if answer.outcome is Outcome.CLOSED else LONGEST_PAUSE
        self._pause = min(longest, self._pause * 2)

    def wait(self, now: float, *, hurries: bool) -> float:
        """Seconds until the next attempt; in a hurry at once, unless the backend itself asked for the wait."""
        if self.trouble is None or (hurries and not self.asked_to_wait):
            return 0.0
        return max(0.0, self._next_at - now)

    def is_hopeless(self, deadline: float) -> bool:
        """Whether there is nothing to hope for until then: nobody is there, or a later time was named."""
        if self.trouble is None:
            return False
        if self.trouble.outcome in (Outcome.NOBODY, Outcome.CLOSED):
            return True
        return self.asked_to_wait and self._next_at > deadline
