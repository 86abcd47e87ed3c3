"""A decorated function looks and behaves as the function did: to inspect, to pickle, to classes, to frameworks."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import inspect
import pickle
import types
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, small_heap
from trees import parents

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]


def function(text: str, *rest: int, key: bool = True, **others: float) -> str:
    """A function."""
    return text


async def coroutine(text: str) -> str:
    """A coroutine function."""
    return text


def generator(text: str) -> Iterator[str]:
    """A generator function."""
    yield text


async def async_generator(text: str) -> AsyncIterator[str]:
    """An async generator function."""
    yield text


PLAIN: list[Callable[..., Any]] = [function, coroutine, generator, async_generator]
each = pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: plain.__name__)

LOOKS = (
    inspect.isfunction,
    inspect.isroutine,
    inspect.isbuiltin,
    inspect.ismethod,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    inspect.signature,
    inspect.getdoc,
    inspect.getsource,
    inspect.getsourcelines,
    inspect.getmodule,
    inspect.getfullargspec,
    inspect.getclosurevars,
    inspect.isawaitable,
    asyncio.iscoroutinefunction,
    typing.get_type_hints,
    callable,
    bool,
)


@each
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
def test_inspect_sees_the_function(plain: Callable[..., Any], look: Callable[[Any], Any]) -> None:
    """Whatever inspect says of the function, it says of the decorated one."""
    assert look(llmtrace.tool(plain)) == look(plain)


@each
def test_the_attributes_are_the_functions(plain: Callable[..., Any]) -> None:
    """Every attribute is the function's own; what is set on the one is set on the other."""
    decorated: Any = llmtrace.tool(plain)
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__code__"):
        assert getattr(decorated, name) == getattr(plain, name)
    assert decorated.__wrapped__ is plain
    assert inspect.unwrap(decorated) is plain
    assert isinstance(decorated, types.FunctionType)
    assert decorated == plain
    assert hash(decorated) == hash(plain)
    decorated.mark = "set"
    assert plain.mark == "set"  # type: ignore[attr-defined]
    del plain.mark  # type: ignore[attr-defined]


def test_what_is_returned_looks_as_it_did(spans: list[ReadableSpan]) -> None:
    """Coroutines and generators are true ones, under the function's name."""
    for plain, looks in (
        (coroutine, (inspect.iscoroutine, inspect.isawaitable)),
        (generator, (inspect.isgenerator,)),
        (async_generator, (inspect.isasyncgen,)),
    ):
        undecorated, decorated = plain("x"), llmtrace.tool(plain)("x")
        assert type(undecorated) is type(decorated)
        assert undecorated.__name__ == decorated.__name__
        assert undecorated.__qualname__ == decorated.__qualname__
        assert all(look(decorated) for look in looks)
        for made in (undecorated, decorated):
            if inspect.iscoroutine(made):
                made.close()


@types.coroutine
def awaitable_generator(text: str) -> Any:
    """A generator that can be awaited."""
    yield from asyncio.sleep(0).__await__()
    return text


def test_a_generator_that_can_be_awaited_still_can(spans: list[ReadableSpan]) -> None:
    """`types.coroutine` is kept: isawaitable, awaited, its result recorded."""
    made = llmtrace.tool(awaitable_generator)("x")
    assert inspect.isawaitable(made)
    made.close()

    async def main() -> None:
        assert await llmtrace.chain(awaitable_generator)("x") == "x"
        assert await llmtrace.chain(lambda: awaitable_generator("y"))() == "y"

    asyncio.run(main())
    assert [each.attributes["output.value"] for each in spans] == ["x", "y"]


# -- classes --------------------------------------------------------------------------------------------------------


@llmtrace.tool
def hooked() -> str:
    """A decorated function that is a default."""
    return "hooked"


