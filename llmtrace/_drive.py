"""Running a generator or coroutine of the user's inside its span, and leaving everybody else's context alone.

The span's context is attached around each step only, and no task is started. The drivers are true generators and
coroutines, so everything that can be done to one of the user's can be done to them; what is sent, thrown or closed
reaches the user's body, and what that returns or raises reaches the consumer, the identical object.
"""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from time import perf_counter_ns
from types import AsyncGeneratorType
from typing import Any, Final

from opentelemetry.context import Context

from llmtrace import _scope
from llmtrace._block import finish
from llmtrace._noop import NoopSpan
from llmtrace._place import Place, is_gone, place
from llmtrace._span import Span, with_span
from llmtrace._stream import Outcome, StreamRecording, Then, outcome_of

_A_MOMENT: Final = 1_000_000
"""Nanoseconds in which a body that is closed does nothing that matters."""

Open = Callable[[Context], tuple[Span | NoopSpan, Context]]
"""Starts the span below a context; returns it with the context to go on from."""


class _Ending:
    """The end of a span that waits for a coroutine."""

    def __init__(self) -> None:
        self.then: Then | None = None
        self.is_over = False
        self.has_begun = False

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End the span."""
        then, self.then = self.then, None
        if not self.is_over:
            self.is_over = True
            if then is not None:
                then(GeneratorExit() if error is None and outcome is Outcome.ABANDONED else error, None)


class Body:
    """The user's side of a generator: its span, its context between steps, its recording.

    Args:
        open_span: starts the span, at the first step.
        is_coroutine: what it yields is for the event loop; its return value is the output.
    """

    def __init__(self, open_span: Open, *, is_coroutine: bool = False) -> None:
        self._open_span: Open | None = open_span
        self._is_coroutine = is_coroutine
        self._span: Span | NoopSpan | None = None
        self._recording: StreamRecording | None = None
        self._entered: _scope.Entered | None = None
        self._steps: _scope.Steps | None = None
        self._closing: int | None = None
        self._is_watched = False
        self._place: Place | None = None
        self._ending = _Ending()

    @classmethod
    def of(cls, span: Span, *, is_coroutine: bool = False) -> Body:
        """The body of a generator that a function returned whose span has begun already, and ends with it."""
        body = cls(lambda context: (span, context), is_coroutine=is_coroutine)
        body._take(span, with_span(span, _scope.here()))
        if is_coroutine:
            span.await_end_of(body._ending)
        body._open_span = None
        return body

    def begin(self, frame: types.FrameType) -> None:
        """The first step is to be made; `frame` is the driver's own."""
        if self._open_span is None:
            return
        outside = _scope.here()
        span, context = self._open_span(outside)
        self._open_span = None
        self._take(span, with_span(span, context))
        if _scope.is_for_outside(frame):
            self._steps = None
            self._entered = _scope.enter(frame, outside, with_span(span, context))

    def _take(self, span: Span | NoopSpan, context: Context) -> None:
        self._span = span
        self._recording = span.recording() if isinstance(span, Span) and not self._is_coroutine else None
        self._steps = _scope.Steps(context)
        self._is_watched = isinstance(span, Span) and span.watch_request(self.request_is_over)

    def step(self, resume: Callable[..., Any], *sent: Any) -> Any:
        """Run the body to its next yield."""
        self._place = None  # it is running
        return resume(*sent) if self._steps is None else self._steps.run(resume, *sent)

    async def step_async(self, resume: Callable[..., Awaitable[Any]], *sent: Any) -> Any:
        """Run the body to its next yield."""
        self._place = None  # it is running
        return await (resume(*sent) if self._steps is None else self._steps.wait(resume, *sent))

    def note(self, item: object) -> None:
        """An item leaves for the consumer."""
        if self._recording is not None:
            self._recording.add(item)
        if self._is_watched:
            self._place = place()

    def note_thrown(self, error: BaseException) -> None:
        """The consumer throws something in; GeneratorExit: it has had enough."""
        self._closing = perf_counter_ns() if isinstance(error, GeneratorExit) else None

    def request_is_over(self) -> None:
        """The request that the generator was read for is over: it is abandoned where its reader is gone."""
        if self._place is not None and is_gone(self._place):
            self.over(GeneratorExit())

    def over(self, error: BaseException | None = None, returned: object = None) -> None:
        """The generator has ended."""
        span, self._span = self._span, None
        if span is None:
            return
        if self._entered is not None:
            _scope.leave(self._entered)
        ended = None
        if self._recording is not None:
            outcome = self._outcome(error)
            if outcome is Outcome.ABANDONED and self._place is None and self._did_nothing_more():
                ended = self._recording.last_chunk_at
            self._recording.finish(outcome, error, at_last_chunk=ended is not None)
        elif self._is_coroutine and returned is not None:
            span.record_output(returned)
        self._ending.is_over = True
        if span.is_recording():
            finish(span, error, ended)

    def _did_nothing_more(self) -> bool:
        """Whether the body had nothing to clean up: then its work ended with its last item.

        The close itself may come late: a generator in a reference cycle waits for the garbage collector.
        """
        return self._closing is None or perf_counter_ns() - self._closing < _A_MOMENT

    def _outcome(self, error: BaseException | None) -> Outcome:
        if error is not None:
            return outcome_of(error)
        return Outcome.COMPLETE if self._closing is None else Outcome.ABANDONED

    def __del__(self) -> None:
        # An asynchronous generator that is collected after its event loop was closed ends without running its
        # `finally`; one that was never begun runs nothing at all.
        self.over(GeneratorExit())


