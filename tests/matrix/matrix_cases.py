"""The axes of the matrix: ways to make a span, shapes of functions, bindings, and the streams that they produce."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

import llmtrace

WAYS: Final = ("context manager", "decorator", "record_stream")
BINDINGS: Final = ("plain", "method", "class method", "static method")

TEXT: Final = ("a", "b", "c")


class UserError(Exception):
    """What the user's code raises."""


@dataclass
class Plan:
    """What the body of a subject does after its second item."""

    raises: BaseException | None = None
    hangs: bool = False
    stalls: bool = False
    """A coroutine that reads the letters itself hangs between two of them."""


def letters(plan: Plan) -> Iterator[str]:
    """Three texts, with a span of the body's own before each."""
    for number, text in enumerate(TEXT):
        if number == 2 and plan.raises is not None:
            raise plan.raises
        with llmtrace.tool_span("inside"):
            pass
        yield text


async def async_letters(plan: Plan) -> AsyncIterator[str]:
    """The same, asynchronously; may hang."""
    for number, text in enumerate(TEXT):
        if number == 2 and plan.raises is not None:
            raise plan.raises
        if number == 2 and plan.hangs:
            await asyncio.Event().wait()
        with llmtrace.tool_span("inside"):
            await asyncio.sleep(0)
        yield text


# One factory for each shape. Each gives a function without arguments, made in the way that is asked for.


def function(way: str, plan: Plan) -> Callable[..., Any]:
    """A plain function that reads the letters itself."""

    def work(*_: object) -> str:
        return "".join(letters(plan))

    def with_span(*_: object) -> str:
        with llmtrace.chain_span("subject") as span:
            text = "".join(letters(plan))
            span.record_output(text)
            return text

    def with_stream(*_: object) -> str:
        with llmtrace.chain_span("subject") as span:
            return "".join(span.record_stream(letters(plan)))

    return _made(way, work, with_span, with_stream)


def coroutine(way: str, plan: Plan) -> Callable[..., Any]:
    """A coroutine function that reads the letters itself."""

    async def read(stream: AsyncIterator[str]) -> str:
        found = []
        async for text in stream:
            found.append(text)
            if text == "b" and plan.stalls:
                await asyncio.Event().wait()
        return "".join(found)

    async def work(*_: object) -> str:
        return await read(async_letters(plan))

    async def with_span(*_: object) -> str:
        with llmtrace.chain_span("subject") as span:
            text = await read(async_letters(plan))
            span.record_output(text)
            return text

    async def with_stream(*_: object) -> str:
        with llmtrace.chain_span("subject") as span:
            return await read(span.record_stream(async_letters(plan)))

    return _made(way, work, with_span, with_stream)


def generator(way: str, plan: Plan) -> Callable[..., Any]:
    """A generator function."""

    def work(*_: object) -> Iterator[str]:
        yield from letters(plan)

    def with_span(*_: object) -> Iterator[str]:
        with llmtrace.chain_span("subject"):
            yield from letters(plan)

    def with_stream(*_: object) -> Iterator[str]:
        with llmtrace.chain_span("subject") as span:
            for text in span.record_stream(letters(plan)):  # noqa: UP028 - the plainest loop a user writes
                yield text

    return _made(way, work, with_span, with_stream)


def async_generator(way: str, plan: Plan) -> Callable[..., Any]:
    """An async generator function."""

    async def work(*_: object) -> AsyncIterator[str]:
        async for text in async_letters(plan):
            yield text

    async def with_span(*_: object) -> AsyncIterator[str]:
        with llmtrace.chain_span("subject"):
            async for text in async_letters(plan):
                yield text

    async def with_stream(*_: object) -> AsyncIterator[str]:
        with llmtrace.chain_span("subject") as span:
            async for text in span.record_stream(async_letters(plan)):
                yield text

    return _made(way, work, with_span, with_stream)


def _made(
    way: str, work: Callable[..., Any], with_span: Callable[..., Any], with_stream: Callable[..., Any]
) -> Callable[..., Any]:
    return {
        "context manager": with_span,
        "decorator": llmtrace.chain(name="subject")(work),
        "record_stream": with_stream,
    }[way]


def bound(binding: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as it is called: by itself, on an instance, on a class."""
    if binding == "plain":
        return function
    decorate = {"method": lambda found: found, "class method": classmethod, "static method": staticmethod}[binding]
    owner = type("Owner", (), {"subject": decorate(function)})
    return owner().subject if binding == "method" else owner.subject


def between() -> None:
    """A span that the consumer makes between two items."""
    with llmtrace.tool_span("between"):
        pass


def after() -> None:
    """The next span."""
    with llmtrace.tool_span("after"):
        pass


@dataclass
class Expected:
    """What must be on the subject's span."""

    outcome: str | None
    text: str | None
    fails: bool = False


def check(spans: list[ReadableSpan], expected: Expected, *, root: str = "root") -> None:
    """Each span has ended once and has the right parent; the subject says what came and why it ended."""
    ids = [span.context.span_id for span in spans]
    assert len(set(ids)) == len(ids), "a span ended twice"
    named: dict[str, list[ReadableSpan]] = {}
    for span in spans:
        named.setdefault(span.name, []).append(span)
    assert set(named) <= {"subject", "tool.inside", "tool.between", "tool.after", root}
    (subject,) = named["subject"]
    (outer,) = named[root]
    for name, parent in (("subject", outer), ("tool.inside", subject), ("tool.between", outer), ("tool.after", outer)):
        for span in named.get(name, ()):
            assert span.parent is not None, f"{name} has no parent"
            assert span.parent.span_id == parent.context.span_id, f"{name} has a wrong parent"
    assert named["tool.inside"]
    assert named["tool.after"]
    assert subject.status.is_ok is not expected.fails
    assert subject.attributes is not None
    assert subject.attributes.get("llmtrace.stream.outcome") == expected.outcome
    assert subject.attributes.get("output.value") == expected.text
    assert [event.name for event in subject.events] == ["exception"] * expected.fails
