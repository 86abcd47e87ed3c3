"""Plain functions that return a coroutine, a generator, a stream or any other object: what goes on inside the span."""

from __future__ import annotations

import asyncio
import functools
import inspect
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, run, settle, small_heap
from trees import parents

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")
__all__ = ["quiet", "small_heap"]

noiseless = pytest.mark.usefixtures("quiet")


def span(name: str) -> None:
    """A span of that name."""
    with llmtrace.tool_span(name):
        pass


async def answer(text: str) -> str:
    """A coroutine function with a span in its body."""
    await asyncio.sleep(0)
    span("inside")
    return text


def letters(text: str) -> Iterator[str]:
    """A generator function with a span in its body."""
    for letter in text:
        span("inside")
        yield letter


async def async_letters(text: str) -> AsyncIterator[str]:
    """The same, asynchronously."""
    for letter in text:
        await asyncio.sleep(0)
        span("inside")
        yield letter


class Stream:
    """An SDK's stream: an iterator written in Python that can be closed."""

    def __init__(self, chunks: list[str]) -> None:
        self.chunks = iter(chunks)
        self.is_closed = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self.chunks)

    def close(self) -> None:
        self.is_closed = True


class AsyncStream:
    """The same, asynchronously, with an `__aiter__` that is a generator, as in the OpenAI SDK."""

    def __init__(self, chunks: list[str]) -> None:
        self.chunks = iter(chunks)

    async def __aiter__(self) -> AsyncIterator[str]:
        for chunk in self.chunks:
            yield chunk

    async def __anext__(self) -> str:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration


