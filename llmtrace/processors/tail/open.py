"""The open traces of this process, as the app's threads and the worker both see them.

No locks: an app's thread takes single steps that are atomic, a dict's `get` and `setdefault`, a list's `append`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from llmtrace._record import duration_of
from llmtrace._span import Span
from llmtrace.processors.tail.trace import DROPPED, OpenTrace, Verdict

Clock = Callable[[], int]
"""Nanoseconds of a clock that nobody sets."""


class OpenTraces:
    """Which traces are open, and how many spans of each."""

    def __init__(self, most: int, clock: Clock) -> None:
        """Begin with none.

        Args:
            most: beyond twice as many, traces are not followed while they are open.
            clock: the time.
        """
        self._most = 2 * most
        self._clock = clock
        self.known: Callable[[int], Verdict | None] = dict[int, Verdict]().get
        """The verdict on a trace that was decided before, if it is remembered: the tail says."""
        self.wake: Callable[[], None] = _nobody
        self.dozing = True
        """Set by the worker before it sleeps without an end: the next trace that begins wakes it."""
        self.traces: dict[int, OpenTrace] = {}
        self.births: deque[int] = deque()
        """The ids of traces that the worker has not seen yet: most are over before, and nothing should hold them."""

    def started(self, span: ReadableSpan, parent_context: Context | None = None) -> None:  # noqa: ARG002 - on_start's
        """A span begins."""
        if type(span) is Span:
            # As its methods say, without the calls; the context is None only in the SDK's base class.
            root, parent = span._root, span._parent  # noqa: SLF001 - our own class
            context: SpanContext = span._context  # type: ignore[assignment]  # noqa: SLF001 - our own class
            trace = None if root is None else root.local_trace
            if trace is not None and not trace.is_left:
                trace.open.append(None)
            elif root is None and parent is None and len(self.traces) <= self._most:
                # A trace begins: its id is new, and nobody can have decided on it; but who knows whose ids they are.
                fresh = OpenTrace(context, span.started, [None], [None])
                trace = span.local_trace = self.traces.setdefault(context[0], fresh)
                if trace is fresh:
                    self.births.append(context[0])
                else:
                    trace.open.append(None)
                    trace.roots.append(None)
                if self.dozing:
                    self.dozing = False
                    self.wake()
            else:
                trace = self._join(context, parent, span.started, is_ours=True, is_root=root is None)
                (span if root is None else root).local_trace = trace
        else:
            foreign = span.get_span_context()
            if foreign is not None:
                self._join(foreign, span.parent, self._clock(), is_ours=False, is_root=is_local_root(span))

    def _join(
        self, context: SpanContext, parent: SpanContext | None, began: int, *, is_ours: bool, is_root: bool
    ) -> OpenTrace | None:
        """The trace of a span that begins, which counts it; None where there are too many."""
        traces = self.traces
        if len(traces) > self._most:
            return None
        trace_id = context[0]
        trace = traces.get(trace_id)
        fresh = None
        if trace is None:
            # It counts its span from the start: without one the worker would take it for over.
            fresh = OpenTrace(context, began, [None], [None] if is_root else [])
            fresh.parent, fresh.is_ours = parent, is_ours
            known = self.known(trace_id)
            if known is not None:
                fresh.verdict = known
            trace = traces.setdefault(trace_id, fresh)
        if trace is fresh:
            self.births.append(trace_id)
        else:
            trace.open.append(None)
            if is_root:
                trace.roots.append(None)
        if self.dozing:
            self.dozing = False
            self.wake()
        return trace

    def lost(self, span: ReadableSpan) -> None:
        """A span that began will not come: the hand-off was full."""
        self.ended(span, self.of(span))

    def of(self, span: ReadableSpan) -> OpenTrace:
        """The trace of a span; a new one where none is known."""
        if type(span) is Span:
            trace: OpenTrace | None = span.root.local_trace
            if trace is not None and not trace.is_left:
                return trace
        context = span.get_span_context()
        if context is None:
            msg = "a span without a context cannot be sampled"
            raise ValueError(msg)
        found = self.traces.get(context.trace_id)
        if found is None:
            found = OpenTrace(context, self._clock() - duration_of(span), [], [])
            found.parent, found.is_ours = span.parent, False
        return found

    def of_id(self, trace_id: int) -> OpenTrace | None:
        """An open trace by its id."""
        return self.traces.get(trace_id)

    def ended(self, span: ReadableSpan, trace: OpenTrace) -> bool:
        """Count a span's end; True for a local root."""
        if trace.open:
            trace.open.pop()
        if type(span) is Span:
            ended = span.started + (span.elapsed or 0)
            trace.ended = max(trace.ended, ended)
            is_root = span._root is None  # noqa: SLF001 - our own class
        else:
            is_root = is_local_root(span)
        if is_root and trace.roots:
            trace.roots.pop()
        return is_root

    def forget(self, trace: OpenTrace) -> None:
        """It is over."""
        if self.traces.get(trace.trace_id) is trace:
            self.traces.pop(trace.trace_id, None)

    def leave(self) -> None:
        """In a forked child: the open traces are the parent's."""
        for trace in list(self.traces.values()):
            trace.is_left, trace.verdict = True, DROPPED
        self.traces = {}
        self.births = deque()
        self.dozing = True


def is_local_root(span: ReadableSpan) -> bool:
    """Whether it has no parent in this process."""
    if type(span) is Span:
        return span._root is None  # noqa: SLF001 - our own class
    return span.parent is None or span.parent.is_remote


def _nobody() -> None:
    """Before a pipeline stands around it, nobody waits."""
