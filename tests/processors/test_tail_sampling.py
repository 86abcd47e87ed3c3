"""The verdict on whole traces: what is kept, when, and why, by a clock that the test sets."""

from __future__ import annotations

import asyncio
import random

import pytest
from opentelemetry.trace import Status, StatusCode
from tail_house import SECOND, House, counts, remote

from llmtrace.sampling import SamplingPolicy
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "where_spans_end")


@pytest.fixture(params=["on the worker", "on the app's thread"])
def where_spans_end(request, monkeypatch):
    """Every promise holds both ways."""
    monkeypatch.setattr(House, "is_quick", request.param == "on the app's thread")


def fail(span) -> None:
    """Make it an error."""
    span.set_status(Status(StatusCode.ERROR))


def three_levels(house: House):
    """A trace of three open spans."""
    root = house.start("root")
    child = house.start("child", root)
    return root, child, house.start("grandchild", child)


def end_all(*spans) -> None:
    """The last first."""
    for span in reversed(spans):
        span.end()


@pytest.mark.parametrize("lucky", [True, False])
def test_a_boring_trace_is_kept_by_chance_alone(lucky):
    """All of it or nothing, as its trace id says."""
    house = House()
    house.ids.lucky = lucky
    end_all(*three_levels(house))
    assert house.names == (["grandchild", "child", "root"] if lucky else [])
    assert counts(house.kept) == ({100.0} if lucky else set())


@pytest.mark.parametrize("where", [0, 1, 2])
def test_an_error_anywhere_keeps_the_whole_trace(where):
    """In the root, a child or a grandchild; every span says why, and that it stands for itself."""
    house = House()
    spans = three_levels(house)
    fail(spans[where])
    end_all(*spans)
    assert sorted(house.names) == ["child", "grandchild", "root"]
    assert house.reasons == {"error"}
    assert counts(house.kept) == {1.0}
    assert all(record.context.trace_flags.sampled for record in house.kept)
    assert all(record.context.trace_state["ot"] == "th:0" for record in house.kept)
    assert all(record.by_rule for record in house.kept)


def test_a_recorded_exception_keeps_its_trace():
    """Somebody wrote it down; they will ask for it, though the status is not ERROR."""
    house = House()
    span = house.start("root")
    span.record_exception(ValueError("x"))
    span.end()
    assert house.reasons == {"error"}


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (asyncio.CancelledError(), False),
        (GeneratorExit(), False),
        (KeyboardInterrupt(), False),
        (SystemExit(), False),
        (StopIteration(), True),
        (ValueError(), True),
    ],
)
def test_who_went_away_is_no_error(error, is_kept):
    """A cancelled task, a closed generator and an interrupt keep nothing, unless the policy wants them."""
    for cancelled in (False, True):
        house = House(SamplingPolicy(cancelled=cancelled))
        span = house.start("root")
        span.fail(error)
        span.end()
        assert bool(house.kept) is (is_kept or cancelled)


def test_errors_can_be_left_to_chance():
    """errors=False: an error is a span like any other."""
    house = House(SamplingPolicy(errors=False))
    span = house.start("root")
    fail(span)
    span.end()
    assert house.kept == []


@pytest.mark.parametrize("seconds", [9.99, 10.0])
def test_a_slow_root_keeps_its_trace(seconds):
    """From the limit on."""
    house = House(SamplingPolicy())
    root = house.start("root")
    house.now += round(seconds * 1e9)
    root.end()
    assert house.names == (["root"] if seconds >= 10 else [])


def test_children_that_are_slow_together_keep_their_trace():
    """What counts is the time from a trace's first start to its last end, also of local roots one after the other."""
    house = House(SamplingPolicy(slow=10.0, grace=60.0))
    caller = remote()
    first = house.start("first", caller)
    second = house.start("second", caller)
    house.now += 6 * SECOND
    first.end()
    house.now += 5 * SECOND
    second.end()
    assert house.names == ["first", "second"]
    assert house.reasons == {"slow"}


def test_an_open_slow_trace_appears_while_it_is_open():
    """After ten seconds what has ended is kept and what ends later passes through: a process killed then loses less."""
    house = House()
    root = house.start("root")
    house.run("child", root)
    house.wait(9.9)
    assert house.names == []
    house.wait(0.2)
    assert house.names == ["child"]
    house.run("later", root)
    assert house.names == ["child", "later"]
    root.end()
    assert house.names == ["child", "later", "root"]
    assert house.reasons == {"slow"}


