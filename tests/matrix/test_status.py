"""What is an error and what is not, and when a span ends that is found dead later."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from quiet import quiet, run, settle, small_heap
from trees import parents

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]

STOPS = [KeyboardInterrupt(), SystemExit(3)]


def check_stop(span: ReadableSpan, raised: BaseException) -> None:
    """Recorded as an event, and no error."""
    assert span.status.status_code is StatusCode.UNSET
    (event,) = span.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == type(raised).__name__


@pytest.mark.parametrize("raised", STOPS, ids=repr)
@pytest.mark.parametrize("way", ["context manager", "function", "generator", "recorded"])
def test_an_interrupt_is_recorded_and_passed_on(spans: list[ReadableSpan], way: str, raised: BaseException) -> None:
    """KeyboardInterrupt and SystemExit are an event on the span, not an error, and arrive as they were."""

    def stop() -> None:
        raise raised

    def generator() -> Iterator[int]:
        yield 1
        raise raised

    def by_hand() -> None:
        with llmtrace.chain_span("subject"):
            stop()

    def by_stream() -> None:
        with llmtrace.chain_span("subject") as span:
            list(span.record_stream(generator()))

    call: Callable[[], Any] = {
        "context manager": by_hand,
        "function": llmtrace.chain(stop),
        "generator": lambda: list(llmtrace.chain(generator)()),
        "recorded": by_stream,
    }[way]
    with pytest.raises(type(raised)) as caught:
        call()
    assert caught.value is raised
    check_stop(spans[0], raised)
    if way in ("generator", "recorded"):
        assert spans[0].attributes is not None
        assert spans[0].attributes["llmtrace.stream.outcome"] == "error"


@pytest.mark.parametrize("raised", [StopIteration(7), StopAsyncIteration(), GeneratorExit(), LookupError()], ids=repr)
def test_odd_exceptions_of_a_plain_function_arrive(spans: list[ReadableSpan], raised: BaseException) -> None:
    """StopIteration is not taken for an end, nor GeneratorExit for a close of ours."""

    @llmtrace.chain(name="subject")
    def work() -> None:
        raise raised

    with pytest.raises(type(raised)) as caught:
        work()
    assert caught.value is raised
    assert spans[0].status.is_ok is isinstance(raised, GeneratorExit)
    with pytest.raises(type(raised)) as again, llmtrace.chain_span("subject"):
        raise raised
    assert again.value is raised


def test_an_error_is_an_error(spans: list[ReadableSpan]) -> None:
    """Status, description and one event."""
    with pytest.raises(KeyError), llmtrace.chain_span("subject"):
        raise KeyError("k")
    (subject,) = spans
    assert subject.status.status_code is StatusCode.ERROR
    assert subject.status.description == "KeyError: 'k'"
    assert len(subject.events) == 1


def test_a_timeout_inside_the_body_is_the_bodys_error(spans: list[ReadableSpan]) -> None:
    """asyncio.timeout over a yield fires, and what it raises ends the generator's span as an error."""

    @llmtrace.chain(name="subject")
    async def slow() -> AsyncIterator[int]:
        async with asyncio.timeout(0.01):
            yield 1
            await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async for _ in slow():
                pass

    run(main)
    (subject,) = spans
    assert subject.status.status_code is StatusCode.ERROR
    assert subject.attributes is not None
    assert subject.attributes["llmtrace.stream.outcome"] == "error"


def test_a_timeout_that_the_body_handles_is_none(spans: list[ReadableSpan]) -> None:
    """A cancel scope inside the body ends a wait, not the generator."""

    @llmtrace.chain(name="subject")
    async def patient() -> AsyncIterator[int]:
        yield 1
        with anyio.move_on_after(0.05):
            await asyncio.Event().wait()
        yield 2

    async def main() -> list[int]:
        return [number async for number in patient()]

    assert run(main) == [1, 2]
    assert spans[0].attributes is not None
    assert spans[0].attributes["llmtrace.stream.outcome"] == "complete"


