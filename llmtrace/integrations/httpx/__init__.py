"""Model calls seen on httpx and httpx2, whoever makes them: raw clients, gateways, the vendors' own SDKs.

    llmtrace.init_tracing(auto_instrument=["httpx"])     # or, later:
    llmtrace.integrations.httpx.instrument_httpx()

Only requests that look like a model call are recorded; every other request passes untouched. Where a span of the same
call is there already, a recorder's or an instrumentor's, there is no second one. A library is patched when it is
imported, never imported on its behalf.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

from opentelemetry.trace import TracerProvider
from wrapt import register_post_import_hook, wrap_function_wrapper

from llmtrace import _scope
from llmtrace._guard import guarded
from llmtrace._tracer import active
from llmtrace.integrations.httpx.calls import ModelCall, begun, retries
from llmtrace.propagation import allow

_LIBRARIES: Final = ("httpx", "httpx2")
_MARK: Final = "__llmtrace_patched__"


class _Switch:
    """Whether calls are looked at. The patch itself stays: what others have wrapped around it cannot be undone."""

    is_on = False
    is_hooked = False


def instrument_httpx(*, propagate_to: Iterable[str] | None = None) -> None:
    """Record the model calls that are made through httpx and httpx2 from now on.

    Args:
        propagate_to: the hosts that may see ``traceparent``, such as "gateway.example.org" or "*.internal". None:
            of model calls those on this machine and in private networks, and of other requests nothing is decided
            here. Where given, it counts for every request. Baggage never goes along with a model call.
    """
    allow(propagate_to)
    _Switch.is_on = True
    if not _Switch.is_hooked:
        _Switch.is_hooked = True
        active.settling.add(retries.settle)
        for library in _LIBRARIES:
            register_post_import_hook(_patch, library)


def uninstrument_httpx() -> None:
    """Record no more of them."""
    _Switch.is_on = False
    allow(None)
    retries.settle()


class HttpxInstrumentor:
    """The same in the shape of OpenTelemetry's instrumentors, for `auto_instrument`."""

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether it is on."""
        return _Switch.is_on

    def instrument(self, *, tracer_provider: TracerProvider) -> None:  # noqa: ARG002 - spans go to the tracer in use
        """Switch it on."""
        instrument_httpx()

    def uninstrument(self) -> None:
        """Switch it off."""
        uninstrument_httpx()


def _patch(module: ModuleType) -> None:
    for cls, wrapper in (("Client", _send), ("AsyncClient", _asend)):
        client = getattr(module, cls)
        if _MARK not in vars(client):  # httpx2 may stand under httpx's name
            wrap_function_wrapper(client, "send", wrapper)
            setattr(client, _MARK, True)


def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModelCall | None:
    if _Switch.is_on:
        with guarded("looking at a request"):
            return begun(args[0] if args else kwargs["request"])
    return None


def _send(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    call = _begin(args, kwargs)
    if call is None:
        return wrapped(*args, **kwargs)
    token = _scope.attach(call.context)
    try:
        response = wrapped(*args, **kwargs)
    except BaseException as error:
        call.raised(error)
        raise
    finally:
        _scope.detach(token)
    call.answered(response, is_stream=bool(kwargs.get("stream")))
    return response


async def _asend(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    call = _begin(args, kwargs)
    if call is None:
        return await wrapped(*args, **kwargs)
    token = _scope.attach(call.context)
    try:
        response = await wrapped(*args, **kwargs)
    except BaseException as error:
        call.raised(error)
        raise
    finally:
        _scope.detach(token)
    call.answered(response, is_stream=bool(kwargs.get("stream")))
    return response
