"""What the middleware costs, beside the peers."""

from __future__ import annotations

import pytest

from benchmarks import middleware


@pytest.mark.full
def test_the_middleware_costs_at_most_half_of_opentelemetrys() -> None:
    """In one run, with one span a request each."""
    ours, correlation = middleware.measure()
    assert not ours.is_over, str(ours)
    assert correlation.measured > 0
