"""Consistent probability: thresholds, randomness and their form in ``tracestate``."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.trace import TraceState

from llmtrace import _chance
from llmtrace._chance import Said

PROBABILITIES = st.floats(min_value=0, max_value=1) | st.floats(min_value=2**-56, max_value=1e-9)


@pytest.mark.parametrize(
    ("probability", "on_the_wire"),
    [(1.0, "0"), (0.5, "8"), (0.25, "c"), (0.1, "e6666"), (0.01, "fd70a4"), (2.0**-56, "ffffffffffffff")],
)
def test_thresholds_are_those_of_the_specification(probability, on_the_wire):
    """Known values, without trailing zeros."""
    assert _chance.written(_chance.threshold(probability)) == on_the_wire


def test_no_threshold_lets_nothing_through():
    """Probability 0 is above every randomness."""
    assert _chance.threshold(0.0) == _chance.NEVER > _chance.END - 1


@given(PROBABILITIES)
def test_a_threshold_keeps_its_probability(probability):
    """What is written stands for the probability that was asked, to a hundred thousandth, and never for none."""
    threshold = _chance.threshold(probability)
    if probability >= 2**-56:
        assert threshold < _chance.END
        assert _chance.probability(threshold) == pytest.approx(probability, rel=1e-4, abs=2**-56)


@given(PROBABILITIES, PROBABILITIES, st.integers(0, _chance.END - 1))
def test_what_is_kept_at_a_smaller_probability_is_kept_at_a_greater(one, other, randomness):
    """p1 < p2: every trace of the first sample is in the second."""
    less, more = sorted((one, other))
    if randomness >= _chance.threshold(less):
        assert randomness >= _chance.threshold(more)


@given(st.integers(0, _chance.END - 1), st.none() | st.integers(0, _chance.END - 1))
def test_what_is_written_is_read_back(threshold, randomness):
    """Threshold and randomness, exactly."""
    said = Said(threshold, randomness)
    assert _chance.read(_chance.write(None, said)) == said


@given(st.text(alphabet="otrvhx:;=0123456789abcdefABCDEFg ", max_size=300))
@example(": ;")
def test_whatever_stands_there_is_survived(text):
    """A malformed entry says nothing, and what is written over it is within the length that is allowed."""
    state = TraceState([("ot", text)]) if text.strip() == text and text and "=" not in text else TraceState()
    said = _chance.read(state)
    assert said.threshold is None or 0 <= said.threshold < _chance.END
    written = _chance.write(state, Said(5, 7, said.others))
    assert len(written["ot"]) <= 256
    assert _chance.read(written).threshold == 5


@pytest.mark.parametrize("entry", ["th:fd70a4;x:" + "y" * 244, "th:fd70a4;x:y;z:" + "w" * 235])
def test_an_entry_of_full_length_is_read_and_stays_within_it(entry):
    """256 characters are allowed; what does not fit beside the threshold is left out."""
    assert len(entry) <= 256
    state = TraceState([("ot", entry)])
    said = _chance.read(state)
    assert said.threshold == _chance.threshold(0.01)
    assert len(_chance.write(state, Said(1, 2, said.others))["ot"]) <= 256


def test_other_vendors_entries_are_kept():
    """Ours comes first, as the last that changed; in a full state the last one makes room."""
    state = TraceState([(f"v{number}", "1") for number in range(32)])
    written = _chance.write(state, Said(0))
    assert list(written) == ["ot", *(f"v{number}" for number in range(31))]
    assert _chance.write(TraceState([("a", "1"), ("ot", "th:8")]), Said()) == {"a": "1"}


def test_an_adjusted_count_is_one_over_the_probability():
    """At 1 %, a hundred."""
    assert _chance.adjusted_count(_chance.threshold(0.01)) == pytest.approx(100, rel=1e-5)
    assert _chance.adjusted_count(_chance.ALWAYS) == 1
