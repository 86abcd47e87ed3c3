"""Wrong tokens: some at once, then slowly, by address and in all, in a memory that does not grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import ManualClock
from test_router_page_web import GUARDED, TOKENS, opened

from llmtrace.router.page.attempts import IN_TOTAL, MOST_ADDRESSES, PER_ADDRESS, Attempts


@pytest.fixture
def clock():
    """Stands still until it is moved."""
    return ManualClock()


def seconds(attempts: Attempts, address: str) -> float:
    """How long this address waits."""
    return max(attempts.wait(address).total_seconds(), 0.0)


def test_guessing_a_token_is_slowed_down(tmp_path):
    """After ten wrong tokens the page answers 429 in words, with Retry-After; then the right one opens it again."""
    with opened(tmp_path, GUARDED) as site:
        assert [site.log_in("not-a-token-at-all").status_code for _ in range(12)] == [401] * 10 + [429] * 2
        refused = site.log_in(TOKENS[0])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "6")
        assert "too many wrong tokens. Try again in 6 seconds." in refused.text
        assert "set-cookie" not in refused.headers
        site.world.clock.move(seconds=6)
        assert site.log_in(TOKENS[0]).status_code == 303


def test_who_logs_in_is_not_slowed_down(tmp_path):
    """Only wrong tokens count; who is logged in does not notice."""
    with opened(tmp_path, GUARDED) as site:
        assert {site.log_in().status_code for _ in range(30)} == {303}
        for _ in range(12):
            site.log_in("not-a-token-at-all")
        assert site.get("/").status_code == 200


def test_one_address_does_not_lock_out_another(clock):
    """Each address has its own count; all of a client's IPv6 addresses are one."""
    attempts = Attempts(clock.now)
    for n in range(PER_ADDRESS.at_once):
        attempts.failed("10.0.0.1")
        attempts.failed(f"2001:db8::{n:x}")
    assert [seconds(attempts, each) > 0 for each in ("10.0.0.1", "10.0.0.2", "2001:db8::ffff", "2001:db9::1", "")] == [
        True, False, True, False, False,
    ]  # fmt: skip


def test_many_addresses_together_are_slowed_down_in_constant_memory(clock):
    """Whoever has many addresses is bounded in all; what is remembered does not grow."""
    attempts = Attempts(clock.now)
    for n in range(IN_TOTAL.at_once):
        assert seconds(attempts, f"client-{n}") == 0
        attempts.failed(f"client-{n}")
    assert seconds(attempts, "another") > 0
    for n in range(2 * MOST_ADDRESSES):
        attempts.failed(f"other-{n}")
    assert len(attempts._until) == MOST_ADDRESSES


@given(st.lists(st.tuples(st.floats(-100, 100), st.booleans()), max_size=60))
def test_nobody_is_locked_out(steps):
    """Whatever was tried, and however the clock was set, nobody waits longer than for one attempt."""
    clock = ManualClock()
    attempts = Attempts(clock.now)
    for by, tries in steps:
        clock.move(seconds=by)
        if tries and seconds(attempts, "a") == 0:
            attempts.failed("a")
        assert seconds(attempts, "a") <= PER_ADDRESS.each.total_seconds()
    clock.move(seconds=-10_000)
    assert seconds(attempts, "a") == 0
