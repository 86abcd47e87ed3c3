"""Pace: how many messages a destination may get now. A token bucket for each key, a breaker for each destination.

Time is the wall clock of the router; where it is set back, a bucket starts to fill again from there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.ports import Rate

FAILURES: Final = 5
"""In a row, after which a destination is left alone."""
FIRST_PAUSE: Final = timedelta(seconds=15)
LONGEST_PAUSE: Final = timedelta(minutes=5)


class Bucket:
    """Tokens that fill up evenly. Without a rate it is never empty."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._tokens = float(rate.burst) if rate is not None else 0.0
        self._at: datetime | None = None
        self._blocked_until: datetime | None = None

    def allowance(self, wanted: int, now: datetime) -> int:
        """At most ``wanted``."""
        self._fill(now)
        if self._blocked_until is not None and now < self._blocked_until:
            return 0
        return wanted if self._rate is None else min(wanted, int(self._tokens))

    def take(self, count: int) -> None:
        """Messages are sent."""
        self._tokens -= count if self._rate is not None else 0

    def block(self, until: datetime) -> None:
        """The destination asked to wait."""
        self._blocked_until = until

    def opens_at(self, now: datetime) -> datetime | None:
        """When the next message may go; None where one may go now."""
        if self.allowance(1, now):
            return None
        blocked = self._blocked_until if self._blocked_until is not None and now < self._blocked_until else now
        if self._rate is None or self._tokens >= 1:
            return blocked
        return max(blocked, now + (1 - self._tokens) * self._rate.period / self._rate.burst)

    def _fill(self, now: datetime) -> None:
        if self._rate is not None and self._at is not None and now > self._at:
            new = (now - self._at) / self._rate.period * self._rate.burst
            self._tokens = min(self._tokens + new, float(self._rate.burst))
        self._at = now


class Breaker:
    """After some failures in a row a destination gets a pause, then one attempt, then all again or a longer pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._opens_at: datetime | None = None

    def allowance(self, wanted: int, under_way: int, now: datetime) -> int:
        """At most ``wanted``; one at a time while it is not known whether the destination is back."""
        if self._failures < FAILURES:
            return wanted
        if self._opens_at is not None and now < self._opens_at:
            return 0
        return min(wanted, 1 if under_way == 0 else 0)

    def answered(self, receipt: Receipt, now: datetime) -> None:
        """An attempt ended. An answer that asks to wait is no failure: somebody is there."""
        if receipt.outcome is not Outcome.RETRY or receipt.retry_after is not None:
            self._failures, self._opens_at = 0, None
            return
        self._failures += 1
        if self._failures >= FAILURES:
            pause: timedelta = min(FIRST_PAUSE * (1 << min(self._failures - FAILURES, 9)), LONGEST_PAUSE)
            self._opens_at = now + pause

    def opens_at(self, now: datetime) -> datetime | None:
        """When the next attempt may be made; None where one may be made now."""
        return self._opens_at if self._opens_at is not None and now < self._opens_at else None


class Pace:
    """Both, for one destination."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._breaker = Breaker()

    def allowance(self, wanted: int, under_way: int, now: datetime) -> int:
        """How many of ``wanted`` may go now."""
        return self._bucket.allowance(self._breaker.allowance(wanted, under_way, now), now)

    def take(self, count: int) -> None:
        """Messages are sent."""
        self._bucket.take(count)

    def answered(self, receipt: Receipt, now: datetime) -> None:
        """An attempt ended."""
        self._breaker.answered(receipt, now)
        if receipt.retry_after is not None:
            self._bucket.block(now + receipt.retry_after)

    def opens_at(self, now: datetime) -> datetime | None:
        """When something may go again; None where it may now."""
        times = [at for at in (self._bucket.opens_at(now), self._breaker.opens_at(now)) if at is not None]
        return max(times, default=None)
