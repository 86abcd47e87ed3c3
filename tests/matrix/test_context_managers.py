"""A generator that is run as a context manager, fixture or dependency hands its context to the code outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from types import TracebackType
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, run, small_heap
from trees import parents

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]


@contextmanager
def by_hand() -> Iterator[str]:
    """A context manager around a span."""
    with llmtrace.chain_span("subject"):
        yield "value"


@contextmanager
def delegating() -> Iterator[str]:
    """One that leaves it to another generator."""
    yield from by_hand.__wrapped__()  # type: ignore[attr-defined]


@contextmanager
@llmtrace.chain(name="subject")
def decorated() -> Iterator[str]:
    """A context manager whose generator is decorated."""
    yield "value"


@contextmanager
@llmtrace.chain(name="subject")
def decorated_around_a_span() -> Iterator[str]:
    """One with a span of its own inside."""
    with llmtrace.chain_span("own"):
        yield "value"


class ByClass:
    """A context manager that enters the span in its own method."""

    def __enter__(self) -> str:
        self.span = llmtrace.chain_span("subject")
        self.span.__enter__()
        return "value"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.span.__exit__(kind, error, traceback)


class ByGenerator:
    """A context manager that steps a generator by itself, as OpenTelemetry's own do."""

    def __enter__(self) -> str:
        self.generator = by_hand.__wrapped__()  # type: ignore[attr-defined]
        value: str = next(self.generator)
        return value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(StopIteration):
            next(self.generator) if error is None else self.generator.throw(error)


MANAGERS = [ByGenerator, by_hand, delegating, decorated, ByClass]


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_block_is_inside(spans: list[ReadableSpan], manager: Any) -> None:
    """Spans of the with-block are children of the context manager's; the next span is not."""
    with llmtrace.agent_span("root"):
        with manager() as value:
            assert value == "value"
            with llmtrace.tool_span("block"):
                pass
        with llmtrace.tool_span("after"):
            pass
    assert parents(spans) == {"subject": "root", "tool.block": "subject", "tool.after": "root", "root": None}


def test_a_span_held_by_a_decorated_context_manager_reaches_the_block(spans: list[ReadableSpan]) -> None:
    """The block is inside of the span that the decorated generator holds over its yield."""
    with decorated_around_a_span(), llmtrace.tool_span("block"):
        pass
    with llmtrace.tool_span("after"):
        pass
    assert parents(spans) == {"tool.block": "own", "own": "subject", "subject": None, "tool.after": None}


@pytest.mark.parametrize("manager", MANAGERS)
def test_an_exception_of_the_block_is_the_spans(spans: list[ReadableSpan], manager: Any) -> None:
    """The identical exception passes through, and the span is an error."""
    error = ValueError("x")
    with pytest.raises(ValueError, match="x") as caught, manager():
        raise error
    assert caught.value is error
    (subject,) = spans
    assert not subject.status.is_ok


@pytest.mark.parametrize("manager", MANAGERS)
def test_a_context_manager_inside_a_generator(spans: list[ReadableSpan], manager: Any) -> None:
    """Entered by an iterated generator, its context is that generator's: the body is inside, the consumer is not."""

    def generator() -> Iterator[int]:
        with manager():
            for number in range(2):
                with llmtrace.tool_span("body"):
                    pass
                yield number

    with llmtrace.agent_span("root"):
        for _ in generator():
            with llmtrace.tool_span("consumer"):
                pass
    assert parents(spans) == {"subject": "root", "tool.body": "subject", "tool.consumer": "root", "root": None}


def test_an_exit_stack_inside_a_generator(spans: list[ReadableSpan]) -> None:
    """What an ExitStack enters for a generator is the generator's."""

    def generator() -> Iterator[int]:
        with ExitStack() as stack:
            stack.enter_context(llmtrace.using(user_id="u"))
            stack.enter_context(llmtrace.chain_span("subject"))
            with llmtrace.tool_span("body") as span:
                assert span.attributes["user.id"] == "u"
            yield 1

    with llmtrace.agent_span("root"):
        for _ in generator():
            with llmtrace.tool_span("consumer") as span:
                assert "user.id" not in span.attributes
    assert parents(spans) == {"subject": "root", "tool.body": "subject", "tool.consumer": "root", "root": None}


@asynccontextmanager
async def async_by_hand() -> AsyncIterator[str]:
    """An asynchronous context manager around a span."""
    with llmtrace.chain_span("subject"):
        await asyncio.sleep(0)
        yield "value"


@asynccontextmanager
@llmtrace.chain(name="subject")
async def async_decorated() -> AsyncIterator[str]:
    """One whose generator is decorated."""
    await asyncio.sleep(0)
    yield "value"


