"""The decorators, one for each span kind: bare (`@tool`) or with arguments (`@tool(name="search")`).

What the function is called with becomes the span's input, what it returns its output. The decorated function keeps its
signature, and a coroutine function stays one.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar, cast, overload

import wrapt

from llmtrace._attributes import Attributes
from llmtrace._block import SpanScope, scope
from llmtrace._drive import Answer, Body, drive, drive_answer, drive_async, drive_coroutine
from llmtrace._guard import flattening
from llmtrace._inputs import put_arguments
from llmtrace._noop import NoopSpan
from llmtrace._span import Span
from llmtrace._tracer import active
from llmtrace.semconv import trace as keys

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is known about a decorated function before it is called."""

    kind: str
    name: str
    parameters: tuple[str, ...]
    rest: str
    """Under which name further positional arguments stand."""
    takes_self: bool
    """Whether the first parameter is an instance's or class's where it is called as a method."""
    description: str | None
    span_name: str

    @classmethod
    def of(cls, kind: str, name: str | None, function: Any) -> _Plan:
        plain = _plain(function)
        label = name or getattr(plain, "__name__", None) or type(plain).__name__
        parameters = _parameters(getattr(function, "__func__", function))
        positional = tuple(found.name for found in parameters if found.kind in _POSITIONAL)
        rest = next((found.name for found in parameters if found.kind is inspect.Parameter.VAR_POSITIONAL), "args")
        takes_self = isinstance(function, types.FunctionType | classmethod)
        description = _first_line(plain) if kind == keys.KIND_TOOL else None
        span_name = f"tool.{label}" if kind == keys.KIND_TOOL else label
        return cls(kind, label, positional, rest, takes_self, description, span_name)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(function: Any) -> Sequence[inspect.Parameter]:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return ()


def _first_line(function: Any) -> str | None:
    doc = inspect.getdoc(function)
    return doc.strip().split("\n", 1)[0] if doc else None


