"""What waits in memory: its bounds and its two classes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmtrace.exporters.encoded import EncodedSpan, Group
from llmtrace.exporters.span_queue import SpanQueue
from llmtrace.exporters.spool.parcel import Parcel

GROUP = Group(b"", b"")
sizes = st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60)


def parcel(number: int, size: int, by_rule: bool) -> Parcel:
    """A span of so many bytes."""
    return Parcel(EncodedSpan(bytes(size), GROUP, by_rule), float(number))


def parcels(of: list[tuple[int, bool]]) -> list[Parcel]:
    """One of each."""
    return [parcel(number, size, by_rule) for number, (size, by_rule) in enumerate(of)]


@given(sizes, st.integers(1, 10), st.integers(1, 200))
def test_it_never_holds_more_than_it_may(of, most_spans, most_bytes):
    """In number and in bytes; what comes in either waits or is handed back, once."""
    queue, gone = SpanQueue(most_spans, most_bytes), []
    for each in parcels(of):
        gone += queue.put([each])
        assert len(queue) <= most_spans
        assert queue.bytes == sum(waiting.span.size for waiting in queue) <= most_bytes
    assert len(gone) + len(list(queue)) == len(of)
    assert len(set(map(id, [*gone, *queue]))) == len(of)


@given(sizes, st.integers(1, 10))
def test_what_a_rule_kept_goes_first_and_is_given_up_last(of, most_spans):
    """While anything that chance kept waits, nothing that a rule kept is given up; and it is taken before."""
    queue = SpanQueue(most_spans, 10_000)
    for each in parcels(of):
        for gone in queue.put([each]):
            assert not gone.span.by_rule or all(waiting.span.by_rule for waiting in queue)
    taken = queue.take(100, 10_000)
    classes = [each.span.by_rule for each in taken]
    assert classes == sorted(classes, reverse=True)
    for by_rule in (True, False):
        order = [each.since for each in taken if each.span.by_rule is by_rule]
        assert order == sorted(order)


@given(sizes, st.integers(1, 10), st.integers(0, 100))
def test_what_is_taken_is_as_much_as_was_asked_for(of, most_spans, most_bytes):
    """One span at least, however large; and what is put back comes again in the same order."""
    queue = SpanQueue()
    for each in parcels(of):
        queue.put([each])
    before = list(queue)
    taken = queue.take(most_spans, most_bytes)
    assert len(taken) <= most_spans
    assert len(taken) <= 1 or sum(each.span.size for each in taken) <= most_bytes
    assert bool(taken) == bool(of)
    assert queue.put_back(taken) == []
    assert list(queue) == before


@given(sizes, st.integers(0, 60))
def test_what_has_waited_since_a_moment_is_found(of, moment):
    """By `take_since` and `waiting_since` alike; the first takes it away."""
    queue = SpanQueue()
    for each in parcels(of):
        queue.put([each])
    found = queue.waiting_since(float(moment))
    assert {each.since for each in found} == {float(number) for number in range(min(len(of), moment + 1))}
    assert queue.take_since(float(moment)) == found
    assert all(each.since > moment for each in queue)
