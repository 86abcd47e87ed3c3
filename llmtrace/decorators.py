"""The decorators, one for each span kind: bare (`@tool`) or with arguments (`@tool(name="search")`).

What the function is called with becomes the span's input, what it returns its output. The decorated function keeps its
signature, and a coroutine function stays one.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

import wrapt

from llmtrace._attributes import Attributes, put_messages, put_tools, put_value
from llmtrace._drive import drive, drive_async
from llmtrace._guard import guarded
from llmtrace._serialize import to_json, to_text
from llmtrace._span import NoopSpan, Span
from llmtrace._tracer import active
from llmtrace.semconv import trace as keys
from llmtrace.spans import SpanScope, scope

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is known about a decorated function before it is called."""

    kind: str
    name: str
    parameters: tuple[str, ...]
    description: str | None

    @classmethod
    def of(cls, kind: str, name: str | None, function: Any) -> _Plan:
        plain = getattr(function, "__func__", function)
        label = name or getattr(plain, "__name__", None) or type(plain).__name__
        return cls(kind, label, _parameters(plain), _first_line(plain) if kind == keys.KIND_TOOL else None)


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _parameters(function: Any) -> tuple[str, ...]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ()
    return tuple(name for name, parameter in signature.parameters.items() if parameter.kind in _POSITIONAL)


def _first_line(function: Any) -> str | None:
    doc = inspect.getdoc(function)
    return doc.strip().split("\n", 1)[0] if doc else None


def _named(plan: _Plan, instance: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments by name, without the `self` or `cls` that the user did not write."""
    names = plan.parameters
    if instance is not None and names and names[0] in ("self", "cls"):
        names = names[1:]
    named = dict(zip(names, args, strict=False))
    if len(args) > len(names):
        named["args"] = list(args[len(names) :])
    return {**named, **kwargs}


def _open(plan: _Plan, instance: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> SpanScope:
    into: Attributes = {}
    name = plan.name
    with guarded("recording input"):
        arguments = _named(plan, instance, args, kwargs)
        if plan.kind == keys.KIND_LLM:
            _put_llm_input(into, arguments)
        elif plan.kind == keys.KIND_TOOL:
            name = f"tool.{plan.name}"
            into[keys.TOOL_NAME] = plan.name
            if plan.description:
                into[keys.TOOL_DESCRIPTION] = plan.description
            put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, arguments)
            into[keys.TOOL_PARAMETERS] = into[keys.INPUT_VALUE]
        else:
            if plan.kind == keys.KIND_AGENT:
                into[keys.AGENT_NAME] = plan.name
            put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, _single_text(arguments))
    return scope(plan.kind, name, into)


def _single_text(arguments: dict[str, Any]) -> Any:
    """The one text that a function was given, as it is; several arguments as a dict."""
    if len(arguments) == 1:
        (only,) = arguments.values()
        if isinstance(only, str):
            return only
    return arguments


def _put_llm_input(into: Attributes, arguments: dict[str, Any]) -> None:
    """A function around a model call: `model`, `messages` or `prompt`, and `tools` are taken by their usual names."""
    rest = dict(arguments)
    model = rest.pop("model", None)
    if model is not None:
        into[keys.LLM_MODEL_NAME] = to_text(model)
    messages = rest.pop("messages", None)
    if messages is None:
        messages = rest.pop("prompt", None)
    if messages is None:
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, _single_text(rest))
        return
    put_messages(into, keys.LLM_INPUT_MESSAGES, messages)
    put_tools(into, rest.pop("tools", None))
    if rest:
        into[keys.LLM_INVOCATION_PARAMETERS] = to_json(rest)


def _record(plan: _Plan, span: Span | NoopSpan, result: object) -> None:
    if plan.kind == keys.KIND_RETRIEVER:
        span.record_documents(result)
    elif result is not None:
        span.record_output(result)


def _call(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    with _open(plan, instance, args, kwargs) as span:
        result = wrapped(*args, **kwargs)
        _record(plan, span, result)
        return result


def _call_coroutine(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(_run(plan, wrapped, instance, args, kwargs), wrapped)


async def _run(plan: _Plan, wrapped: Callable[..., Awaitable[Any]], instance: object, args: Any, kwargs: Any) -> Any:
    with _open(plan, instance, args, kwargs) as span:
        result = await wrapped(*args, **kwargs)
        _record(plan, span, result)
        return result


def _call_generator(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(drive(wrapped(*args, **kwargs), _open(plan, instance, args, kwargs).open), wrapped)


def _call_async_generator(plan: _Plan, wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
    return _renamed(drive_async(wrapped(*args, **kwargs), _open(plan, instance, args, kwargs).open), wrapped)


def _renamed(made: Any, function: Any) -> Any:
    """Name a coroutine or generator of ours after the user's function: that name stands in warnings and tracebacks."""
    made.__name__ = getattr(function, "__name__", made.__name__)
    made.__qualname__ = getattr(function, "__qualname__", made.__qualname__)
    return made


def _shape(function: Any) -> Callable[..., Any]:
    """How a function is called, chosen once, when it is decorated."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if inspect.isasyncgenfunction(plain):
        return _call_async_generator
    if inspect.isgeneratorfunction(plain):
        return _call_generator
    if inspect.iscoroutinefunction(plain):
        return _call_coroutine
    return _call


def _wrapper(plan: _Plan, function: Any) -> Callable[..., Any]:
    call = _shape(function)

    def wrapper(wrapped: Callable[..., Any], instance: object, args: Any, kwargs: Any) -> Any:
        if active.tracer is None:
            return wrapped(*args, **kwargs)
        return call(plan, wrapped, instance, args, kwargs)

    return wrapper


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
            plan = _Plan.of(self._kind, name, function)
            # To everybody who looks, the wrapper is the function: its type is the function's.
            return cast("F", wrapt.FunctionWrapper(function, _wrapper(plan, function)))

        return decorate if function is None else decorate(function)


agent = _Kind(keys.KIND_AGENT)
chain = _Kind(keys.KIND_CHAIN)
llm = _Kind(keys.KIND_LLM)
retrieval = _Kind(keys.KIND_RETRIEVER)
tool = _Kind(keys.KIND_TOOL)
