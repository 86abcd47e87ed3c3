"""When to try a delivery again: exponential backoff with jitter, at least as long as the destination asks. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from llmtrace.router.model import Attempt, Delivery, Outcome, Receipt

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(minutes=5)
GIVE_UP_AFTER: Final = timedelta(days=3)


def settle(delivery: Delivery, receipt: Receipt, now: datetime, jitter: float) -> Attempt:
    """What to write about an attempt. ``jitter`` from 0 to 1 spreads retries over the second half of the wait."""
    if receipt.outcome is not Outcome.RETRY:
        return Attempt(delivery.id, receipt, now, None)
    retry_at = now + max(_backoff(delivery.attempts, jitter), receipt.retry_after or timedelta(0))
    if retry_at - delivery.created_at > GIVE_UP_AFTER:
        return Attempt(delivery.id, replace(receipt, outcome=Outcome.GAVE_UP), now, None)
    return Attempt(delivery.id, receipt, now, retry_at)


def _backoff(attempts: int, jitter: float) -> timedelta:
    # 2 to the 9th s is beyond LONGEST already; more would overflow one day.
    whole: timedelta = min(FIRST * (1 << min(attempts, 9)), LONGEST)
    return whole * (0.5 + jitter / 2)
