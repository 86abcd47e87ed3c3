"""A boring trace's end, on the app's own thread: what will be dropped never reaches the worker.

Threads that end spans without a pause leave a worker no time to look at each. So where nobody else wants to see every
span, the threads keep the plain ones with their trace, and the last one to end drops it. The worker gets what a rule
may want, and what chance keeps. No lock: the token of a trace says who may decide on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace._span import Span
from llmtrace.processors.tail.memory import MOST_VERDICTS
from llmtrace.processors.tail.open import OpenTraces
from llmtrace.processors.tail.policies import Ended, Rules
from llmtrace.processors.tail.trace import DROPPED, OpenTrace
from llmtrace.semconv import trace as keys

_MANY: Final = 1_024
"""Plain spans of one trace after which the worker looks at it, to keep the budget."""


class QuickEnds:
    """Takes each ended span; returns what the worker has to look at: the span, its trace, or nothing."""

    def __init__(
        self,
        traces: OpenTraces,
        rules: Rules,
        is_sampled: Callable[[OpenTrace], object],
        slow: float,
        hold: Callable[[OpenTrace], None],
        at_hand: int,
    ) -> None:
        """Wire the parts.

        Args:
            traces: the open traces.
            rules: those of the policy.
            is_sampled: whether chance keeps a trace.
            slow: nanoseconds from which a trace is slow.
            hold: notes that a trace has spans that nobody has weighed.
            at_hand: how many of the last dropped traces stay at hand until the worker has time.
        """
        self._traces = traces
        self._is_plain = rules.is_plain
        self._spent_by = rules.spent_by if rules.counts_cost else None
        self._is_sampled = is_sampled
        self._slow = slow
        self._hold = hold
        self.dropped: deque[int] = deque(maxlen=MOST_VERDICTS)
        """The traces that were dropped here since the worker last looked."""
        self.fallen: deque[tuple[int, list[Ended]]] = deque(maxlen=max(1, at_hand))
        """The last of them with their spans."""

    def __call__(self, span: ReadableSpan) -> ReadableSpan | OpenTrace | None:
        """A span has ended."""
        trace = self._traces.of(span)
        is_plain = trace.verdict is None and type(span) is Span and self._is_plain(span)
        if is_plain and self._spent_by is not None:
            spent = self._spent_by(span, trace.costs)
            is_plain = spent is not None
            if spent:
                trace.spend(spent)
        if not is_plain:
            trace.is_special = True  # before the end is counted: whoever comes last sees it
            self._traces.ended(span, trace)
            return span
        trace.came.append(span)
        is_root = self._traces.ended(span, trace)
        if trace.verdict is not None:
            return trace  # decided by the worker meanwhile
        if not trace.open:
            return self._finish(trace)
        if not trace.roots and (is_root or not trace.grace_ends):
            return trace
        if not trace.is_fresh:
            self._hold(trace)
        return trace if len(trace.came) >= _MANY else None

    def _finish(self, trace: OpenTrace) -> OpenTrace | None:
        """The last span has ended: dropped here, or left to the worker where there is anything to think about."""
        state = trace.context.trace_state
        wants_thought = (
            trace.is_special or trace.ended - trace.began >= self._slow or (state and keys.KEPT_STATE in state)
        )
        if wants_thought or self._is_sampled(trace) or not trace.own():
            return trace
        if trace.buffered:
            trace.disown()
            return trace
        trace.verdict = DROPPED
        spans, trace.came = trace.came, []
        self._traces.forget(trace)
        self.dropped.append(trace.trace_id)
        self.fallen.append((trace.trace_id, spans))
        return None

    def has_dropped(self, trace_id: int) -> bool:
        """Whether it was dropped here since the worker last looked; from any thread."""
        return trace_id in list(self.dropped)

    def holds(self, trace_id: int) -> bool:
        """Whether its spans are still at hand; from any thread."""
        return any(fallen == trace_id for fallen, _ in list(self.fallen))