def _named(plan: _Plan, instance: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, without the `self` or `cls` that the user did not write."""
    names = plan.parameters
    if instance is not None and plan.takes_self:
        names = names[1:]
    elif names and names[0] == "self":  # called through a property
        names, args = names[1:], args[1:]
    named = dict(zip(names, args, strict=False))
    if len(args) > len(names):
        named[plan.rest] = list(args[len(names) :])
    return {**named, **kwargs}


def _open(plan: _Plan, instance: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> SpanScope:
    into: Attributes = {}
    with flattening("recording input"):
        put_arguments(into, plan.kind, plan.name, _named(plan, instance, args, kwargs), plan.description)
    return scope(plan.kind, plan.span_name, into)


def _recorded(plan: _Plan, span: Span | NoopSpan, result: Any) -> Any:
    """Record what a call returned, and return it: the same, or where it goes on by itself, what goes on in its place.

    A generator or coroutine object that nobody else holds is driven inside the span, which ends with it; the stream of
    a model call is recorded while it is read. Everything else is returned as it is, an iterator too.
    """
    if not isinstance(span, Span):
        return result
    if type(result) in _GOING_ON and sys.getrefcount(result) <= _OURS_ALONE:
        return _going_on(plan, span, result)
    if plan.kind == keys.KIND_LLM and _is_stream(result):
        return span.record_stream(result)
    if plan.kind in _FIND_DOCUMENTS:
        span.record_documents(result)
    elif result is not None:
        span.record_output(result)
    return result


_FIND_DOCUMENTS: Final = (keys.KIND_RETRIEVER, keys.KIND_RERANKER)
_GOING_ON: Final = frozenset({types.GeneratorType, types.AsyncGeneratorType, types.CoroutineType})
_OURS_ALONE: Final = 3
"""References to a result that only we hold: the caller's variable, ours, and the count's own."""


def _going_on(plan: _Plan, span: Span, result: Any) -> Any:
    made: Any
    if isinstance(result, types.CoroutineType):
        made = drive_answer(Answer(span, result), lambda value: _recorded(plan, span, value))
    elif isinstance(result, types.AsyncGeneratorType):
        made = drive_async(result, Body.of(span))
    elif result.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        made = drive_coroutine(result, Body.of(span, is_coroutine=True))
    else:
        made = drive(result, Body.of(span))
    return _renamed(made, result)


def _is_stream(value: object) -> bool:
    """Whether it is an iterator written in Python: an SDK's stream. One written in C is a file, a cursor, a map."""
    kind = type(value)
    step = getattr(kind, "__next__", None) or getattr(kind, "__anext__", None)
    return isinstance(step, types.FunctionType)


def _call(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    with _open(plan, instance, args, kwargs) as span:
        result = wrapped(*args, **kwargs)
        return _recorded(plan, span, result)


def _call_coroutine(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(_run(plan, wrapped, instance, args, kwargs), wrapped)


async def _run(plan: _Plan, wrapped: Callable[..., Awaitable[Any]], instance: object, args: Any, kwargs: Any) -> Any:
    with _open(plan, instance, args, kwargs) as span:
        result = await wrapped(*args, **kwargs)
        return _recorded(plan, span, result)


def _call_generator(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(drive(wrapped(*args, **kwargs), Body(_open(plan, instance, args, kwargs).open)), wrapped)


def _call_iterable_coroutine(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    body = Body(_open(plan, instance, args, kwargs).open, is_coroutine=True)
    return _renamed(drive_coroutine(wrapped(*args, **kwargs), body), wrapped)


def _call_async_generator(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(drive_async(wrapped(*args, **kwargs), Body(_open(plan, instance, args, kwargs).open)), wrapped)


def _renamed(made: Any, function: Any) -> Any:
    """Name a coroutine or generator of ours after the user's function: that name stands in warnings and tracebacks."""
    function = _plain(function)
    made.__name__ = getattr(function, "__name__", made.__name__)
    made.__qualname__ = getattr(function, "__qualname__", made.__qualname__)
    return made


def _plain(function: Any) -> Any:
    """What is behind functools.partial, staticmethod, classmethod and bound methods."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__func__"):
            function = function.__func__
        else:
            return function


def _shape(function: Any) -> Callable[..., Any]:
    """How a function is called, chosen once, when it is decorated.

    Only a function's own flags are believed. One that says by ``functools.wraps`` or a wrapper what it stands for may
    return something else: its results are looked at.
    """
    plain = _plain(function)
    flags = plain.__code__.co_flags if type(plain) is types.FunctionType else 0
    if flags & inspect.CO_ASYNC_GENERATOR:
        return _call_async_generator
    if flags & inspect.CO_ITERABLE_COROUTINE:
        return _call_iterable_coroutine
    if flags & inspect.CO_GENERATOR:
        return _call_generator
    if flags & inspect.CO_COROUTINE:
        return _call_coroutine
    return _call


def _wrapper(plan: _Plan, function: Any) -> Callable[..., Any]:
    call = _shape(function)

    def wrapper(wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
        if active.tracer is None:
            return wrapped(*args, **kwargs)
        return call(plan, wrapped, instance, args, kwargs)

    return wrapper


class _BoundDecorated(wrapt.BoundFunctionWrapper[..., Any]):
    """A decorated function bound to its instance or class."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        if isinstance(self.__wrapped__, types.FunctionType):
            return _found, (self.__module__, self.__qualname__)
        return self.__wrapped__.__reduce_ex__(protocol)

    def __copy__(self) -> _BoundDecorated:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> _BoundDecorated:
        return self


class _Decorated(wrapt.FunctionWrapper[..., Any]):
    """A decorated function: to everybody who looks the function itself, for copying and pickling too."""

    __bound_function_wrapper__ = _BoundDecorated

    def __init__(self, function: Any, kind: str, name: str | None) -> None:
        super().__init__(function, _wrapper(_Plan.of(kind, name, function), function))
        self._self_made_of = (function, kind, name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        with suppress(AttributeError, ImportError):
            if _found(self.__module__, self.__qualname__) is self:
                return self.__qualname__
        return _Decorated, self._self_made_of

    def __copy__(self) -> _Decorated:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> _Decorated:
        return self


def _found(module: str, name: str) -> Any:
    """What stands in a module under a qualified name, as pickle looks it up."""
    return functools.reduce(getattr, name.split("."), import_module(module))


def _decorated(function: Any, kind: str, name: str | None) -> Any:
    if isinstance(function, property):
        getter = None if function.fget is None else _decorated(function.fget, kind, name)
        return property(getter, function.fset, function.fdel, function.__doc__)
    if type(function) is functools.cached_property:
        return functools.cached_property(_decorated(function.func, kind, name))
    if type(function) is types.FunctionType and function.__name__ in _CLASS_METHODS:
        function = classmethod(function)
    return _Decorated(function, kind, name)


_CLASS_METHODS: Final = ("__init_subclass__", "__class_getitem__")
"""Of these Python itself makes class methods, where they are plain functions and not ours."""


class _Kind:
    """The decorator of one span kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    @overload
    def __call__(self, function: F, /) -> F: ...
    @overload
    def __call__(self, function: None = None, /, *, name: str | None = None) -> Callable[[F], F]: ...
    def __call__(self, function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
        def decorate(function: F) -> F:
            # To everybody who looks, the wrapper is the function: its type is the function's.
            return cast("F", _decorated(function, self._kind, name))

        return decorate if function is None else decorate(function)


agent = _Kind(keys.KIND_AGENT)
chain = _Kind(keys.KIND_CHAIN)
embedding = _Kind(keys.KIND_EMBEDDING)
evaluator = _Kind(keys.KIND_EVALUATOR)
guardrail = _Kind(keys.KIND_GUARDRAIL)
llm = _Kind(keys.KIND_LLM)
reranker = _Kind(keys.KIND_RERANKER)
retrieval = _Kind(keys.KIND_RETRIEVER)
tool = _Kind(keys.KIND_TOOL)