@dataclasses.dataclass
class Owner:
    """Every way to put a decorated function into a class."""

    text: str = "x"
    hook: Callable[[], str] = hooked

    @llmtrace.tool
    def method(self, query: str = "q") -> str:
        """A method."""
        return f"{self.text}{query}"

    @llmtrace.tool
    @classmethod
    def class_method(cls, query: str = "q") -> str:
        """A class method, decorated above."""
        return f"{cls.__name__}{query}"

    @classmethod
    @llmtrace.tool
    def class_method_below(cls, query: str = "q") -> str:
        """One that is decorated below."""
        return f"{cls.__name__}{query}"

    @llmtrace.tool
    @staticmethod
    def static_method(query: str = "q") -> str:
        """A static method, decorated above."""
        return query

    @staticmethod
    @llmtrace.tool
    def static_method_below(query: str = "q") -> str:
        """One that is decorated below."""
        return query

    @property
    @llmtrace.tool
    def prop(self) -> str:
        """A property, decorated below."""
        return self.text

    @llmtrace.tool
    @property
    def prop_above(self) -> str:
        """One that is decorated above."""
        return self.text

    @functools.cached_property
    @llmtrace.tool
    def cached(self) -> str:
        """A cached one."""
        return self.text

    @llmtrace.tool
    def generator(self, query: str = "q") -> Iterator[str]:
        """A generator method."""
        yield from (self.text, query)

    @llmtrace.tool
    async def coroutine(self, query: str = "q") -> str:
        """A coroutine method."""
        return f"{self.text}{query}"

    @llmtrace.chain
    def calls_itself(self, depth: int) -> int:
        """A recursive method."""
        return depth and self.calls_itself(depth - 1)


class Child(Owner):
    """A subclass."""

    by_partial = functools.partialmethod(Owner.method, "z")

    def method(self, query: str = "q") -> str:
        """Calls its parent's."""
        return super().method(query) + "!"


NO_ARGUMENTS = '{"query":"z"}'


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (lambda: Owner().method("z"), "xz"),
        (lambda: Owner.method(Owner(), "z"), "xz"),
        (lambda: Child().method("z"), "xz!"),
        (lambda: Owner.class_method("z"), "Ownerz"),
        (lambda: Child.class_method("z"), "Childz"),
        (lambda: Child().class_method("z"), "Childz"),
        (lambda: Child.class_method_below("z"), "Childz"),
        (lambda: Owner().class_method_below("z"), "Ownerz"),
        (lambda: Owner.static_method("z"), "z"),
        (lambda: Owner().static_method("z"), "z"),
        (lambda: Owner.static_method_below("z"), "z"),
        (lambda: Owner().static_method_below("z"), "z"),
        (lambda: list(Owner().generator("z")), ["x", "z"]),
        (lambda: asyncio.run(Owner().coroutine("z")), "xz"),
        (lambda: functools.partial(Owner.method, Owner())("z"), "xz"),
        (lambda: Child().by_partial(), "xz"),
    ],
)
def test_methods_of_every_kind(spans: list[ReadableSpan], call: Callable[[], Any], result: Any) -> None:
    """They are bound as they were, and record what the caller wrote, without self and cls."""
    assert call() == result
    (found,) = spans
    assert found.attributes["input.value"] == NO_ARGUMENTS


@pytest.mark.parametrize("name", ["prop", "prop_above", "cached"])
def test_properties(spans: list[ReadableSpan], name: str) -> None:
    """A property stays one, above and below; it has no input."""
    assert getattr(Owner(), name) == "x"
    assert getattr(Owner, name).__doc__
    (found,) = spans
    assert found.name == f"tool.{name}"
    assert found.attributes["input.value"] == "{}"


def test_dataclasses_take_decorated_methods(spans: list[ReadableSpan]) -> None:
    """Fields, equality, replace and copies work; a decorated function may be a default."""
    owner = Owner("y")
    assert [each.name for each in dataclasses.fields(owner)] == ["text", "hook"]
    assert dataclasses.replace(owner) == copy.deepcopy(owner) == owner
    assert owner.hook() == "hooked"


def test_a_recursive_method_nests(spans: list[ReadableSpan]) -> None:
    """Each call is the child of the one before."""
    assert Owner().calls_itself(2) == 0
    first, second, third = reversed(spans)
    assert first.parent is None
    assert second.parent.span_id == first.context.span_id
    assert third.parent.span_id == second.context.span_id


def test_bound_methods_look_as_they_did() -> None:
    """Signature, name, __self__ and __func__ of a bound method."""
    bound: Any = Owner().method
    assert str(inspect.signature(bound)) == "(query: 'str' = 'q') -> 'str'"
    assert str(inspect.signature(Owner.method)) == "(self, query: 'str' = 'q') -> 'str'"
    assert inspect.ismethod(bound)
    assert bound.__name__ == "method"
    assert isinstance(bound.__self__, Owner)
    assert inspect.iscoroutinefunction(Owner().coroutine)
    assert inspect.isgeneratorfunction(Owner().generator)
    assert inspect.isfunction(Owner.static_method)


# -- pickle, copy, other decorators -------------------------------------------------------------------------------


