"""The context of a new span: its ids, and the flags and trace state that it has from its parent.

Ids come from OpenTelemetry's random generator, or from the one that the application chose. A `SpanContext` is a tuple;
that is made use of, where it is still the tuple that we know: its constructor costs more than the rest.
"""

from __future__ import annotations

from random import getrandbits
from typing import Any, Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

# Plain numbers: OpenTelemetry's are of a class of their own, whose `|` and `&` are calls.
SAMPLED: Final = int(TraceFlags.SAMPLED)
RANDOM: Final = int(TraceFlags.RANDOM_TRACE_ID)
FLAGS: Final = {flags: TraceFlags(flags) for flags in (0, SAMPLED, RANDOM, SAMPLED | RANDOM)}
RANDOMNESS: Final = (1 << 56) - 1
"""The bits of a trace id that W3C's flag says are random: what is compared with a threshold."""
NO_STATE: Final = TraceState()
"""That of every trace which nobody has said anything of."""
_SAMPLED_RANDOM: Final = FLAGS[SAMPLED | RANDOM]
_ONLY_RANDOM: Final = FLAGS[RANDOM]
_new: Final[Any] = tuple.__new__
_is_known: Final = tuple(SpanContext(3, 2, False, FLAGS[1], NO_STATE)) == (3, 2, False, FLAGS[1], NO_STATE, True)
_usual: Final = RandomIdGenerator if _is_known else None
"""The generator whose ids, and contexts with them, are made here."""


def inherited(ids: IdGenerator, parent: SpanContext | None) -> tuple[int, TraceState | None, int]:
    """What a span has from its parent: trace id, trace state, and the flag that its trace id is random.

    Without a parent they are those of a new trace.
    """
    if parent is None:
        trace_id, random = random_trace(ids)
        return trace_id, None, random
    return parent.trace_id, parent.trace_state, parent.trace_flags & RANDOM


def sampled_below(ids: IdGenerator, parent: SpanContext | None) -> SpanContext:
    """The context of a new span that is sampled."""
    if type(ids) is not _usual:
        trace_id, state, random = inherited(ids, parent)
        return SpanContext(trace_id, ids.generate_span_id(), False, FLAGS[SAMPLED | random], state)
    # 0 is no valid id: the generator knows what to do then.
    span_id = getrandbits(64) or ids.generate_span_id()
    if parent is None:
        trace_id = getrandbits(128) or ids.generate_trace_id()
        return _new(SpanContext, (trace_id, span_id, False, _SAMPLED_RANDOM, NO_STATE, True))  # type: ignore[no-any-return]
    flags = parent[3]  # by their places: to unpack what is no plain tuple takes four times as long
    if flags is not _SAMPLED_RANDOM:
        flags = FLAGS[SAMPLED | flags & RANDOM]
    return _new(SpanContext, (parent[0], span_id, False, flags, parent[4], True))  # type: ignore[no-any-return]


def is_usual(ids: IdGenerator) -> bool:
    """Whether ids are made by OpenTelemetry's random generator, and contexts may be made as here."""
    return type(ids) is _usual


def by_chance(threshold: int, state: TraceState) -> SpanContext:
    """The context of a new trace's first span: sampled, and with this state, where its id reaches the threshold."""
    trace_id, span_id = getrandbits(128) or 1, getrandbits(64) or 1  # 0 is no valid id
    if trace_id & RANDOMNESS < threshold:
        return _new(SpanContext, (trace_id, span_id, False, _ONLY_RANDOM, NO_STATE, True))  # type: ignore[no-any-return]
    return _new(SpanContext, (trace_id, span_id, False, _SAMPLED_RANDOM, state, True))  # type: ignore[no-any-return]


def random_trace(ids: IdGenerator) -> tuple[int, int]:
    """The id of a new trace, and the flag that it is random; 0 where it is not."""
    if type(ids) is RandomIdGenerator:
        return getrandbits(128) or ids.generate_trace_id(), RANDOM
    return ids.generate_trace_id(), RANDOM if ids.is_trace_id_random() else 0


def below(ids: IdGenerator, parent: SpanContext, state: TraceState | None) -> SpanContext:
    """The context of a new span below one in this process, whose flags it has, and its state where none is given."""
    if state is None:
        state = parent[4]
    if type(ids) is not _usual:
        return SpanContext(parent[0], ids.generate_span_id(), False, parent[3], state)
    span_id = getrandbits(64) or ids.generate_span_id()
    return _new(SpanContext, (parent[0], span_id, False, parent[3], state, True))  # type: ignore[no-any-return]


def made(ids: IdGenerator, trace_id: int, flags: TraceFlags, state: TraceState | None) -> SpanContext:
    """The context of a new span of a trace, with these flags and this state."""
    if type(ids) is not _usual or not trace_id:
        return SpanContext(trace_id, ids.generate_span_id(), False, flags, state)
    span_id = getrandbits(64) or ids.generate_span_id()
    return _new(SpanContext, (trace_id, span_id, False, flags, NO_STATE if state is None else state, True))  # type: ignore[no-any-return]
