"""Whatever is done to a decorated or recorded generator, it answers as the plain one does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, small_heap

import llmtrace
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")
__all__ = ["quiet", "small_heap"]


class BoomError(Exception):
    """Thrown in by a consumer."""


class BaseBoom(BaseException):
    """One that is no Exception."""


HABITS = ("passes on", "swallows", "answers", "returns", "raises another")
"""What a generator does with an exception that is thrown in at its second yield."""

THROWN: dict[str, Callable[[], BaseException]] = {
    "BoomError": lambda: BoomError("x"),
    "BaseBoom": lambda: BaseBoom("x"),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration("x"),
    "StopAsyncIteration": StopAsyncIteration,
    "KeyboardInterrupt": KeyboardInterrupt,
}

actions = st.lists(
    st.one_of(
        st.just(("next", None)),
        st.tuples(st.just("send"), st.integers(0, 9)),
        st.tuples(st.just("throw"), st.sampled_from(sorted(THROWN))),
        st.just(("close", None)),
    ),
    max_size=8,
)


def plain(habit: str) -> Generator[Any, Any, str]:
    """A generator of four values that shows what it is sent, and has a habit with exceptions."""
    got: Any = yield "first"
    try:
        got = yield ("got", got)
    except BaseException as error:
        if habit == "passes on":
            raise
        if habit == "returns":
            return "early"
        if habit == "raises another":
            raise KeyError("other") from error
        if habit == "answers":
            yield "answer"
    else:
        yield ("then", got)
    yield "last"
    return "returned"


async def plain_async(habit: str) -> AsyncGenerator[Any, Any]:
    """The same, asynchronously."""
    got: Any = yield "first"
    try:
        await asyncio.sleep(0)
        got = yield ("got", got)
    except BaseException as error:
        await asyncio.sleep(0)
        if habit == "passes on":
            raise
        if habit == "returns":
            return
        if habit == "raises another":
            raise KeyError("other") from error
        if habit == "answers":
            yield "answer"
    else:
        yield ("then", got)
    yield "last"


def recorded(habit: str) -> Any:
    """The generator behind `record_stream`, after its span's block was left."""
    with llmtrace.chain_span("subject") as span:
        return span.record_stream(plain(habit))


def recorded_async(habit: str) -> Any:
    """The same, asynchronously."""
    with llmtrace.chain_span("subject") as span:
        return span.record_stream(plain_async(habit))


def told(error: BaseException) -> tuple[Any, ...]:
    """An exception as far as a consumer can tell two apart."""
    value = error.value if isinstance(error, StopIteration) else None
    return type(error), str(error), value, type(error.__cause__)


def history(made: Any, script: list[tuple[str, Any]]) -> list[Any]:
    """What each action gave."""
    found: list[Any] = []
    for name, argument in script:
        thrown = THROWN[argument]() if name == "throw" else None
        try:
            match name:
                case "next":
                    found.append(next(made))
                case "send":
                    found.append(made.send(argument))
                case "throw":
                    found.append(made.throw(thrown))
                case "close":
                    found.append(made.close())
        except BaseException as error:  # noqa: BLE001 - whatever comes out is compared
            found.append((*told(error), error is thrown))
        found.append(inspect.getgeneratorstate(made) if inspect.isgenerator(made) else None)
    for _ in range(2):  # one that answers to its close would complain when it is collected, as the plain one does
        with suppress(RuntimeError, KeyError):
            made.close()
    return found


async def async_history(made: Any, script: list[tuple[str, Any]]) -> list[Any]:
    """What each action gave."""
    found: list[Any] = []
    for name, argument in script:
        thrown = THROWN[argument]() if name == "throw" else None
        try:
            match name:
                case "next":
                    found.append(await anext(made))
                case "send":
                    found.append(await made.asend(argument))
                case "throw":
                    found.append(await made.athrow(thrown))
                case "close":
                    found.append(await made.aclose())
        except BaseException as error:  # noqa: BLE001 - whatever comes out is compared
            found.append((*told(error), error is thrown))
    return found


@settings(deadline=None, max_examples=150)
@given(habit=st.sampled_from(HABITS), script=actions)
@pytest.mark.parametrize("made_by", [llmtrace.chain(name="subject")(plain), recorded], ids=["decorated", "recorded"])
def test_a_generator_answers_as_the_plain_one(made_by: Callable[[str], Any], habit: str, script: Any) -> None:
    """next, send, throw and close give the same values, the same exceptions and the same state, in any order."""
    with capture_spans() as spans:
        made = made_by(habit)
        assert history(made, script) == history(plain(habit), script)
        del made
    assert len(spans) <= 1


@settings(deadline=None, max_examples=150)
@given(habit=st.sampled_from(HABITS), script=actions)
@pytest.mark.parametrize(
    "made_by", [llmtrace.chain(name="subject")(plain_async), recorded_async], ids=["decorated", "recorded"]
)
def test_an_async_generator_answers_as_the_plain_one(made_by: Callable[[str], Any], habit: str, script: Any) -> None:
    """The same for anext, asend, athrow and aclose."""

    async def both() -> tuple[list[Any], list[Any]]:
        return await async_history(made_by(habit), script), await async_history(plain_async(habit), script)

    with capture_spans() as spans:
        ours, theirs = asyncio.run(both())
        assert ours == theirs
    assert len(spans) <= 1


@pytest.mark.usefixtures("quiet")
def test_what_a_generator_returns_reaches_yield_from(spans: list[ReadableSpan]) -> None:
    """`yield from` gets the return value, from a decorated and from a recorded generator."""
    decorated = llmtrace.chain(plain)

    def outer(made: Any) -> Generator[Any, Any, Any]:
        result = yield from made
        assert result == "returned"

    for made in (decorated("swallows"), recorded("swallows")):
        assert list(outer(made)) == ["first", ("got", None), ("then", None), "last"]
    assert [span.attributes["llmtrace.stream.outcome"] for span in spans] == ["complete", "complete"]


@pytest.mark.usefixtures("quiet")
def test_a_close_that_the_body_answers_by_returning_is_an_early_end(spans: list[ReadableSpan]) -> None:
    """A generator that catches GeneratorExit was abandoned all the same."""
    made = llmtrace.chain(plain)("returns")
    next(made)
    next(made)
    made.close()
    assert spans[0].attributes["llmtrace.stream.outcome"] == "abandoned"
    assert spans[0].status.is_unset