def test_a_clock_that_is_set_changes_no_verdict():
    """A wall clock that jumps back or forward by an hour makes nothing slow, and nothing slow quick."""
    house = House()
    quick, slow = house.start("quick"), house.start("slow")
    quick._start_time -= 3_600 * 10**9
    slow._start_time += 3_600 * 10**9
    quick.end()
    house.now += 11 * 10**9
    slow.end()
    assert house.names == ["slow"]


@pytest.mark.parametrize(("cost", "is_kept"), [(0.49, False), (0.5, True)])
def test_a_costly_span_keeps_its_trace(cost, is_kept):
    """A limit for one span."""
    house = House(SamplingPolicy(cost=0.5, trace_cost=100.0))
    root = house.start("root")
    house.run("llm", root, **{keys.LLM_COST_TOTAL: cost})
    root.end()
    assert bool(house.kept) is is_kept


def test_costs_are_summed_over_the_trace():
    """Ten cheap calls are dear together; what an agent sums up of its calls is not counted twice."""
    house = House(SamplingPolicy(cost=0.5))
    for number, kept in ((4, False), (5, True)):
        root = house.start("root", **{keys.SPAN_KIND: "AGENT", keys.LLM_COST_TOTAL: 0.1 * number})
        for _ in range(number):
            house.run("llm", root, **{keys.SPAN_KIND: "LLM", keys.LLM_COST_TOTAL: 0.1000001})
        root.end()
        assert (house.reasons == {"cost"}) is kept


def test_an_alert_tag_keeps_its_trace():
    """Whatever its severity."""
    house = House()
    root = house.start("root")
    child = house.start("child", root)
    child.add_event(alert.EVENT_NAME, {alert.SEVERITY: "info"})
    child.end()
    root.end()
    assert house.names == ["child", "root"]
    assert house.reasons == {"alert"}


def test_the_attribute_keeps_a_trace():
    """llmtrace.keep on any span, also of somebody who does not know llmtrace."""
    house = House()
    root = house.start("root")
    house.run("child", root, **{keys.KEEP: True})
    root.end()
    assert house.names == ["child", "root"]
    assert house.reasons == {"forced"}


def test_keep_works_after_the_child_has_ended():
    """The open root takes it."""
    house = House()
    root = house.start("root")
    child = house.run("child", root)
    child.keep("because")
    root.end()
    assert house.names == ["child", "root"]
    assert house.kept[1].attributes[keys.KEEP_REASON] == "because"


def test_keep_is_heard_at_once():
    """What the tail is told of a trace counts while the trace is open, when it was dropped, and when it is unknown."""
    house = House()
    root = house.start("root")
    house.run("child", root)
    trace_id = root.get_span_context().trace_id
    house.kept += house.tail.keep(trace_id)
    assert house.names == ["child"]
    root.end()
    assert house.names == ["child", "root"]
    dropped = house.run("dropped")
    house.kept += house.tail.keep(dropped.get_span_context().trace_id)
    assert house.names == ["child", "root", "dropped"]
    assert list(house.tail.keep(trace_id)) == list(house.tail.keep(12345)) == []


@pytest.mark.parametrize("is_bad", [True, False])
def test_a_child_that_is_open_when_the_root_ends_is_waited_for(is_bad):
    """Within the grace it still decides."""
    house = House()
    root = house.start("root")
    child = house.start("child", root)
    root.end()
    house.wait(4.9)
    if is_bad:
        fail(child)
    child.end()
    assert house.names == (["root", "child"] if is_bad else [])
    assert len(house.tail._open.traces) == 0


def test_after_the_grace_chance_decides_and_late_spans_follow():
    """A kept trace takes its late span along."""
    house = House()
    house.ids.lucky = True
    root = house.start("root")
    child = house.start("child", root)
    root.end()
    house.wait(4.9)
    assert house.names == []
    house.wait(0.2)
    assert house.names == ["root"]
    child.end()
    assert house.names == ["root", "child"]
    assert counts(house.kept) == {100.0}