def test_cleaning_up_is_inside(spans: list[ReadableSpan]) -> None:
    """What a body does in its `finally` after an early close is below its span, and before its end."""

    @llmtrace.chain(name="subject")
    def tidy() -> Iterator[int]:
        try:
            yield 1
        finally:
            with llmtrace.tool_span("cleaning"):
                time.sleep(0.002)

    @llmtrace.chain(name="subject")
    async def async_tidy() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            with llmtrace.tool_span("cleaning"):
                await asyncio.sleep(0.002)

    async def main() -> None:
        async for _ in async_tidy():
            break
        await settle()
        await asyncio.sleep(0.01)

    for _ in tidy():
        break
    run(main)
    assert parents(spans) == {"tool.cleaning": "subject", "subject": None}
    for cleaning, subject in ((spans[0], spans[1]), (spans[2], spans[3])):
        assert cleaning.end_time is not None
        assert subject.end_time is not None
        assert subject.end_time >= cleaning.end_time


def decorated() -> Any:
    """Two items, driven."""

    @llmtrace.chain(name="subject")
    def items() -> Iterator[int]:
        yield 1
        yield 2

    return items()


def recorded() -> Any:
    """Two items, recorded."""
    with llmtrace.chain_span("subject") as span:
        return span.record_stream(iter([1, 2]))


LATER = 0.05


@pytest.mark.parametrize("make", [decorated, recorded])
def test_a_stream_that_is_collected_late_ended_at_its_last_item(
    spans: list[ReadableSpan], make: Callable[[], Any]
) -> None:
    """A dropped stream in a reference cycle may wait for minutes; that is no time that the model took."""
    cycle: list[Any] = [make()]
    cycle.append(cycle)
    next(cycle[0])
    last = time.time_ns()
    del cycle
    time.sleep(LATER)
    gc.collect()
    (subject,) = spans
    assert subject.end_time is not None
    assert subject.end_time <= last + LATER * 1e9 / 2
    assert subject.attributes is not None
    assert subject.attributes["llmtrace.stream.outcome"] == "abandoned"


@pytest.mark.parametrize("make", [decorated, recorded])
def test_a_stream_that_is_closed_by_its_consumer_late(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A consumer that thinks for long before it closes: the stream's work ended with its last item."""
    made = make()
    next(made)
    last = time.time_ns()
    time.sleep(LATER)
    if make is decorated:
        made.close()
    del made
    (subject,) = spans
    assert subject.end_time is not None
    assert subject.end_time <= last + LATER * 1e9 / 2


@pytest.mark.parametrize("make", [decorated, recorded])
def test_the_end_of_a_request_ends_its_streams(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A stream that a request dropped, and that only the garbage collector would find, ends before the request's span.

    A stream that is read in a task that goes on is left alone.
    """
    tracer = llmtrace.get_tracer()
    kept: list[Any] = []

    async def read(steps: int, *, goes_on: asyncio.Event | None = None) -> None:
        made = make()
        kept.append(made)
        for _ in range(steps):
            next(made)
        if goes_on is not None:
            await goes_on.wait()
            assert list(made) == [2]

    async def main() -> None:
        event = asyncio.Event()
        with tracer.start_as_current_span("request", kind=SpanKind.SERVER):
            await asyncio.create_task(read(1))
            background = asyncio.create_task(read(1, goes_on=event))
            await asyncio.sleep(0)
        assert [span.name for span in spans] == ["subject", "request"]
        event.set()
        await background

    run(main)
    outcomes = [
        span.attributes["llmtrace.stream.outcome"] for span in spans if span.name == "subject" and span.attributes
    ]
    assert outcomes == ["abandoned", "complete"]
    assert len(spans) == 3
    kept.clear()
    gc.collect()
    assert len(spans) == 3