@pytest.mark.parametrize("manager", [async_by_hand, async_decorated])
@pytest.mark.parametrize("stacked", [False, True])
def test_the_asynchronous_block_is_inside(spans: list[ReadableSpan], manager: Any, stacked: bool) -> None:
    """The same, asynchronously and on an AsyncExitStack; a task that is started in the block is inside too."""

    async def task() -> None:
        with llmtrace.tool_span("task"):
            pass

    async def block(made: AbstractAsyncContextManager[str]) -> None:
        async with AsyncExitStack() as stack:
            value = await (stack.enter_async_context(made) if stacked else made.__aenter__())
            assert value == "value"
            with llmtrace.tool_span("block"):
                pass
            await asyncio.create_task(task())
            if not stacked:
                await made.__aexit__(None, None, None)

    async def main() -> None:
        with llmtrace.agent_span("root"):
            await block(manager())
            with llmtrace.tool_span("after"):
                pass

    run(main)
    assert parents(spans) == {
        "subject": "root",
        "tool.block": "subject",
        "tool.task": "subject",
        "tool.after": "root",
        "root": None,
    }


@pytest.mark.parametrize("manager", [async_by_hand, async_decorated])
def test_an_asynchronous_context_manager_inside_an_async_generator(spans: list[ReadableSpan], manager: Any) -> None:
    """Entered by an iterated async generator, its context is that generator's."""

    async def generator() -> AsyncIterator[int]:
        async with manager():
            for number in range(2):
                with llmtrace.tool_span("body"):
                    await asyncio.sleep(0)
                yield number

    async def main() -> None:
        with llmtrace.agent_span("root"):
            async for _ in generator():
                with llmtrace.tool_span("consumer"):
                    await asyncio.sleep(0)

    run(main)
    assert parents(spans) == {"subject": "root", "tool.body": "subject", "tool.consumer": "root", "root": None}


@pytest.fixture
def held(spans: list[ReadableSpan]) -> Iterator[None]:
    """A fixture that holds a span while its test runs."""
    with llmtrace.chain_span("fixture"):
        yield


@pytest.fixture
@llmtrace.chain(name="decorated fixture")
def held_by_decorator(held: None) -> Iterator[None]:
    """A decorated one, inside of it."""
    yield  # noqa: PT022 - that it goes on later is what is tested


def test_a_fixture_is_around_its_test(spans: list[ReadableSpan], held_by_decorator: None) -> None:
    """Spans of a test are inside of the spans that its fixtures hold."""
    with llmtrace.tool_span("test") as span:
        assert span.parent is not None
    with llmtrace.tool_span("test") as second:
        assert second.parent == span.parent
    assert llmtrace.current_trace_id() == f"{span.context.trace_id:032x}"


@pytest.fixture
def anyio_backend() -> str:
    """The backend of anyio's plugin."""
    return "asyncio"


@pytest.fixture
async def held_async(spans: list[ReadableSpan], anyio_backend: str) -> AsyncIterator[None]:
    """An asynchronous fixture that holds a span."""
    with llmtrace.chain_span("fixture"):
        yield


@pytest.mark.anyio
async def test_an_asynchronous_fixture_is_around_its_test(spans: list[ReadableSpan], held_async: None) -> None:
    """Spans of an asynchronous test are inside of the spans that its fixtures hold."""
    with llmtrace.tool_span("test") as span:
        assert span.parent is not None


async def plain_dependency() -> AsyncIterator[str]:
    """A dependency around a span."""
    with llmtrace.chain_span("subject"):
        yield "value"


@llmtrace.chain(name="subject")
async def decorated_dependency() -> AsyncIterator[str]:
    """A decorated one."""
    yield "value"


def sync_dependency() -> Iterator[str]:
    """A synchronous one, which FastAPI runs in a thread with a copy of the context."""
    with llmtrace.chain_span("subject"):
        yield "value"


@llmtrace.chain(name="subject")
def decorated_sync_dependency() -> Iterator[str]:
    """A decorated one."""
    yield "value"


@pytest.mark.parametrize(
    ("dependency", "parent"),
    [
        (plain_dependency, "subject"),
        (decorated_dependency, "subject"),
        # FastAPI enters these in a thread: what they set in the context stays there, with any library.
        (sync_dependency, "GET /"),
        (decorated_sync_dependency, "GET /"),
    ],
)
def test_a_dependency_with_yield_is_around_its_endpoint(
    spans: list[ReadableSpan], dependency: Any, parent: str
) -> None:
    """An endpoint's spans are inside of the span that an asynchronous dependency holds."""
    app = FastAPI()
    app.add_middleware(TraceIdMiddleware)

    @app.get("/")
    async def endpoint(value: str = Depends(dependency)) -> str:  # noqa: FAST002 - `dependency` is local
        with llmtrace.tool_span("endpoint"):
            return value

    with TestClient(app) as client:
        assert client.get("/").json() == "value"
        assert client.get("/").json() == "value"
    found = parents(spans)
    assert found["tool.endpoint"] == parent
    assert found["subject"] == "GET /"
    assert len(spans) == 6
