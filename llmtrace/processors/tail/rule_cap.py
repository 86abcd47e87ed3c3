"""How many traces rules may keep: all of them up to a rate, above it a random sample that says what it stands for.

An outage makes every trace an error. A cap that keeps the first ones and drops the rest would make every rate wrong, so
above it chance decides, with a probability that depends on the past alone: each kept trace counts 1 / probability, and
the counts stay unbiased.
"""

from __future__ import annotations

import math
from typing import Final

from llmtrace import _chance

MINUTE: Final = 60.0
_SPREAD: Final = 0.05
_LEAST_SPREAD: Final = 10.0


class RuleCap:
    """A bucket that holds a minute's worth of keeps and refills at the rate; overdrawn, it lowers the probability.

    Each keep beyond what is in the bucket makes the next one a little less probable, by a factor; so the rate of keeps
    settles at the cap however many traces ask, and the probability is never 0.
    """

    def __init__(self, rate: float | None, now: float) -> None:
        """Begin with a full bucket.

        Args:
            rate: keeps a second; None: no cap.
            now: seconds by the caller's clock.
        """
        self._rate = rate
        self._most = self._level = MINUTE * (rate or 0.0)
        self._spread = max(_LEAST_SPREAD, self._most * _SPREAD)
        self._at = now

    def threshold(self, now: float) -> int:
        """The threshold that the next trace has to reach."""
        if self._rate is None:
            return _chance.ALWAYS
        self._level = min(self._most, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level >= 1.0:
            return _chance.ALWAYS
        return min(_chance.threshold(math.exp((self._level - 1.0) / self._spread)), _chance.END - 1)

    @property
    def has_room(self) -> bool:
        """Whether the next one is kept for certain, as far as is known; changes nothing."""
        return self._rate is None or self._level > 1.0

    def kept(self) -> None:
        """One was kept."""
        self._level -= 1.0
