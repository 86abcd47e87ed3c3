"""What happened to the spans, counted."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from llmtrace._stats import Loss, Stats


def test_losses_are_counted_by_reason():
    """Each reason has its own count, under lost.<reason>."""
    stats = Stats()
    for reason in Loss:
        stats.lose(reason)
        stats.lose(reason, 2)
    stats.add("delivered", 5)
    assert stats.snapshot() == {"delivered": 5, **{f"lost.{reason.value}": 3 for reason in Loss}}


def test_a_snapshot_is_a_copy():
    """What is counted later does not change it, and changing it counts nothing."""
    stats = Stats()
    before = stats.snapshot()
    stats.add("delivered")
    assert before == {}
    stats.snapshot()["delivered"] = 9
    assert stats.snapshot() == {"delivered": 1}


def test_reset_starts_from_zero():
    """As in a forked child."""
    stats = Stats()
    stats.add("delivered")
    stats.reset()
    assert stats.snapshot() == {}


def test_no_count_is_lost_between_threads():
    """Eight threads that count at once get the sum."""
    stats, interval = Stats(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: [stats.add("delivered") for _ in range(500)], range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert stats.snapshot() == {"delivered": 4_000}
