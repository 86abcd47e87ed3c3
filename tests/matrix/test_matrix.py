"""The matrix: ways x shapes x bindings x ends."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from matrix_cases import (
    BINDINGS,
    WAYS,
    Expected,
    Plan,
    UserError,
    after,
    async_generator,
    between,
    bound,
    check,
    coroutine,
    function,
    generator,
)
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, run, settle, small_heap

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]

each_way = pytest.mark.parametrize("way", WAYS)
each_binding = pytest.mark.parametrize("binding", BINDINGS)


def expect(way: str, outcome: str, text: str, *, fails: bool = False, streams: bool = True) -> Expected:
    """What each way leaves: a context manager sees no items, a plain call no stream."""
    if way == "context manager" or (way == "decorator" and not streams):
        ended_well = outcome == "complete"
        shown = None if ended_well or outcome == "error" else outcome
        return Expected(shown, text if ended_well and not streams else None, fails)
    return Expected(outcome, text, fails)


# -- functions ------------------------------------------------------------------------------------------------------


@each_way
@each_binding
def test_a_function_that_returns(spans: list[ReadableSpan], way: str, binding: str) -> None:
    """A function's span ends with it, and the result is handed on."""
    with llmtrace.agent_span("root"):
        assert bound(binding, function(way, Plan()))() == "abc"
        after()
    check(spans, expect(way, "complete", "abc", streams=False))


@each_way
@each_binding
@pytest.mark.parametrize("raised", [UserError("x"), KeyboardInterrupt(), SystemExit(3), StopAsyncIteration()], ids=repr)
def test_a_function_that_raises(spans: list[ReadableSpan], way: str, binding: str, raised: BaseException) -> None:
    """The identical exception arrives; an Exception is an error, KeyboardInterrupt and SystemExit are recorded."""
    with llmtrace.agent_span("root"):
        with pytest.raises(type(raised)) as caught:
            bound(binding, function(way, Plan(raises=raised)))()
        assert caught.value is raised
        after()
    check_raised(spans, way, raised)


def check_raised(spans: list[ReadableSpan], way: str, raised: BaseException) -> None:
    """As `check`, for an exception that is perhaps no Exception."""
    (subject,) = [span for span in spans if span.name == "subject"]
    assert subject.status.is_ok is not isinstance(raised, Exception)
    (event,) = subject.events
    assert event.attributes is not None
    assert str(event.attributes["exception.type"]).endswith(type(raised).__name__)
    if way == "record_stream":
        assert subject.attributes is not None
        assert subject.attributes["llmtrace.stream.outcome"] == "error"
        assert subject.attributes["output.value"] == "ab"


# -- coroutines -----------------------------------------------------------------------------------------------------


async def _returned(call: Callable[[], Any], _: BaseException) -> None:
    assert await call() == "abc"


async def _raised(call: Callable[[], Any], error: BaseException) -> None:
    with pytest.raises(UserError) as caught:
        await call()
    assert caught.value is error


async def _cancelled(call: Callable[[], Any], _: BaseException) -> None:
    task = asyncio.ensure_future(call())
    await asyncio.sleep(0.05)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def _timed_out(call: Callable[[], Any], _: BaseException) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await call()


async def _out_of_scope(call: Callable[[], Any], _: BaseException) -> None:
    with anyio.move_on_after(0.05) as scope:
        await call()
    assert scope.cancelled_caught


def _suspended(call: Callable[[], Any]) -> Any:
    """The coroutine, run up to where it hangs, as a task would run it: in a context of its own."""
    made, context = call(), contextvars.copy_context()
    while context.run(made.send, None) is None:
        pass
    return made


async def _closed(call: Callable[[], Any], _: BaseException) -> None:
    _suspended(call).close()
    await settle()


async def _dropped(call: Callable[[], Any], _: BaseException) -> None:
    made = _suspended(call)
    del made
    await settle()


COROUTINE_ENDS = {
    "returned": (_returned, Plan(), "complete", "abc"),
    "exception": (_raised, Plan(raises=UserError("x")), "error", "ab"),
    "task cancelled": (_cancelled, Plan(hangs=True), "cancelled", "ab"),
    "asyncio.timeout": (_timed_out, Plan(hangs=True), "cancelled", "ab"),
    "anyio cancel scope": (_out_of_scope, Plan(hangs=True), "cancelled", "ab"),
    "closed": (_closed, Plan(stalls=True), "abandoned", "ab"),
    "garbage-collected": (_dropped, Plan(stalls=True), "abandoned", "ab"),
}


@each_way
@each_binding
@pytest.mark.parametrize("end", COROUTINE_ENDS)
def test_a_coroutine(spans: list[ReadableSpan], way: str, binding: str, end: str) -> None:
    """However a coroutine ends, its span ends once, in its place, and says how."""
    consume, plan, outcome, text = COROUTINE_ENDS[end]
    call = bound(binding, coroutine(way, plan))

    async def main() -> None:
        with llmtrace.agent_span("root"):
            await consume(call, plan.raises or UserError())
            after()

    run(main)
    check(spans, expect(way, outcome, text, fails=outcome == "error", streams=False))