def subject(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, decorated as a chain."""
    return llmtrace.chain(name="subject")(function)


def wrapped_by_others(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain wrapper that says what it wraps."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


COROUTINES = [
    functools.partial(answer, "abc"),
    lambda: answer("abc"),
    lambda: wrapped_by_others(answer)("abc"),
]


@noiseless
@pytest.mark.parametrize("function", COROUTINES, ids=["partial", "lambda", "wrapper"])
def test_a_coroutine_goes_on_inside_the_span(spans: list[ReadableSpan], function: Callable[[], Any]) -> None:
    """What is returned is a coroutine, and the span lasts until it has been awaited; its result is recorded."""

    async def main() -> None:
        with llmtrace.agent_span("root"):
            made = subject(function)()
            assert inspect.iscoroutine(made)
            assert inspect.isawaitable(made)
            assert made.__name__ == "answer"
            span("between")
            assert await made == "abc"
            span("after")

    assert inspect.iscoroutinefunction(subject(function)) == inspect.iscoroutinefunction(function)
    run(main)
    found = parents(spans)
    assert found == {
        "tool.inside": "subject",
        "subject": "root",
        "tool.between": "root",
        "tool.after": "root",
        "root": None,
    }
    assert next(each for each in spans if each.name == "subject").attributes["output.value"] == "abc"


@noiseless
def test_a_wrapper_may_return_something_else_than_what_it_wraps(spans: list[ReadableSpan]) -> None:
    """functools.wraps around a coroutine function that is run to its end gives a value, and it stays one."""

    @functools.wraps(answer)
    def blocking(text: str) -> str:
        return asyncio.run(answer(text))

    assert subject(blocking)("abc") == "abc"
    assert parents(spans) == {"tool.inside": "subject", "subject": None}


@noiseless
@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError()], ids=repr)
def test_an_exception_of_a_returned_coroutine(spans: list[ReadableSpan], error: BaseException) -> None:
    """The identical exception arrives, and is on the span; a cancellation is none."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise error

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await subject(lambda: fails())()  # noqa: PLW0108 - a plain function that returns a coroutine
        assert caught.value is error

    run(main)
    assert spans[0].status.is_ok is isinstance(error, asyncio.CancelledError)
    assert spans[0].attributes.get("llmtrace.stream.outcome") == (
        "cancelled" if isinstance(error, asyncio.CancelledError) else None
    )


@pytest.mark.parametrize("decorate", [lambda found: found, subject], ids=["plain", "decorated"])
@pytest.mark.parametrize("function", [*COROUTINES, answer], ids=["partial", "lambda", "wrapper", "function"])
def test_a_coroutine_that_is_never_awaited(
    spans: list[ReadableSpan], decorate: Callable[[Any], Any], function: Callable[..., Any]
) -> None:
    """Python's one warning comes as it would without us, under the same name, and no span is left open."""
    arguments = ("abc",) if function is answer else ()
    with pytest.warns(RuntimeWarning, match="coroutine 'answer' was never awaited") as warned:
        decorate(function)(*arguments)
    assert len(warned) == 1
    warned.clear()  # a warning holds its coroutine
    is_called = decorate is subject and inspect.isfunction(function) and function is not answer
    assert [each.name for each in spans] == ["subject"] * is_called


@noiseless
@pytest.mark.parametrize("read", [list, lambda made: [*itertools.islice(made, 2)]], ids=["drained", "break"])
def test_a_returned_generator_is_driven_inside_the_span(spans: list[ReadableSpan], read: Callable[[Any], Any]) -> None:
    """What is returned is a generator, and the span lasts until it ends."""
    with llmtrace.agent_span("root"):
        made = subject(lambda: letters("abc"))()
        assert inspect.isgenerator(made)
        assert made.__name__ == "letters"
        span("between")
        complete = len(read(made)) == 3
        del made
        span("after")
    found = parents(spans)
    assert found["tool.inside"] == "subject"
    assert found["tool.between"] == found["tool.after"] == found["subject"] == "root"
    recorded = next(each for each in spans if each.name == "subject").attributes
    assert recorded["llmtrace.stream.outcome"] == ("complete" if complete else "abandoned")
    assert recorded["output.value"] == ("abc" if complete else "ab")


@noiseless
@pytest.mark.parametrize("returned_by", ["function", "coroutine function", "coroutine"])
def test_a_returned_async_generator_is_driven_inside_the_span(spans: list[ReadableSpan], returned_by: str) -> None:
    """The same for an async generator that a function, a coroutine function or a returned coroutine returns."""

    async def later() -> Any:
        return async_letters("abc")

    async def main() -> None:
        with llmtrace.agent_span("root"):
            if returned_by == "function":
                made = subject(lambda: async_letters("abc"))()
            else:
                function = later if returned_by == "coroutine function" else wrapped_by_others(later)
                made = await subject(function)()
            assert inspect.isasyncgen(made)
            async for _ in made:
                span("between")
            span("after")

    run(main)
    found = parents(spans)
    assert found["tool.inside"] == "subject"
    assert found["tool.between"] == found["tool.after"] == found["subject"] == "root"
    recorded = next(each for each in spans if each.name == "subject").attributes
    assert (recorded["llmtrace.stream.outcome"], recorded["output.value"]) == ("complete", "abc")


@noiseless
def test_a_returned_generator_that_is_never_begun(spans: list[ReadableSpan]) -> None:
    """Its span ends when it is dropped."""
    made = subject(lambda: letters("abc"))()
    assert spans == []
    del made
    assert spans[0].attributes["llmtrace.stream.outcome"] == "abandoned"


@noiseless
def test_a_generator_that_somebody_else_holds_is_returned_as_it_is(spans: list[ReadableSpan]) -> None:
    """To close it would be to close it for its owner; so it is not wrapped, and not read."""
    shared = letters("abc")
    assert subject(lambda: shared)() is shared
    for _ in subject(lambda: shared)():
        break
    assert list(shared) == ["b", "c"]


@noiseless
@pytest.mark.parametrize(
    "make_it", [io.StringIO, lambda: iter([1]), lambda: map(str, [1]), dict, object, lambda: Stream([])]
)
def test_other_objects_are_returned_as_they_are(spans: list[ReadableSpan], make_it: Callable[[], Any]) -> None:
    """The identical object comes back, unread."""
    thing = make_it()
    assert subject(lambda: thing)() is thing
    assert llmtrace.tool(lambda: thing)() is thing
    if not isinstance(thing, Stream):
        assert llmtrace.llm(lambda: thing)() is thing


@noiseless
def test_a_future_or_task_is_returned_as_it_is(spans: list[ReadableSpan]) -> None:
    """A task that a function starts is the task that the caller gets; its own spans are inside."""

    async def main() -> None:
        started = []

        def start() -> Any:
            started.append(asyncio.create_task(answer("abc")))
            return started[0]

        task = subject(start)()
        assert task is started[0]
        assert await task == "abc"

    run(main)
    assert parents(spans) == {"tool.inside": "subject", "subject": None}


@noiseless
@pytest.mark.parametrize("is_coroutine", [False, True])
def test_a_models_stream_is_recorded_while_it_is_read(spans: list[ReadableSpan], is_coroutine: bool) -> None:
    """The stream that an @llm function returns looks like the SDK's, and its text is on the span at its end."""
    stream = Stream(["a", "b", "c"])

    def ask() -> Stream:
        return stream

    async def ask_later() -> Stream:
        return stream

    made = run(llmtrace.llm(ask_later)) if is_coroutine else llmtrace.llm(ask)()
    assert isinstance(made, Stream)
    assert not hasattr(type(made), "__aiter__")
    assert next(made) == "a"
    assert "".join(made) == "bc"
    (llm,) = spans
    assert llm.attributes["llm.output_messages.0.message.content"] == "abc"
    assert llm.attributes["llmtrace.stream.outcome"] == "complete"


@noiseless
def test_a_models_stream_that_is_closed_early(spans: list[ReadableSpan]) -> None:
    """close() reaches the stream and ends the span."""
    stream = Stream(["a", "b", "c"])
    made = llmtrace.llm(lambda: stream)()
    assert next(made) == "a"
    made.close()
    assert stream.is_closed
    (llm,) = spans
    assert llm.attributes["llm.output_messages.0.message.content"] == "a"
    assert llm.attributes["llmtrace.stream.outcome"] == "abandoned"


@noiseless
def test_a_models_async_stream(spans: list[ReadableSpan]) -> None:
    """The same, asynchronously."""

    async def main() -> None:
        made = await llmtrace.llm(ask)()
        assert isinstance(made, AsyncStream)
        assert not hasattr(type(made), "__iter__")
        assert await anext(made) == "a"
        async for chunk in made:
            assert chunk == "b"
            break
        del made
        await settle()

    async def ask() -> AsyncStream:
        return AsyncStream(["a", "b", "c"])

    run(main)
    (llm,) = spans
    assert llm.attributes["llm.output_messages.0.message.content"] == "ab"
    assert llm.attributes["llmtrace.stream.outcome"] == "abandoned"


@noiseless
def test_a_wait_for_a_chunk_that_times_out_does_not_end_the_stream(spans: list[ReadableSpan]) -> None:
    """A stream that is no generator lives on after a cancelled wait, and so does its recording."""

    class Slow:
        def __init__(self) -> None:
            self.queue: asyncio.Queue[str] = asyncio.Queue()

        def __aiter__(self) -> Slow:
            return self

        async def __anext__(self) -> str:
            return await self.queue.get()

    async def main() -> None:
        slow = Slow()
        with llmtrace.llm_span("m") as llm:
            stream = llm.record_stream(slow)
            for text in ("a", "b"):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.005)
                await slow.queue.put(text)
                assert await anext(stream) == text

    run(main)
    assert spans[0].attributes["llm.output_messages.0.message.content"] == "ab"
    assert spans[0].attributes["llmtrace.stream.outcome"] == "abandoned"


@noiseless
def test_an_error_of_a_stream_that_is_read_after_its_block(spans: list[ReadableSpan]) -> None:
    """The block is left before the first chunk; what the stream raises then is the span's error."""
    error = ValueError("broken")

    def broken() -> Iterator[str]:
        yield "a"
        raise error

    with llmtrace.llm_span("m") as llm:
        stream = llm.record_stream(broken())
    with pytest.raises(ValueError, match="broken") as caught:
        list(stream)
    assert caught.value is error
    (ended,) = spans
    assert not ended.status.is_ok
    assert ended.events[0].name == "exception"
    assert ended.attributes["llmtrace.stream.outcome"] == "error"
    assert ended.attributes["llm.output_messages.0.message.content"] == "a"


@noiseless
def test_an_error_that_leaves_the_block_ends_the_span_at_once(spans: list[ReadableSpan]) -> None:
    """A stream that was not begun does not keep a failed span open."""
    kept = []

    def fail() -> None:
        with llmtrace.llm_span("m") as llm:
            kept.append(llm.record_stream(letters("abc")))
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    (ended,) = spans
    assert not ended.status.is_ok
    assert ended.attributes["llmtrace.stream.outcome"] == "abandoned"
    kept.clear()
    assert len(spans) == 1
