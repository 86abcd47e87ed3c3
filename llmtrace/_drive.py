"""Running a decorated generator step by step inside its span, and leaving the consumer's context alone between steps.

The span's context is attached around each step only; what the generator's body attaches itself, across its own yields,
is kept for its next step and hidden from the consumer. Both drivers are true generators, so everything that can be done
to a generator can be done to them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from llmtrace import _scope
from llmtrace._span import NoopSpan, Span
from llmtrace._stream import Outcome, StreamRecording, outcome_of
from llmtrace.spans import finish

Open = Callable[[Context], tuple[Span | NoopSpan, Context]]
"""Starts the span below a context; returns it with the context to go on from."""


class _Body:
    """The generator's own side: its context between steps, its span, its recording."""

    def __init__(self, open_span: Open) -> None:
        self.span, context = open_span(_scope.current())
        self.recording: StreamRecording | None = self.span.recording() if isinstance(self.span, Span) else None
        self._context = set_span_in_context(self.span, context)

    def step(self, resume: Callable[..., Any], *sent: Any) -> Any:
        """Run the body to its next yield."""
        token = _scope.attach(self._context)
        try:
            return resume(*sent)
        finally:
            self._context = _scope.current()
            _scope.detach(token)

    async def step_async(self, resume: Callable[..., Awaitable[Any]], *sent: Any) -> Any:
        """Run the body to its next yield; while it waits, its task keeps its context."""
        token = _scope.attach(self._context)
        try:
            return await resume(*sent)
        finally:
            self._context = _scope.current()
            _scope.detach(token)

    def note(self, item: object) -> None:
        """An item leaves for the consumer."""
        if self.recording is not None:
            self.recording.add(item)

    def over(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """The generator has ended."""
        if self.recording is not None:
            self.recording.finish(outcome)
        finish(self.span, error)


def drive(generator: Generator[Any, Any, Any], open_span: Open) -> Generator[Any, Any, Any]:
    """A generator that runs `generator` inside a span, which starts at its first step."""
    body = _Body(open_span)
    resume: Callable[..., Any] = generator.send
    sent: tuple[Any, ...] = (None,)
    try:
        while True:
            item = body.step(resume, *sent)
            body.note(item)
            try:
                sent = ((yield item),)
                resume = generator.send
            except GeneratorExit:
                body.step(generator.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - it belongs to the body, which decides what it means
                resume, sent = generator.throw, (thrown,)
    except StopIteration as stop:
        body.over(Outcome.COMPLETE)
        return stop.value
    except BaseException as error:
        body.over(outcome_of(error), error)
        raise


async def drive_async(generator: AsyncGenerator[Any, Any], open_span: Open) -> AsyncGenerator[Any, Any]:
    """An async generator that runs `generator` inside a span, which starts at its first step."""
    body = _Body(open_span)
    resume: Callable[..., Awaitable[Any]] = generator.asend
    sent: tuple[Any, ...] = (None,)
    try:
        while True:
            item = await body.step_async(resume, *sent)
            body.note(item)
            try:
                sent = ((yield item),)
                resume = generator.asend
            except GeneratorExit:
                await body.step_async(generator.aclose)
                raise
            except BaseException as thrown:  # noqa: BLE001 - it belongs to the body, which decides what it means
                resume, sent = generator.athrow, (thrown,)
    except StopAsyncIteration:
        body.over(Outcome.COMPLETE)
    except BaseException as error:
        body.over(outcome_of(error), error)
        raise
