"""A boring trace's end, on the app's own thread: what will be dropped never reaches the worker.

Threads that end spans without a pause leave a worker no time to look at each. So where nobody else wants to see every
span, the threads keep the plain ones with their trace, and the last one to end drops it. The worker gets what a rule
may want, and what chance keeps. No lock: the token of a trace says who may decide on it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace._ids import NO_STATE, SAMPLED
from llmtrace._span import UNSET_STATUS, Span
from llmtrace.processors.tail.memory import MOST_VERDICTS
from llmtrace.processors.tail.open import OpenTraces
from llmtrace.processors.tail.policies import Ended, Rules
from llmtrace.processors.tail.trace import DROPPED, OpenTrace
from llmtrace.semconv import trace as keys

SpentBy = Callable[[ReadableSpan, Sequence[float]], float | None]
"""What a span adds to the costs of its trace; None: too much."""

HandOn = Callable[[ReadableSpan, ReadableSpan | OpenTrace], ReadableSpan | OpenTrace | None]
_KEEP: Final = keys.KEEP
_COST: Final = keys.LLM_COST_TOTAL
_MANY: Final = 1_024
"""Plain spans of one trace after which the worker looks at it, to keep the budget."""
_NEVER: Final = 1 << 62
"""Nanoseconds that nothing takes."""


def as_it_is(span: ReadableSpan, item: ReadableSpan | OpenTrace) -> ReadableSpan | OpenTrace | None:  # noqa: ARG001
    """Where nobody else takes it, `end` returns what the worker has to look at."""
    return item


class QuickEnds:
    """Takes each ended span; hands on what the worker has to look at: the span, its trace, or nothing."""

    def __init__(
        self,
        traces: OpenTraces,
        rules: Rules,
        is_sampled: Callable[[OpenTrace], object] | None,
        at_hand: int,
    ) -> None:
        """Wire the parts.

        Args:
            traces: the open traces.
            rules: those of the policy.
            is_sampled: whether chance keeps a trace; None: its flag says so.
            at_hand: how many of the last dropped traces stay at hand until the worker has time.
        """
        self.hand_on: HandOn = as_it_is
        """Given an ended span and what is to be looked at; what it returns `end` returns."""
        self._traces = traces
        self._slow = math.ceil(min(rules.slow, _NEVER))  # as a whole number: those are compared in half the time
        self._slow_span = -1 if rules.asks_user else self._slow  # -1: no span is plain
        self._spent_by = rules.spent_by if rules.counts_cost else None
        self._is_sampled = is_sampled
        self._at_hand = max(1, at_hand)

    def begin(self, hold: Callable[[OpenTrace], None]) -> None:
        """Begin with nothing: at the start, and in a forked child; `hold` notes a trace whose spans nobody weighed."""
        self._hold = hold
        self.dropped: deque[int] = deque(maxlen=MOST_VERDICTS)
        """The traces that were dropped here since the worker last looked."""
        self.fallen: deque[tuple[int, list[Ended]]] = deque(maxlen=self._at_hand)
        """The last of them with their spans."""

    def end(self, span: ReadableSpan) -> ReadableSpan | OpenTrace | None:  # noqa: C901 - the hot path, without calls
        """A span has ended."""
        if type(span) is not Span:
            return self._special(span, self._traces.of(span))
        # What stands in `Rules.is_plain`, `OpenTraces.of` and `OpenTraces.ended`, without the calls: they would cost
        # more than all that is done here.
        root = span._root  # noqa: SLF001 - our own class
        trace: OpenTrace | None = (span if root is None else root).local_trace
        if trace is None:
            trace = self._traces.of(span)
        held = span._held  # noqa: SLF001 - our own class
        elapsed = span.elapsed or 0
        if (
            span._status is not UNSET_STATUS  # noqa: SLF001 - our own class
            or span._events  # noqa: SLF001 - our own class
            or elapsed >= self._slow_span
            or trace.verdict is not None
            or _KEEP in held
            or (_COST in held and self._spent_by is not None and not self._pays(span, trace, self._spent_by))
        ):
            return self._special(span, self._traces.of(span) if trace.is_left else trace)
        came, still_open = trace.came, trace.open
        came.append(span)
        if still_open:
            still_open.pop()
        ended = span.started + elapsed
        if ended > trace.ended:  # noqa: PLR1730 - a call of max() costs as much as this line twice
            trace.ended = ended
        roots = trace.roots
        if root is None and roots:
            roots.pop()
        if trace.verdict is not None:
            return self.hand_on(span, trace)  # type: ignore[unreachable]  # decided by the worker meanwhile
        if not still_open:
            return self._finish(span, trace)
        if not roots and (root is None or not trace.grace_ends):
            return self.hand_on(span, trace)
        if not trace.is_fresh:
            self._hold(trace)
        return self.hand_on(span, trace) if len(came) >= _MANY else None

    def _special(self, span: ReadableSpan, trace: OpenTrace) -> ReadableSpan | OpenTrace | None:
        """The worker has to look at this span."""
        trace.is_special = True  # before the end is counted: whoever comes last sees it
        self._traces.ended(span, trace)
        return self.hand_on(span, span)

    @staticmethod
    def _pays(span: Span, trace: OpenTrace, spent_by: SpentBy) -> bool:
        """Add what the span cost to its trace; False where that is more than a rule lets pass."""
        spent = spent_by(span, trace.costs)
        if spent:
            trace.spend(spent)
        return spent is not None

    def _finish(self, last: Span, trace: OpenTrace) -> ReadableSpan | OpenTrace | None:
        """The last span has ended: dropped here, or left to the worker where there is anything to think about."""
        context = trace.context
        trace_id, flags, state = context[0], context[3], context[4]
        if (
            trace.is_special
            or trace.ended - trace.began >= self._slow
            or (state is not NO_STATE and keys.KEPT_STATE in state)
            or (flags & SAMPLED if self._is_sampled is None else self._is_sampled(trace))
            or not trace.own()
        ):
            return self.hand_on(last, trace)
        if trace.buffered:
            trace.disown()
            return self.hand_on(last, trace)
        trace.verdict = DROPPED
        traces = self._traces.traces  # its `forget`, without the calls
        if traces.get(trace_id) is trace:
            traces.pop(trace_id, None)
        self.dropped.append(trace_id)
        self.fallen.append((trace_id, trace.came))
        trace.came = []
        return None

    def has_dropped(self, trace_id: int) -> bool:
        """Whether it was dropped here since the worker last looked; from any thread."""
        return trace_id in list(self.dropped)

    def holds(self, trace_id: int) -> bool:
        """Whether its spans are still at hand; from any thread."""
        return any(fallen == trace_id for fallen, _ in list(self.fallen))
