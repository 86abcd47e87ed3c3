"""The cap on what rules keep: a rate that holds, and counts that stay unbiased."""

from __future__ import annotations

import random

import pytest

from llmtrace import _chance
from llmtrace.processors.tail.rule_cap import RuleCap


def run(rate, arrivals, seconds, seed):
    """Traces that ask, evenly in time: how many there were, were kept, and are counted, with the variance of that."""
    dice, cap = random.Random(seed), RuleCap(rate, 0.0)  # noqa: S311 - a test's dice
    kept, counted, variance = [0] * seconds, 0.0, 0.0
    for number in range(arrivals * seconds):
        now = number / arrivals
        threshold = cap.threshold(now)
        if dice.getrandbits(_chance.BITS) >= threshold:
            cap.kept()
            kept[int(now)] += 1
            counted += _chance.adjusted_count(threshold)
        share = _chance.probability(threshold)
        variance += (1 - share) / share
    return kept, counted, variance


@pytest.mark.parametrize("arrivals", [1, 50, 100])
def test_under_the_cap_everything_is_kept(arrivals):
    """Every trace, with the count 1."""
    kept, counted, _ = run(100, arrivals, 90, 1)
    assert sum(kept) == counted == arrivals * 90


def test_a_burst_of_a_minutes_worth_is_kept_whole():
    """6,000 within a second are 100 a second, averaged over a minute."""
    cap = RuleCap(100, 0.0)
    for number in range(6_000):
        assert cap.threshold(number / 6_000) == _chance.ALWAYS
        cap.kept()


@pytest.mark.parametrize("seed", range(1_000, 1_005))
def test_ten_times_over_the_cap_the_rate_holds_and_the_count_is_true(seed):
    """When the bucket is empty 100 a second are kept, and those kept stand for all within 3 standard deviations."""
    kept, counted, variance = run(100, 1_000, 120, seed)
    assert 90 <= sum(kept[30:]) / 90 <= 110
    assert abs(counted - 120_000) < 3 * variance**0.5
    assert variance > 0


def test_no_flood_makes_the_probability_zero():
    """Fifty thousand a second: the rate still holds, nothing is impossible."""
    kept, counted, variance = run(1, 50_000, 2, 2)
    assert sum(kept) < 300
    assert abs(counted - 100_000) < 3 * variance**0.5


def test_a_cap_of_none_keeps_all():
    """Switched off."""
    cap = RuleCap(None, 0.0)
    for _ in range(10_000):
        assert cap.threshold(0.0) == _chance.ALWAYS
        cap.kept()
