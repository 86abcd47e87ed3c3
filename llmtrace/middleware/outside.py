"""What stands outside of us in a Starlette application, known by its shape: no framework is imported.

Starlette answers an unhandled exception, also through a handler of the application's own, outside of every middleware
that can be added; and a CORS middleware further out writes the list of exposed headers anew, and answers preflights.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial, wraps
from types import FrameType
from typing import Any, Final

from llmtrace.middleware.answer import EXPOSE, Answer, Send, exposing

ANSWER: Final = "llmtrace.answer"
"""The key in the scope under which the request's answer is found from outside."""
Around = Callable[[Any], Callable[..., Awaitable[None]]]
"""Stands around an application as we do."""

_DEEPEST: Final = 64
_SERVERS: Final = ("uvicorn", "hypercorn", "uvicorn_worker", "daphne", "granian", "nonecorn")


def reach(application: object, inside: object, around: Around) -> bool:
    """Prepare every layer of `application` that stands outside of `inside`.

    Args:
        application: the framework's.
        inside: our middleware.
        around: makes of an answer that is given further out one that our middleware stands around.

    Returns:
        Whether a handler of the application's own answers unhandled exceptions.
    """
    layer = getattr(application, "middleware_stack", None)
    has_handler = False
    for _ in range(_DEEPEST):
        if layer is None or layer is inside:
            break
        if callable(getattr(layer, "error_response", None)) and callable(getattr(layer, "debug_response", None)):
            _let_errors_carry_the_header(layer)
            has_handler = has_handler or getattr(layer, "handler", None) is not None
        simple = getattr(layer, "simple_headers", None)
        if isinstance(simple, dict) and EXPOSE in simple:
            simple[EXPOSE] = exposing(str(simple[EXPOSE]))
        if callable(preflight := getattr(layer, "preflight_response", None)) and not isinstance(preflight, partial):
            layer.preflight_response = partial(_answered, around, preflight)
        layer = getattr(layer, "app", None)
    return has_handler


def _answered(around: Around, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Awaitable[None]]:
    return around(make(*args, **kwargs))


def _let_errors_carry_the_header(layer: Any) -> None:
    for name in ("error_response", "debug_response", "handler"):
        make = getattr(layer, name, None)
        if callable(make) and not hasattr(make, "__llmtrace__"):
            setattr(layer, name, _marked(make))


def _marked(make: Callable[..., Any]) -> Callable[..., Any]:
    """A maker of answers whose answers carry the header; it stays what it was, a function or a coroutine function."""
    if inspect.iscoroutinefunction(make) or inspect.iscoroutinefunction(getattr(make, "__call__", None)):  # noqa: B004 - asked of a callable object

        async def marked_coroutine(request: Any, error: Exception) -> Any:
            return _with_header(await make(request, error), request)

        marked: Callable[..., Any] = marked_coroutine
    else:

        def marked_function(request: Any, error: Exception) -> Any:
            return _with_header(make(request, error), request)

        marked = marked_function
    marked.__llmtrace__ = True  # type: ignore[attr-defined]  # so that nothing is marked twice
    return wraps(make, updated=())(marked) if hasattr(make, "__name__") else marked


def _with_header(response: Any, request: Any) -> Any:
    answer = request.scope.get(ANSWER)
    if not isinstance(answer, Answer) or not callable(response):
        return response

    async def respond(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        await response(scope, receive, answer.sender(send))

    return respond


def next_is_the_server(frame: FrameType | None) -> bool:
    """Whether whoever called `frame`'s function is the server itself: nobody but us can answer any more."""
    caller = None if frame is None else frame.f_back
    if caller is None:
        return False
    return str(caller.f_globals.get("__name__", "")).partition(".")[0] in _SERVERS
