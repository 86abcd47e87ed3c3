"""The block of one span: it starts when the block is entered, is current inside, and ends when the block is left.

An exception is recorded and passed on unchanged. Where nothing is recorded there is a block that does nothing, cheaply.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Token
from functools import partial
from sys import _getframe
from types import TracebackType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind

from llmtrace import _scope
from llmtrace._attributes import Attributes
from llmtrace._cancellation import is_cancellation
from llmtrace._clean import clean_attributes
from llmtrace._guard import flattening
from llmtrace._noop import NOOP_SPAN, NoopSpan
from llmtrace._scope import ENTERING, GENERATORS, attach, current, here, holds, leave, reset
from llmtrace._span import SPAN_KEY, Span
from llmtrace._stream import Outcome
from llmtrace._tracer import active
from llmtrace._values.serialize import to_text
from llmtrace.context import carried, with_values
from llmtrace.semconv import trace as keys

_put: Final = dict[str, object].__setitem__
_WORKERS: Final = (keys.KIND_AGENT, keys.KIND_CHAIN)
"""The kinds that do the work of a request."""


class SpanScope:
    """The block of one span. May be entered again, or nested in itself: each entry is a span of its own."""

    __slots__ = ("_attributes", "_entered", "_name", "_values")

    def __init__(self, name: str, attributes: Attributes, values: Mapping[str, Any] | None = None) -> None:
        self._name = name
        self._attributes = attributes
        self._values = values
        self._entered: list[tuple[Span | NoopSpan, Context, _scope.Entered]] = []

    def __enter__(self) -> Span | NoopSpan:
        # `here`, `start_span`, `with_span` and `_scope.enter` of the usual case, without the calls: each is a hundredth
        # of a span's cost.
        outside = current()
        if holds or type(outside) is not Context:
            outside = here()
        context = self._with_values(outside) if self._values else outside
        tracer = active.tracer
        span: Span | NoopSpan
        if tracer is None:
            span, context = NOOP_SPAN, Context(context)
        elif len(context) > (SPAN_KEY in context):
            span = tracer.start(self._name, {**carried(context), **self._attributes}, context)
            context = Context(context)
        else:
            span = tracer.start(self._name, self._attributes.copy(), context)
            context = Context()  # there was nothing in it but the span
        _put(context, SPAN_KEY, span)  # nobody has this context yet; its own `__setitem__` refuses
        frame = _getframe(1)  # is it a generator?
        code = frame.f_code
        entered: _scope.Entered
        if code.co_flags & GENERATORS or code.co_name in ENTERING:
            entered = _scope.enter(frame, outside, context, _KEEPER, span)
        else:
            entered = attach(context)
        self._entered.append((span, context, entered))
        return span

    def open(self, context: Context) -> tuple[Span | NoopSpan, Context]:
        """Start the span below `context`, without making it current; returns it with the context to go on from."""
        context = self._with_values(context)
        return start_span(self._name, self._attributes, context), context

    def _with_values(self, context: Context) -> Context:
        if self._values:
            with flattening("carrying values in the context"):
                return with_values(context, **self._values)
        return context

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        entries = self._entered
        if entries:
            span, _, entered = entries.pop() if len(entries) == 1 else _scope.take(entries)
            # `leave` and `finish` of the usual case, as above.
            if type(entered) is Token:
                try:  # noqa: SIM105 - a block of `suppress` would cost more than all of this
                    reset(entered)
                except (ValueError, RuntimeError):  # entered in another execution context
                    pass
            else:
                leave(entered)
            if error is None and type(span) is Span and not span.pending:
                root = span._root  # noqa: SLF001 - our own class
                if root is None or not root.adopts:
                    span.end()
                    return
            finish(span, error)


class NoopScope:
    """The block where nothing is recorded. Without state, so one serves all."""

    __slots__ = ()

    def __enter__(self) -> NoopSpan:
        return NOOP_SPAN

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        return None


NOOP_SCOPE: Final = NoopScope()


def start_span(
    name: str, attributes: Attributes, context: Context, kind: SpanKind = SpanKind.INTERNAL
) -> Span | NoopSpan:
    """Start a span below `context`, with a copy of the attributes and with the values that the context carries."""
    tracer = active.tracer
    if tracer is None:
        return NOOP_SPAN
    carries = len(context) > (SPAN_KEY in context)  # more than the current span
    attributes = {**carried(context), **attributes} if carries else attributes.copy()
    return tracer.start(name, attributes, context, kind)


def finish(span: Span | NoopSpan, error: BaseException | None, ended: int | None = None) -> None:
    """End a span; cancellation and an early close are no errors.

    Where no error ends it and a stream of it was not begun yet, the span ends with the stream instead.

    Args:
        span: the span to end.
        error: what leaves its block.
        ended: when it ended, if not just now, in nanoseconds since 1970.
    """
    if type(span) is not Span or ((error is not None or span.pending) and not _is_over(span, error)):
        return
    root = span._root  # noqa: SLF001 - our own class
    if root is not None and root.adopts and span.span_kind in _WORKERS:
        root.adopt(span)
    span.end(ended)


def _is_over(span: Span, error: BaseException | None) -> bool:
    """Record why the block was left; False where a stream goes on, which will end the span."""
    stopped = Outcome.CANCELLED if error is not None and is_cancellation(error) else Outcome.ABANDONED
    waiting = span.left_behind(stopped)
    if waiting and error is None:
        for pending in waiting:
            pending.then = partial(finish, span)
        return False
    if isinstance(error, GeneratorExit) or stopped is Outcome.CANCELLED:
        span.put({keys.STREAM_OUTCOME: stopped.value})
    elif error is not None:
        span.fail(error)
    for pending in waiting:
        pending.finish(stopped)
    return True


def _watch(span: Span | NoopSpan, hold: _scope.Hold) -> None:
    if isinstance(span, Span):
        span.watch_request(hold.request_is_over)


def _abandon(span: Span | NoopSpan) -> None:
    finish(span, GeneratorExit())


_KEEPER: Final = _scope.Keeper(held=_watch, lost=_abandon)


def scope(
    kind: str,
    name: object,
    attributes: Attributes,
    extra: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> SpanScope:
    """The block of a span of OpenInference kind `kind`."""
    attributes[keys.SPAN_KIND] = kind
    if extra is not None:
        attributes.update(clean_attributes(extra))
    return SpanScope(name if type(name) is str else to_text(name), attributes, values)