@pytest.mark.parametrize("begins", ["before", "after"])
def test_a_late_error_brings_a_dropped_trace_back(begins):
    """While its spans are at hand all of it is kept; it stands for nobody: those that chance keeps stand for it."""
    house = House()
    root = house.start("root")
    child = house.start("child", root) if begins == "before" else None
    root.end()
    house.wait(6)
    assert house.names == []
    child = child or house.start("child", root)
    fail(child)
    child.end()
    assert house.names == ["root", "child"]
    assert counts(house.kept) == {0.0}
    assert not any(keys.SAMPLING_PARTIAL in record.attributes for record in house.kept)
    assert not any("ot" in record.context.trace_state for record in house.kept)
    house.run("later still", root)
    assert house.names == ["root", "child", "later still"]


def test_a_late_boring_span_of_a_dropped_trace_is_dropped_and_brought_back_with_it():
    """It waits with the others."""
    house = House()
    root = house.run("root")
    house.run("late", root)
    assert house.names == []
    bad = house.start("bad", root)
    fail(bad)
    bad.end()
    assert house.names == ["root", "late", "bad"]


def test_a_late_error_whose_trace_is_gone_is_kept_alone_and_says_so():
    """partial: other spans of this trace are gone."""
    house = House()
    root = house.run("root")
    house.wait(0.1)
    house.wait(61)
    bad = house.start("bad", root)
    fail(bad)
    bad.end()
    assert house.names == ["bad"]
    assert house.kept[0].attributes[keys.SAMPLING_PARTIAL] is True
    assert counts(house.kept) == {0.0}


@pytest.mark.parametrize("open_ends", [("child",), ("root",), ("root", "child")])
def test_what_never_ends_does_not_stay(open_ends):
    """After the maximum age nothing is held of it, whatever it was."""
    house = House(SamplingPolicy(slow=None))
    root = house.start("root")
    child = house.start("child", root)
    house.run("done", root)
    if "child" not in open_ends:
        child.end()
    if "root" not in open_ends:
        root.end()
    house.wait(601)
    house.wait(601)
    house.wait(61)
    assert house.is_empty
    assert house.names == []


def test_open_traces_beyond_the_limit_are_decided_by_chance():
    """The oldest first; their errors still come through, alone."""
    house = House(SamplingPolicy(max_traces=10))
    roots = [house.start(str(number)) for number in range(25)]
    house.wait(0.1)
    assert len(house.tail._open.traces) == 10
    fail(roots[0])
    end_all(*roots)
    assert house.names == ["0"]


def test_two_local_roots_of_one_trace_share_its_fate():
    """In either order: the trace is decided when both have ended."""
    for first, second in ((0, 1), (1, 0)):
        house = House()
        caller = remote()
        roots = [house.start(str(number), caller) for number in range(2)]
        roots[first].end()
        assert house.names == []
        fail(roots[second])
        roots[second].end()
        assert house.names == [str(first), str(second)]


def test_a_call_that_comes_back_to_this_process_is_part_of_the_trace():
    """A calls B, which calls A: the inner part begins with a remote parent and shares the verdict of the outer."""
    house = House()
    outer = house.start("outer")
    context = outer.get_span_context()
    inner = house.start("inner", remote(context.trace_id))
    fail(inner)
    inner.end()
    outer.end()
    assert house.names == ["inner", "outer"]


def test_a_link_makes_no_part_of_a_trace():
    """What is only linked has its own verdict."""
    house = House()
    bad = house.start("bad")
    fail(bad)
    other = house.start("other")
    other.add_link(bad.get_span_context())
    bad.end()
    other.end()
    assert house.names == ["bad"]


@pytest.mark.parametrize(
    ("sampled", "state", "is_kept", "count"),
    [
        (True, "ot=th:fd70a4;rv:ffffffffffffff", True, 100.0),
        (True, "ot=th:0", True, 1.0),
        (True, "", True, None),
        (True, "ot=th:xyz", True, None),
        (True, "ot=th:fd70a4;rv:00000000000000", True, None),
        (True, "ot=rv:12", True, None),
        (False, "", False, None),
        (False, "ot=th:0", False, None),
    ],
)
@pytest.mark.parametrize("is_bad", [True, False])
def test_a_callers_decision_is_followed(sampled, state, is_kept, count, is_bad):
    """Its flag decides for a boring trace, its threshold says what it stands for; where there is none, nobody knows."""
    house = House()
    root = house.start("root", remote(sampled=sampled, state=state))
    if is_bad:
        fail(root)
    root.end()
    assert bool(house.kept) is (is_kept or is_bad)
    if house.kept:
        assert counts(house.kept) == {1.0 if is_bad else count}