def drive(generator: Generator[Any, Any, Any], body: Body) -> Generator[Any, Any, Any]:
    """A generator that runs `generator` inside a span, which starts at its first step."""
    body.begin(sys._getframe())  # noqa: SLF001 - who drives it: a loop, or contextlib?
    resume: Callable[..., Any] = generator.send
    sent: tuple[Any, ...] = (None,)
    try:
        while True:
            item = body.step(resume, *sent)
            body.note(item)
            try:
                sent = ((yield item),)
                resume = generator.send
            except BaseException as thrown:  # noqa: BLE001 - it belongs to the body, which decides what it means
                body.note_thrown(thrown)
                resume, sent = generator.throw, (thrown,)
    except StopIteration as stop:
        body.over(returned=stop.value)
        return stop.value
    except BaseException as error:
        body.over(error)
        raise
    finally:
        del resume, sent  # an exception that was thrown in would be in a cycle with its own traceback


drive_coroutine: Final = types.coroutine(
    types.FunctionType(drive.__code__, globals(), drive.__name__, drive.__defaults__, drive.__closure__)
)
"""`drive` for the generators of ``types.coroutine``, which can be awaited."""


async def drive_async(generator: AsyncGeneratorType[Any, Any], body: Body) -> AsyncGenerator[Any, Any]:
    """An async generator that runs `generator` inside a span, which starts at its first step."""
    body.begin(sys._getframe())  # noqa: SLF001 - who drives it: a loop, or contextlib?
    resume: Callable[..., Awaitable[Any]] = _Unobserved(generator).asend
    sent: tuple[Any, ...] = (None,)
    try:
        while True:
            item = await body.step_async(resume, *sent)
            body.note(item)
            try:
                sent = ((yield item),)
                resume = generator.asend
            except BaseException as thrown:
                if generator.ag_frame is None:
                    raise  # closed already, by somebody who holds it too: there is nobody to throw at
                body.note_thrown(thrown)
                resume, sent = generator.athrow, (thrown,)
    except StopAsyncIteration:
        body.over()
    except BaseException as error:
        body.over(error)
        raise
    finally:
        del resume, sent  # an exception that was thrown in would be in a cycle with its own traceback


class _Unobserved:
    """The first step of an async generator, kept from the event loop.

    The loop closes every async generator that it has seen when it shuts down, and when one is collected. It sees the
    driver, which closes the user's generator; were both closed at once, one of them would fail, in the log.
    """

    def __init__(self, generator: AsyncGeneratorType[Any, Any]) -> None:
        self._generator = generator

    def asend(self, value: Any) -> Awaitable[Any]:
        """The generator's own `asend`; the hooks are asked when it is called, not when it is awaited."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=_leave_to_the_driver)
        try:
            return self._generator.asend(value)
        finally:
            sys.set_asyncgen_hooks(*hooks)


def _leave_to_the_driver(generator: AsyncGenerator[Any, Any]) -> None:
    """Instead of closing a collected generator: whoever collects it has collected or closed its driver."""


class Answer:
    """A coroutine that a function returned whose span has begun already, and ends with it."""

    def __init__(self, span: Span, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._ending = _Ending()
        self._coroutine = coroutine
        self._steps = _scope.Steps(with_span(span, _scope.here()))
        span.await_end_of(self._ending)

    async def wait(self) -> Any:
        """What the coroutine returns."""
        return await self._steps.wait(lambda: self._coroutine)

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End the span."""
        self._ending.finish(outcome, error)

    def __del__(self) -> None:
        # Never awaited: Python says so of the coroutine that the user got; once is enough.
        self._coroutine.close()
        self.finish(Outcome.ABANDONED)


async def drive_answer(answer: Answer, record: Callable[[Any], Any]) -> Any:
    """A coroutine that awaits the one in `answer` inside its span; `record` takes and returns what it returned."""
    try:
        result = record(await answer.wait())
    except BaseException as error:
        answer.finish(outcome_of(error), error)
        raise
    answer.finish(Outcome.COMPLETE)
    return result
