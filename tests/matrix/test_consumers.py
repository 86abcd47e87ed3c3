"""Consumers of every kind: in threads, in tasks, several at once, inside each other, too late, or never."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import itertools
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

import anyio.to_thread
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from quiet import quiet, run, settle, small_heap
from starlette.concurrency import iterate_in_threadpool
from trees import parents

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]

EXPECTED = {"subject": "root", "tool.inside": "subject", "tool.between": "root", "tool.after": "root", "root": None}


def span(name: str) -> None:
    """A span of that name."""
    with llmtrace.tool_span(name):
        pass


def held(count: int = 3, name: str = "subject", inside: str = "inside") -> Iterator[int]:
    """A generator that holds a span over its yields."""
    with llmtrace.chain_span(name):
        for number in range(count):
            span(inside)
            yield number


@llmtrace.chain(name="subject")
def decorated(count: int = 3) -> Iterator[int]:
    """A decorated one."""
    for number in range(count):
        span("inside")
        yield number


def recorded(count: int = 3) -> Iterator[int]:
    """A recorded one, read after the block of its span was left."""

    def plain() -> Iterator[int]:
        for number in range(count):
            span("inside")
            yield number

    with llmtrace.chain_span("subject") as subject:
        stream: Iterator[int] = subject.record_stream(plain())
    return stream


async def async_held(count: int = 3, name: str = "subject", inside: str = "inside") -> AsyncIterator[int]:
    """The asynchronous ones."""
    with llmtrace.chain_span(name):
        for number in range(count):
            span(inside)
            await asyncio.sleep(0)
            yield number


@llmtrace.chain(name="subject")
async def async_decorated(count: int = 3) -> AsyncIterator[int]:
    """A decorated one."""
    for number in range(count):
        span("inside")
        await asyncio.sleep(0)
        yield number


def async_recorded(count: int = 3) -> AsyncIterator[int]:
    """A recorded one."""

    async def plain() -> AsyncIterator[int]:
        for number in range(count):
            span("inside")
            await asyncio.sleep(0)
            yield number

    with llmtrace.chain_span("subject") as subject:
        stream: AsyncIterator[int] = subject.record_stream(plain())
    return stream


each = pytest.mark.parametrize("make", [held, decorated, recorded])
each_async = pytest.mark.parametrize("make", [async_held, async_decorated, async_recorded])


# -- threads --------------------------------------------------------------------------------------------------------


@each
def test_each_step_in_a_worker_thread(spans: list[ReadableSpan], make: Callable[[], Iterator[int]]) -> None:
    """Starlette runs each step in some thread with a copy of the context; the body's spans stay inside."""

    async def main() -> None:
        with llmtrace.agent_span("root"):
            async for _ in iterate_in_threadpool(make()):
                span("between")
            span("after")

    run(main)
    assert parents(spans) == EXPECTED


@each
def test_steps_in_several_threads(spans: list[ReadableSpan], make: Callable[[], Iterator[int]]) -> None:
    """The same in an executor without any context, from the second step on."""
    with llmtrace.agent_span("root"), ThreadPoolExecutor(2) as pool:
        made = make()
        next(made)
        span("between")
        assert pool.submit(next, made).result() == 1
        assert pool.submit(list, made).result() == [2]
        span("after")
    assert parents(spans) == EXPECTED


@each
def test_steps_in_copied_contexts(spans: list[ReadableSpan], make: Callable[[], Iterator[int]]) -> None:
    """The same in this thread, in a context of its own for each step."""
    with llmtrace.agent_span("root"):
        made = make()
        for _ in range(3):
            contextvars.copy_context().run(next, made)
            span("between")
        contextvars.copy_context().run(next, made, None)
        span("after")
    assert parents(spans) == EXPECTED


# -- tasks ----------------------------------------------------------------------------------------------------------


