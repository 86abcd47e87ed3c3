"""The context of a new span."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from llmtrace import _chance, _ids
from llmtrace._head import Head
from llmtrace._ids import RANDOM, RANDOMNESS, SAMPLED, by_chance, sampled_below

PARENTS = [
    SpanContext(1 << 100, 7, is_remote, TraceFlags(flags), state)
    for is_remote in (False, True)
    for flags in (0, 1, 2, 3, 255)
    for state in (None, TraceState([("vendor", "x")]))
]


class Counting(IdGenerator):
    """The application's own generator."""

    def generate_span_id(self) -> int:
        return 5

    def generate_trace_id(self) -> int:
        return 6


@pytest.mark.parametrize("parent", PARENTS)
def test_it_is_what_opentelemetrys_constructor_makes(parent, monkeypatch):
    """The quick tuple is, field by field, the context that the constructor makes of the same parts."""
    quick = sampled_below(RandomIdGenerator(), parent)
    monkeypatch.setattr(_ids, "_usual", None)
    slow = sampled_below(RandomIdGenerator(), parent)
    assert type(quick) is SpanContext
    assert quick == SpanContext(*slow.__getnewargs__()[:1], quick.span_id, *slow.__getnewargs__()[2:])
    assert quick.is_valid
    assert (quick.trace_id, quick.trace_state) == (parent.trace_id, parent.trace_state)
    assert quick.trace_flags == TraceFlags.SAMPLED | (parent.trace_flags & TraceFlags.RANDOM_TRACE_ID)


def test_a_root_has_random_ids_and_says_so():
    """A new trace has ids of full length, no trace state, and the flags sampled and random."""
    roots = [sampled_below(RandomIdGenerator(), None) for _ in range(200)]
    assert len({root.trace_id for root in roots}) == len({root.span_id for root in roots}) == 200
    assert max(root.trace_id for root in roots) >= 1 << 120
    assert all(root.is_valid and not root.is_remote and not root.trace_state for root in roots)
    assert {root.trace_flags for root in roots} == {TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID}


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_a_root_by_chance_is_what_the_head_says_of_its_id(ratio):
    """The quick way to a trace's first span has the flag and the state that the head gives to that trace id."""
    head = Head(ratio)
    roots = [by_chance(head.threshold, head.state) for _ in range(200)]
    assert len({root.trace_id for root in roots}) == len({root.span_id for root in roots}) == 200
    for root in roots:
        flag, state = head.of_root(root.trace_id, RANDOM, "root", {})
        assert (root.trace_flags, root.trace_state) == (flag | RANDOM, state or TraceState())
        assert root.is_valid
        assert not root.is_remote
    assert {root.trace_flags & SAMPLED for root in roots} == {0.0: {0}, 0.5: {0, 1}, 1.0: {1}}[ratio]
    assert RANDOMNESS == _chance.END - 1


def test_the_quick_way_is_taken():
    """The SDK's contexts are still the tuples that the quick way makes."""
    assert _ids._is_known


def test_the_applications_generator_is_asked():
    """A provider with an id generator of its own gets its ids, for children too."""
    root = sampled_below(Counting(), None)
    assert (root.trace_id, root.span_id, root.trace_flags) == (6, 5, TraceFlags.SAMPLED)
    assert sampled_below(Counting(), PARENTS[0]).span_id == 5