@llmtrace.tool
def of_the_module(text: str) -> str:
    """A decorated function that can be found by its name."""
    return text * 2


def undecorated(text: str) -> str:
    """A function that is decorated under another name."""
    return text * 2


renamed = llmtrace.tool(undecorated)
partial = llmtrace.tool(functools.partial(undecorated, "z"))


def pickled(thing: Any) -> Any:
    """What comes out of a pickle of it."""
    return pickle.loads(pickle.dumps(thing))  # noqa: S301 - our own bytes


def test_pickling() -> None:
    """A decorated function of a module pickles as itself, a method as it did, another by what it is made of."""
    assert pickled(of_the_module) is of_the_module
    assert pickled(Owner.method) == Owner.method
    assert pickled(Owner("y").method)("z") == "yz"
    assert pickled(Owner.class_method)("z") == "Ownerz"
    assert pickled(renamed)("z") == "zz"
    assert pickled(partial)() == "zz"


def test_copying() -> None:
    """A copy of a decorated function is the function, as a copy of any function is."""
    assert copy.copy(of_the_module) is of_the_module
    assert copy.deepcopy({"tool": of_the_module})["tool"] is of_the_module


def test_another_process_can_call_it() -> None:
    """ProcessPoolExecutor takes a decorated function."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(of_the_module, "z").result() == "zz"


def test_other_decorators_work_above_and_below(spans: list[ReadableSpan]) -> None:
    """functools.wraps, lru_cache and singledispatch, on top of ours and under it."""
    cached = functools.lru_cache(llmtrace.tool(function))
    assert cached("a") == cached("a") == "a"
    assert len(spans) == 1
    below = llmtrace.tool(functools.lru_cache(function))
    assert below("a") == below("a") == "a"
    assert below.cache_info().hits == 1
    assert len(spans) == 3

    @functools.wraps(of_the_module)
    def outer(text: str) -> str:
        return of_the_module(text)

    assert inspect.signature(outer) == inspect.signature(of_the_module)
    assert outer("z") == "zz"
    dispatched = functools.singledispatch(llmtrace.tool(function))
    assert dispatched("a") == "a"


def test_two_decorators_of_ours_make_two_spans(spans: list[ReadableSpan]) -> None:
    """The outer one is the parent."""
    both = llmtrace.agent(name="outer")(llmtrace.chain(name="inner")(generator))
    assert list(both("x")) == ["x"]
    assert parents(spans) == {"inner": "outer", "outer": None}


@typing.overload
def overloaded(value: int) -> int: ...
@typing.overload
def overloaded(value: str) -> str: ...
@llmtrace.tool
def overloaded(value: int | str) -> int | str:
    """A function with overloads."""
    return value


def test_overloads_are_kept() -> None:
    """Typing finds the overloads of a decorated function."""
    assert len(typing.get_overloads(overloaded)) == 2
    assert overloaded("x") == "x"


def test_a_stream_looks_as_it_did(spans: list[ReadableSpan]) -> None:
    """record_stream gives what frameworks take for the stream: the same abilities, and no others."""
    from collections.abc import AsyncIterable, Generator, Iterable  # noqa: PLC0415 - only here

    with llmtrace.llm_span("m") as llm:
        sync = llm.record_stream(generator("x"))
        listed = llm.record_stream(["x"])
        asynchronous = llm.record_stream(async_generator("x"))
    assert isinstance(sync, Generator)
    assert inspect.isgenerator(sync)
    assert not isinstance(sync, AsyncIterable)
    assert isinstance(asynchronous, AsyncIterable)
    assert inspect.isasyncgen(asynchronous)
    assert not isinstance(asynchronous, Iterable)
    assert not hasattr(listed, "__next__")
    assert not hasattr(listed, "send")
    assert list(listed) == ["x"]
    assert repr(listed) == "['x']"
    assert not inspect.isawaitable(sync)


def test_a_call_that_was_not_waited_for_gives_the_stream_when_it_is(spans: list[ReadableSpan]) -> None:
    """`record_stream` of an async SDK's call, and the await around both: the stream is read, and recorded."""

    async def read() -> list[str]:
        with llmtrace.llm_span("m") as span:
            return [chunk async for chunk in await span.record_stream(call())]

    async def call() -> AsyncIterator[str]:
        return async_generator("a")

    assert asyncio.run(read()) == ["a"]
    assert dict(spans[0].attributes or {})["llmtrace.stream.outcome"] == "complete"