@each_async
def test_begun_here_and_read_on_in_another_task(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A handler takes the first item, a task of the framework the rest, with spans of its own between."""

    async def rest(made: AsyncIterator[int]) -> None:
        async for _ in made:
            span("between")

    async def main() -> None:
        with llmtrace.agent_span("root"):
            made = make()
            await anext(made)
            span("between")
            async with asyncio.TaskGroup() as group:
                group.create_task(rest(made))
            span("after")

    run(main)
    assert parents(spans) == EXPECTED


@each_async
def test_read_by_a_task_that_was_there_before(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A worker that was started outside of every span reads a generator that was begun inside one."""

    async def work(queue: asyncio.Queue[Any]) -> None:
        made = await queue.get()
        async for _ in made:
            pass

    async def main() -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        worker = asyncio.create_task(work(queue))
        with llmtrace.agent_span("root"):
            made = make()
            await anext(made)
            span("between")
            await queue.put(made)
            await worker
            span("after")

    run(main)
    assert parents(spans) == EXPECTED


@each_async
def test_tasks_that_the_body_starts_are_inside(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A task and a thread that the generator's body starts are below its span."""

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        span(name)

    async def outer() -> AsyncIterator[int]:
        with llmtrace.chain_span("outer"):
            later = asyncio.create_task(work("task"))
            await asyncio.gather(work("gathered"), asyncio.to_thread(span, "thread"))
            await anyio.to_thread.run_sync(span, "anyio")
            async for number in make():
                yield number
            await later

    async def main() -> None:
        with llmtrace.agent_span("root"):
            async for _ in outer():
                span("between")
            span("after")

    run(main)
    inner = {f"tool.{name}": "outer" for name in ("task", "gathered", "thread", "anyio")}
    assert parents(spans) == {**EXPECTED, **inner, "subject": "outer", "outer": "root"}


@pytest.mark.parametrize("make", [async_decorated, async_recorded])
def test_tasks_that_the_consumer_starts_are_not_inside(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """Between two items of a decorated or recorded generator its context is nowhere, so no task takes it along."""

    async def main() -> None:
        with llmtrace.agent_span("root"):
            async for _ in make():
                await asyncio.gather(asyncio.to_thread(span, "between"))
                await asyncio.create_task(asyncio.to_thread(span, "between"))
            span("after")

    run(main)
    assert parents(spans) == EXPECTED


@each_async
def test_gathered_generators_stay_apart(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """Several generators that are read at once, each in a task of its own."""

    async def read(number: int) -> None:
        with llmtrace.agent_span("root", attributes={"number": number}):
            async for _ in make():
                span("between")
            span("after")

    async def main() -> None:
        await asyncio.gather(*(read(number) for number in range(5)))

    run(main)
    assert parents(spans) == EXPECTED
    assert len({found.context.trace_id for found in spans}) == 5


@each_async
def test_aclosing_and_async_comprehension(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """`aclosing` closes in place; a comprehension reads to the end."""

    async def main() -> None:
        with llmtrace.agent_span("root"):
            async with aclosing(make()) as made:
                async for _ in made:
                    span("between")
                    break
            assert [number async for number in make() if number] == [1, 2]
            span("after")

    run(main)
    assert parents(spans) == EXPECTED
    first = next(found for found in spans if found.name == "subject")
    assert first.attributes["llmtrace.stream.outcome"] == "abandoned"


# -- several at once ------------------------------------------------------------------------------------------------


@each
def test_itertools_read_a_generator(spans: list[ReadableSpan], make: Callable[[], Iterator[int]]) -> None:
    """tee, islice, chain and zip step a generator from C."""
    with llmtrace.agent_span("root"):
        for _ in itertools.islice(make(), 2):
            span("between")
        first, second = itertools.tee(make())
        for _ in zip(first, second, strict=True):
            span("between")
        for _ in itertools.chain(make(), make()):
            span("between")
        span("after")
    assert parents(spans) == EXPECTED


@each
def test_two_generators_in_turn(spans: list[ReadableSpan], make: Callable[..., Iterator[int]]) -> None:
    """Two of them, stepped in turn, of different length, in either order."""
    for counts in ((2, 3), (3, 2)):
        with llmtrace.agent_span("root"):
            for _ in itertools.zip_longest(make(counts[0]), make(counts[1])):
                span("between")
            span("after")
    assert parents(spans) == EXPECTED


def test_nested_generators_hold_nested_spans(spans: list[ReadableSpan]) -> None:
    """Each of three nested generators holds a span, and each level's spans have the right parent."""

    def middle() -> Iterator[int]:
        with llmtrace.chain_span("middle"):
            for number in held(2, "inner", "inside"):
                span("in the middle")
                yield number

    def outer() -> Iterator[int]:
        with llmtrace.chain_span("outer"):
            yield from middle()
            span("in the outer")

    for stop in (1, None):
        with llmtrace.agent_span("root"):
            for _ in itertools.islice(outer(), stop):
                span("between")
            span("after")
    assert parents(spans) == {
        "tool.inside": "inner",
        "inner": "middle",
        "tool.in the middle": "middle",
        "middle": "outer",
        "tool.in the outer": "outer",
        "outer": "root",
        "tool.between": "root",
        "tool.after": "root",
        "root": None,
    }


@each
def test_read_on_inside_another_span(spans: list[ReadableSpan], make: Callable[[], Iterator[int]]) -> None:
    """The consumer opens a span after the first item and closes it after the last: it is nobody's parent here."""
    with llmtrace.agent_span("root"):
        made = make()
        next(made)
        with llmtrace.tool_span("between"):
            assert list(made) == [1, 2]
        span("after")
    assert parents(spans) == EXPECTED


@each
def test_the_consumers_span_ends_before_the_generator(
    spans: list[ReadableSpan], make: Callable[[], Iterator[int]]
) -> None:
    """The consumer closes a span that was opened before the generator began, while that is suspended."""
    with llmtrace.agent_span("root"):
        with llmtrace.tool_span("between"):
            made = make()
            next(made)
        span("after")
        assert list(made) == [1, 2]
        span("after")
    found = parents(spans)
    assert found["tool.after"] == "root"
    assert found["tool.inside"] == "subject"
    assert found["subject"] == "tool.between"


def test_a_generator_with_using(spans: list[ReadableSpan]) -> None:
    """Values that a generator's body carries are not carried by its consumer."""

    def generator() -> Iterator[int]:
        with llmtrace.using(user_id="generator"):
            for number in range(2):
                span("inside")
                yield number

    with llmtrace.using(user_id="consumer"):
        for _ in generator():
            span("between")
        span("after")
    users = {found.name: found.attributes["user.id"] for found in spans}
    assert users == {"tool.inside": "generator", "tool.between": "consumer", "tool.after": "consumer"}


def test_foreign_tracers_are_right_in_the_consumer(spans: list[ReadableSpan]) -> None:
    """An SDK tracer, get_current_span and current_trace_id see no span of a suspended generator."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    theirs = provider.get_tracer("theirs")
    with llmtrace.agent_span("root") as root:
        made = held(2)
        for _ in made:
            assert trace.get_current_span() is root
            assert llmtrace.current_trace_id() == f"{root.context.trace_id:032x}"
            with theirs.start_as_current_span("foreign"):
                span("between")
    assert {found.parent.span_id for found in exporter.get_finished_spans() if found.parent} == {root.context.span_id}
    assert len({found.parent.span_id for found in spans if found.name == "tool.between" and found.parent}) == 2
    provider.shutdown()


@pytest.mark.parametrize("end", ["drained", "closed from another task", "break"])
def test_our_tracer_held_over_a_yield(spans: list[ReadableSpan], end: str) -> None:
    """OpenTelemetry's own start_as_current_span on our tracer is as right in a generator as our blocks are."""
    tracer = llmtrace.get_tracer()

    async def generator() -> AsyncIterator[int]:
        with tracer.start_as_current_span("subject"):
            for number in range(2):
                span("inside")
                yield number

    async def main() -> None:
        with llmtrace.agent_span("root"):
            made: Any = generator()
            async for _ in made:
                span("between")
                if end != "drained":
                    break
            if end == "closed from another task":
                await asyncio.create_task(made.aclose())
            del made
            await settle()
            span("after")

    run(main)
    assert parents(spans) == EXPECTED


def test_foreign_tracers_are_right_in_the_body(spans: list[ReadableSpan]) -> None:
    """Inside the body they see the span that the generator holds."""

    def generator() -> Iterator[int]:
        with llmtrace.chain_span("subject") as subject:
            for number in range(2):
                assert trace.get_current_span() is subject
                yield number
        assert trace.get_current_span() is root

    with llmtrace.agent_span("root") as root:
        list(generator())
        assert trace.get_current_span() is root
    assert trace.get_current_span() is trace.INVALID_SPAN


# -- never, or too late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [held, decorated, async_held, async_decorated])
def test_a_generator_that_is_never_begun(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """No step, no span, no warning."""
    made = make()
    del made
    gc.collect()
    assert spans == []


@pytest.mark.parametrize("make", [recorded, async_recorded])
def test_a_stream_that_is_never_read(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """The span of a stream that nobody reads ends when the stream is gone, as abandoned."""
    made = make()
    assert spans == []
    del made
    gc.collect()
    (subject,) = spans
    assert subject.attributes["llmtrace.stream.outcome"] == "abandoned"
    assert subject.attributes["llmtrace.stream.chunks"] == 0


@each_async
def test_collected_after_its_loop_was_closed(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """Python runs no `finally` of an async generator then; the span ends all the same, as abandoned."""
    loop = asyncio.new_event_loop()
    made = make()

    async def begin(made: Any) -> None:
        await anext(made)

    loop.run_until_complete(begin(made))
    loop.close()
    assert [found.name for found in spans] == ["tool.inside"]
    del made
    gc.collect()
    assert [found.name for found in spans] == ["tool.inside", "subject"]
    assert spans[1].attributes["llmtrace.stream.outcome"] == "abandoned"
    span("after")
    assert spans[2].parent is None


@each_async
def test_left_to_the_loop(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """asyncio.run closes what is still open at its end: once, and without a word.

    A recorded stream that the app still holds could be read on, as far as anybody knows: it ends when it is dropped.
    """
    kept = []

    async def main() -> None:
        made = make()
        kept.append(made)
        await anext(made)

    run(main)
    assert [found.name for found in spans] == ["tool.inside", "subject"][: 1 if make is async_recorded else 2]
    kept.clear()
    assert [found.name for found in spans] == ["tool.inside", "subject"]
    assert spans[1].attributes["llmtrace.stream.outcome"] == "abandoned"


@each_async
def test_cleaning_up_while_the_loop_closes(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A body whose `finally` awaits and makes a span is closed once, inside its span."""
    kept = []

    @llmtrace.chain(name="outer")
    async def outer() -> AsyncIterator[int]:
        inner = make()
        try:
            async for number in inner:
                yield number
        finally:
            await asyncio.sleep(0)
            await inner.aclose()
            span("cleaning")

    async def main() -> None:
        made = outer()
        kept.append(made)
        await anext(made)

    run(main)
    found = parents(spans)
    assert found["tool.cleaning"] == "outer"
    assert found["subject"] == "outer"


@pytest.mark.parametrize("make", [held, decorated, recorded, async_held, async_decorated, async_recorded])
def test_generators_can_be_referred_to_weakly(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """Nothing of ours keeps a generator alive that the app has dropped."""
    made = make()
    gone = weakref.ref(made)
    if hasattr(made, "__anext__"):
        run(functools.partial(anext, made))
    else:
        next(made)
    del made
    gc.collect()
    assert gone() is None
    assert [found.name for found in spans][-1] == "subject"


def test_a_thread_that_ends_with_a_generator_open(spans: list[ReadableSpan]) -> None:
    """A generator that a dead thread left behind is closed by whoever drops it."""
    kept = []

    def begin() -> None:
        kept.append(held())
        next(kept[0])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    with llmtrace.agent_span("root"):
        kept.clear()
        span("after")
    assert parents(spans) == {"tool.inside": "subject", "subject": None, "tool.after": "root", "root": None}


@each_async
def test_abandoned_in_the_middle_of_a_step(spans: list[ReadableSpan], make: Callable[[], Any]) -> None:
    """A step that is cancelled from another task, while the body waits, ends the span as cancelled."""

    async def stuck() -> AsyncIterator[int]:
        async for number in make():
            yield number
            await asyncio.Event().wait()

    async def main() -> None:
        with llmtrace.agent_span("root"):
            made = llmtrace.chain(name="outer")(stuck)()
            await anext(made)
            step = asyncio.ensure_future(anext(made))
            await asyncio.sleep(0)
            step.cancel()
            await asyncio.wait([step])
            span("after")
            await settle()

    run(main)
    outer = next(found for found in spans if found.name == "outer")
    assert outer.attributes["llmtrace.stream.outcome"] == "cancelled"
    assert outer.status.is_unset
