"""What became of the spans, counted and told."""

from __future__ import annotations

import pytest

from llmtrace._stats import Loss
from llmtrace.exporters import tally as tallies
from llmtrace.exporters.tally import Tally

pytest_plugins = ("core_fixtures",)


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The tallies' clock."""
    made = Clock()
    monkeypatch.setattr(tallies, "time", made)
    return made


def test_the_main_backends_counters_have_no_name_behind_them(counts):
    """Those of others have, so that accepted = delivered + lost holds for each."""
    Tally("backend", "http://a").add("delivered", 2)
    Tally("honeycomb", "http://b").add("delivered", 3)
    Tally("honeycomb", "http://b").lose(Loss.REJECTED)
    assert counts() == {"delivered": 2, "delivered[honeycomb]": 3, "lost.rejected[honeycomb]": 1}


def test_the_same_thing_is_said_once_a_minute(clock, caplog):
    """Another thing at once."""
    tally = Tally("backend", "http://a")
    for _ in range(3):
        tally.say("away", "does not take spans")
    tally.say("refused", "refuses spans for good")
    assert len(caplog.records) == 2
    clock.now += 61
    tally.say("away", "does not take spans")
    assert len(caplog.records) == 3


def test_trouble_is_summed_up_once_a_minute(clock, caplog, counts):
    """While there is trouble or a new loss; what is counted stands in it, and without either nothing is said."""
    tally = Tally("backend", "http://a")
    tally.add("accepted", 10)
    clock.now += 61
    tally.sum_up("")
    assert caplog.records == []
    tally.lose(Loss.REJECTED, 4)
    for _ in range(100):
        clock.now += 1.0
        tally.sum_up("")
    assert [record.getMessage() for record in caplog.records] == [
        "llmtrace: http://a lost spans; so far: 10 accepted, 4 lost.rejected"
    ]
    for _ in range(130):
        clock.now += 1.0
        tally.sum_up("has not taken spans for a while")
    assert len(caplog.records) == 3
