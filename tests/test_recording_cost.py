"""What recording costs the caller, beside the raw SDK: a guard with wide margins; `make bench` holds the limits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import recording, side_by_side
from benchmarks.environments import requirements_of
from benchmarks.rounds import compare
from benchmarks.rows import Row, table

PYTHON = Path(sys.executable)


@pytest.mark.parametrize(("case", "base", "most"), [("llm", "llm", 0.6), ("tool", "tool", 0.9), ("off", "off", 0.3)])
def test_a_span_costs_a_fraction_of_the_raw_sdks(case, base, most):
    """In the same rounds, on the same values, by this thread's CPU time: at most twice the limit, as a guard."""
    figure = compare((PYTHON, "ours", case), (PYTHON, "raw", base), rounds=3, units=500)
    assert figure.ratio <= most, figure


@pytest.mark.full
def test_no_row_of_recording_is_far_over_its_limit():
    """The rows that `make bench` prints, each at most half as much again as its limit."""
    far = [row for row in recording.measure() if row.limit is not None and row.measured > 1.5 * row.limit]
    assert [str(row) for row in far] == []


def test_every_peer_is_pinned_and_the_table_says_what_is_over():
    """Each peer's file names exact versions; a figure beyond its limit, or below its floor, is marked."""
    assert all("==" in requirements_of(peer)[0] for peer in side_by_side.PEERS)
    rows = [Row("a", 2.0, 1.0), Row("b", 2.0, 1.0, is_floor=True), Row("c", 0.5, 1.0, is_floor=True), Row("d", 1e6)]
    assert [row.is_over for row in rows] == [True, False, True, False]
    assert table("t", rows).count("**over**") == 2