def test_what_is_undecided_at_the_end_is_kept():
    """shutdown: nobody knows what would have become of it."""
    house = House()
    root = house.start("root")
    house.run("child", root)
    house.close()
    assert house.names == ["child"]
    assert house.reasons == {"shutdown"}
    assert house.kept[0].attributes[keys.SAMPLING_PARTIAL] is True


def test_a_rule_of_your_own_keeps():
    """keep_if sees each ended span."""
    house = House(SamplingPolicy(keep_if=lambda span: span.attributes.get("tenant") == "acme"))
    house.run("theirs", tenant="acme")
    house.run("other", tenant="other")
    assert house.names == ["theirs"]
    assert house.reasons == {"rule"}


def test_a_rule_that_fails_keeps_and_is_counted(lenient, counts):
    """An error in a rule loses nothing."""

    def broken(span):
        raise RuntimeError

    house = House(SamplingPolicy(keep_if=broken))
    house.run("root")
    assert house.reasons == {"rule"}
    assert counts()["lost.internal_error"] == 1


def test_a_trace_that_a_trusted_caller_has_kept_is_kept():
    """Its state says so; of a stranger that claim is neither believed nor handed on."""
    for trusts in (True, False):
        house = House(SamplingPolicy(trust_upstream=trusts))
        root = house.start("root", remote(state="llmtrace=k:error,v=1"))
        assert root.get_span_context().trace_state["v"] == "1"
        assert ("llmtrace" in root.get_span_context().trace_state) is trusts
        child = house.run("child", root)
        root.end()
        assert house.names == (["child", "root"] if trusts else [])
        assert ("llmtrace" in child.get_span_context().trace_state) is trusts


def test_a_kept_trace_tells_the_services_that_it_calls_from_then_on():
    """In a key of its own; the sampled flag stays what chance decided, and no other trace says it."""
    house = House()
    root = house.start("root")
    before = house.run("before", root)
    bad = house.start("bad", root)
    fail(bad)
    bad.end()
    after = house.start("after", root)
    state = after.get_span_context().trace_state
    assert state["llmtrace"] == "k:error"
    assert not after.get_span_context().trace_flags.sampled
    assert "llmtrace" not in before.get_span_context().trace_state
    assert "llmtrace" not in house.start("other").get_span_context().trace_state


def test_what_a_caller_kept_by_chance_stands_for_as_many_here():
    """Above its cap the caller says at which probability it kept the trace: the same holds for our part."""
    house = House(SamplingPolicy(trust_upstream=True))
    house.run("root", remote(3 << 64 | (1 << 56) - 1, state="llmtrace=k:error;th:c"))
    assert house.reasons == {"upstream"}
    assert counts(house.kept) == {4.0}


def test_over_the_cap_a_sample_of_the_errors_stands_for_all(caplog, lenient):
    """A known share is kept with its count, the rest is dropped for good, and that is said once."""
    house = House(SamplingPolicy(rule_cap=1.0))
    dice = random.Random(3)  # noqa: S311 - a test's dice
    for number in range(2_000):
        house.now += SECOND // 100
        house.ids.generate_trace_id = lambda number=number: number + 1 << 64 | dice.getrandbits(56)
        span = house.start("bad")
        fail(span)
        span.end()
    assert 60 < len(house.kept) < 250
    estimate = sum(record.attributes[keys.ADJUSTED_COUNT] for record in house.kept)
    assert 1_000 < estimate < 3_500
    assert len([line for line in caplog.messages if "a random sample" in line]) == 1


def test_ended_spans_are_marked_before_the_worker_has_looked():
    """A call right after a failure tells already; where the verdict is another one, nothing is told any more."""
    house = House()
    root = house.start("root")
    bad = house.start("bad", root)
    fail(bad)
    house.tail.foresee(bad)
    assert house.start("call", root).get_span_context().trace_state["llmtrace"] == "k:error"
    other = house.start("other")
    house.tail.foresee_keep(other.get_span_context().trace_id)
    assert house.start("call", other).get_span_context().trace_state["llmtrace"] == "k:forced"


def test_a_root_that_never_ends_counts_where_its_dropped_spans_stay_at_hand():
    """They refer to it: so the bound of what stays at hand bounds it, too."""
    house = House(SamplingPolicy(ratio=0.0, slow=None, max_age=1.0, grave_spans=10))
    for _ in range(8):
        house.run("child", house.start("root"))
        house.wait(2)
    house.wait(2)
    assert house.tail._grave.spans == 10
    assert len(house.tail._grave._buried) == 5