# -- generators -----------------------------------------------------------------------------------------------------


def _drain(call: Callable[[], Any], _: BaseException) -> None:
    found = []
    for text in call():
        between()
        found.append(text)
    assert found == ["a", "b", "c"]


def _break(call: Callable[[], Any], _: BaseException) -> None:
    for text in call():
        between()
        if text == "b":
            break


def _two_steps(call: Callable[[], Any]) -> Iterator[str]:
    made: Iterator[str] = call()
    for expected in "ab":
        assert next(made) == expected
        between()
    return made


def _close(call: Callable[[], Any], _: BaseException) -> None:
    made = _two_steps(call)
    made.close()  # type: ignore[attr-defined]


def _close_in_thread(call: Callable[[], Any], _: BaseException) -> None:
    made = _two_steps(call)
    thread = threading.Thread(target=made.close)  # type: ignore[attr-defined]
    thread.start()
    thread.join()


def _close_in_context(call: Callable[[], Any], _: BaseException) -> None:
    made = _two_steps(call)
    contextvars.copy_context().run(made.close)  # type: ignore[attr-defined]


def _close_in_a_span(call: Callable[[], Any], _: BaseException) -> None:
    made = _two_steps(call)
    with llmtrace.tool_span("between"):
        made.close()  # type: ignore[attr-defined]
    between()


def _drop(call: Callable[[], Any], _: BaseException) -> None:
    made = _two_steps(call)
    del made


def _drop_cycle(call: Callable[[], Any], _: BaseException) -> None:
    cycle: list[Any] = [_two_steps(call)]
    cycle.append(cycle)
    del cycle
    gc.collect()


def _raise(call: Callable[[], Any], error: BaseException) -> None:
    made = _two_steps(call)
    with pytest.raises(UserError) as caught:
        next(made)
    assert caught.value is error


def _throw(call: Callable[[], Any], error: BaseException) -> None:
    made = _two_steps(call)
    with pytest.raises(UserError) as caught:
        made.throw(error)  # type: ignore[attr-defined]
    assert caught.value is error


def _consumer_raises(call: Callable[[], Any], error: BaseException) -> None:
    def consume() -> None:
        for text in call():
            between()
            if text == "b":
                raise error

    with pytest.raises(UserError) as caught:
        consume()
    assert caught.value is error
    error.__traceback__ = None
    gc.collect()


GENERATOR_ENDS = {
    "drained": (_drain, Plan(), "complete", "abc"),
    "break": (_break, Plan(), "abandoned", "ab"),
    "closed": (_close, Plan(), "abandoned", "ab"),
    "closed in a thread": (_close_in_thread, Plan(), "abandoned", "ab"),
    "closed in another context": (_close_in_context, Plan(), "abandoned", "ab"),
    "closed in a span of the consumer": (_close_in_a_span, Plan(), "abandoned", "ab"),
    "garbage-collected": (_drop, Plan(), "abandoned", "ab"),
    "garbage-collected in a cycle": (_drop_cycle, Plan(), "abandoned", "ab"),
    "exception": (_raise, Plan(raises=UserError("x")), "error", "ab"),
    "thrown in": (_throw, Plan(), "error", "ab"),
    "exception of the consumer": (_consumer_raises, Plan(), "abandoned", "ab"),
}


@each_way
@each_binding
@pytest.mark.parametrize("end", GENERATOR_ENDS)
def test_a_generator(spans: list[ReadableSpan], way: str, binding: str, end: str) -> None:
    """However a generator ends, its span ends once, in its place, with what came; the consumer's spans are its own."""
    consume, plan, outcome, text = GENERATOR_ENDS[end]
    call = bound(binding, generator(way, plan))
    with llmtrace.agent_span("root"):
        consume(call, plan.raises or UserError("thrown"))
        after()
    with llmtrace.tool_span("root of the next trace") as following:
        assert following.parent is None
    spans.pop()
    expected = expect(way, outcome, text, fails=outcome == "error")
    if end == "thrown in" and way == "record_stream":
        expected.outcome = "abandoned"  # it was thrown into the user's generator, at its own `yield`
    check(spans, expected)


# -- async generators -----------------------------------------------------------------------------------------------


async def _adrain(call: Callable[[], Any], _: BaseException) -> None:
    found = []
    async for text in call():
        between()
        found.append(text)
    assert found == ["a", "b", "c"]


async def _abreak(call: Callable[[], Any], _: BaseException) -> None:
    async for text in call():
        between()
        if text == "b":
            break
    await settle()


async def _atwo_steps(call: Callable[[], Any]) -> Any:
    made = call()
    for expected in "ab":
        assert await anext(made) == expected
        between()
    return made


async def _aclose(call: Callable[[], Any], _: BaseException) -> None:
    await (await _atwo_steps(call)).aclose()


async def _aclose_in_task(call: Callable[[], Any], _: BaseException) -> None:
    made = await _atwo_steps(call)
    await asyncio.create_task(made.aclose())
    between()
    await settle()


