"""What a backend's answer means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import BadStatusLine

import pytest

from llmtrace._connection import UnreachableError
from llmtrace.exporters.answers import LONGEST_WAIT, Outcome, of_error, of_response
from llmtrace.exporters.circuit import FIRST_PATIENCE, Circuit


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_meaning(status):
    """Only a 2xx takes spans; only 400 and 422 blame one, only 413 their size; only 500 may mean one."""
    outcome = of_response(status, {}, b"").outcome
    assert (outcome is Outcome.TAKEN) == (200 <= status < 300)
    assert (outcome is Outcome.BAD) == (status in (400, 422))
    assert (outcome is Outcome.TOO_LARGE) == (status == 413)
    assert (outcome is Outcome.BROKEN) == (status == 500)
    assert (outcome is Outcome.LATER) == (status in (408, 425, 429) or status > 500)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("1.5", 1.5),
        (" 30 ", 30.0),
        ("-5", 0.0),
        ("100000000", LONGEST_WAIT),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 99 Nov 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header, seconds):
    """Seconds, or a date; what is neither counts as not said."""
    assert of_response(503, {"retry-after": header}, b"").wait == seconds
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    found = of_response(429, {"retry-after": date}, b"").wait
    assert found is not None
    assert 38 < found < 41
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert of_response(429, {"retry-after": past}, b"").wait == 0.0


def test_an_error_is_told_by_its_kind_only():
    """Its text may hold the address, and in it credentials."""
    unreachable = UnreachableError("http://user:pw@host")
    assert of_error(unreachable).said == "UnreachableError"
    unreachable.__cause__ = ConnectionRefusedError("http://user:pw@host")
    assert of_error(unreachable).said == "ConnectionRefusedError"
    assert of_error(unreachable).outcome is Outcome.NOBODY
    assert of_error(TimeoutError()).outcome is Outcome.NO_ANSWER
    assert of_error(BadStatusLine("")).outcome is Outcome.LATER
    assert of_error(ConnectionResetError()).outcome is Outcome.LATER


def test_a_backend_is_asked_again_after_pauses_that_grow():
    """Up to a bound; a success makes them short again."""
    circuit, now, pauses = Circuit(10.0), 100.0, []
    for _ in range(8):
        circuit.failed(of_response(503, {}, b""), now)
        pauses.append(circuit.wait(now, hurries=False))
        now += pauses[-1]
    assert 0.4 <= pauses[0] <= 0.6
    assert pauses[0] < pauses[1] < pauses[2]
    assert max(pauses) <= 6.0
    circuit.succeeded(0.01)
    assert circuit.wait(now, hurries=False) == 0.0


def test_nobody_hurries_past_a_wait_that_was_asked_for():
    """A flush does not wait for our own pauses, and does for the backend's."""
    circuit = Circuit(10.0)
    circuit.failed(of_response(503, {}, b""), 0.0)
    assert circuit.wait(0.0, hurries=True) == 0.0
    circuit.failed(of_response(503, {"retry-after": "30"}, b""), 0.0)
    assert circuit.wait(0.0, hurries=True) == 30.0
    assert circuit.is_hopeless(20.0)
    assert not circuit.is_hopeless(40.0)


def test_patience_grows_to_the_timeout_for_a_backend_that_is_slow():
    """A hang is found out early; a backend that needs longer gets it."""
    circuit = Circuit(10.0)
    assert circuit.patience == FIRST_PATIENCE
    for _ in range(3):
        circuit.failed(of_error(TimeoutError()), 0.0)
    assert circuit.patience == 10.0
    circuit.succeeded(0.8)
    assert circuit.patience == 8.0
    assert Circuit(0.5).patience == 0.5