async def _steps_in_tasks(call: Callable[[], Any], _: BaseException) -> None:
    made = call()
    for expected in "abc":
        assert await asyncio.create_task(anext(made)) == expected
        between()
    with pytest.raises(StopAsyncIteration):
        await anext(made)


async def _aclose_in_a_span(call: Callable[[], Any], _: BaseException) -> None:
    made = await _atwo_steps(call)
    with llmtrace.tool_span("between"):
        await made.aclose()
    between()


async def _adrop(call: Callable[[], Any], _: BaseException) -> None:
    made = await _atwo_steps(call)
    del made
    await settle()


async def _adrop_cycle(call: Callable[[], Any], _: BaseException) -> None:
    cycle: list[Any] = [await _atwo_steps(call)]
    cycle.append(cycle)
    del cycle
    await settle()


async def _araise(call: Callable[[], Any], error: BaseException) -> None:
    made = await _atwo_steps(call)
    with pytest.raises(UserError) as caught:
        await anext(made)
    assert caught.value is error


async def _athrow(call: Callable[[], Any], error: BaseException) -> None:
    made = await _atwo_steps(call)
    with pytest.raises(UserError) as caught:
        await made.athrow(error)
    assert caught.value is error


async def _aconsumer_raises(call: Callable[[], Any], error: BaseException) -> None:
    async def consume() -> None:
        async for text in call():
            between()
            if text == "b":
                raise error

    with pytest.raises(UserError) as caught:
        await consume()
    assert caught.value is error
    error.__traceback__ = None
    await settle()


async def _read(call: Callable[[], Any]) -> None:
    async for _ in call():
        between()


async def _acancel(call: Callable[[], Any], _: BaseException) -> None:
    task = asyncio.create_task(_read(call))
    await asyncio.sleep(0.05)
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    await settle()


async def _cancel_between(call: Callable[[], Any], _: BaseException) -> None:
    async def read() -> None:
        async for text in call():
            between()
            if text == "b":
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    await settle()


async def _atime_out(call: Callable[[], Any], _: BaseException) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await _read(call)
    await settle()


async def _await_for(call: Callable[[], Any], _: BaseException) -> None:
    made = await _atwo_steps(call)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(made), 0.005)


async def _amove_on(call: Callable[[], Any], _: BaseException) -> None:
    with anyio.move_on_after(0.05) as scope:
        await _read(call)
    assert scope.cancelled_caught
    await settle()


async def _task_group(call: Callable[[], Any], _: BaseException) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_read, call)
        await asyncio.sleep(0.05)
        group.cancel_scope.cancel()
    await settle()


ASYNC_ENDS = {
    "drained": (_adrain, Plan(), "complete", "abc"),
    "each step in a task of its own": (_steps_in_tasks, Plan(), "complete", "abc"),
    "break": (_abreak, Plan(), "abandoned", "ab"),
    "closed": (_aclose, Plan(), "abandoned", "ab"),
    "closed from another task": (_aclose_in_task, Plan(), "abandoned", "ab"),
    "closed in a span of the consumer": (_aclose_in_a_span, Plan(), "abandoned", "ab"),
    "garbage-collected": (_adrop, Plan(), "abandoned", "ab"),
    "garbage-collected in a cycle": (_adrop_cycle, Plan(), "abandoned", "ab"),
    "exception": (_araise, Plan(raises=UserError("x")), "error", "ab"),
    "thrown in": (_athrow, Plan(), "error", "ab"),
    "exception of the consumer": (_aconsumer_raises, Plan(), "abandoned", "ab"),
    "task cancelled": (_acancel, Plan(hangs=True), "cancelled", "ab"),
    "task cancelled between two items": (_cancel_between, Plan(), "abandoned", "ab"),
    "asyncio.timeout": (_atime_out, Plan(hangs=True), "cancelled", "ab"),
    "asyncio.wait_for": (_await_for, Plan(hangs=True), "cancelled", "ab"),
    "anyio cancel scope": (_amove_on, Plan(hangs=True), "cancelled", "ab"),
    "anyio task group": (_task_group, Plan(hangs=True), "cancelled", "ab"),
}


@each_way
@each_binding
@pytest.mark.parametrize("end", ASYNC_ENDS)
def test_an_async_generator(spans: list[ReadableSpan], way: str, binding: str, end: str) -> None:
    """However an async generator ends, its span ends once, in its place, with what came, and no task of ours runs."""
    consume, plan, outcome, text = ASYNC_ENDS[end]
    call = bound(binding, async_generator(way, plan))

    async def main() -> None:
        with llmtrace.agent_span("root"):
            await consume(call, plan.raises or UserError("thrown"))
            after()
        with llmtrace.tool_span("root of the next trace") as following:
            assert following.parent is None
        spans.pop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)
    expected = expect(way, outcome, text, fails=outcome == "error")
    if end == "thrown in" and way == "record_stream":
        expected.outcome = "abandoned"  # it was thrown into the user's generator, at its own `yield`
    check(spans, expected)
