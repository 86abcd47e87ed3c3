"""One request through a bare ASGI application, and through the same behind each middleware: ours and the peers'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HEADERS = [
    (b"host", b"bot.example.org"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en"),
    (b"content-type", b"application/json"),
    (b"content-length", b"120"),
    (b"origin", b"https://bot.example.org"),
    (b"referer", b"https://bot.example.org/chat"),
    (b"cookie", b"sid=0123456789abcdef"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"x-forwarded-for", b"203.0.113.9"),
]
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
BODY = {"type": "http.response.body", "body": b"hello"}


async def bare(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI's signature
    """The application behind."""
    await send(START)
    await send(BODY)


async def receive() -> Any:
    """The request has no body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    """The client takes everything."""


def requests_to(app: Any) -> Callable[[], None]:
    """One request, driven without a loop: nobody waits for anybody."""

    def work() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/chat",
            "raw_path": b"/chat",
            "query_string": b"",
            "root_path": "",
            "headers": HEADERS,
            "client": ("203.0.113.9", 50_000),
            "server": ("127.0.0.1", 8000),
        }
        try:
            app(scope, receive, send).send(None)
        except StopIteration:
            return
        raise AssertionError

    return work


def ours() -> Any:
    """Our middleware, with tracing on."""
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415 - each in a process of its own

    import llmtrace  # noqa: PLC0415 - each in a process of its own
    from llmtrace import _provider  # noqa: PLC0415 - each in a process of its own
    from llmtrace.middleware import TraceIdMiddleware  # noqa: PLC0415 - each in a process of its own

    llmtrace.init_tracing("bench", endpoint="http://127.0.0.1:1", spool=False)
    _provider._own_provider._relay.target = SpanProcessor()  # noqa: SLF001 - the pipeline is what is not measured here
    return TraceIdMiddleware(bare)


def opentelemetry() -> Any:
    """OpenTelemetry's, with one span a request like ours: by default it makes three."""
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415 - each in a process of its own
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - each in a process of its own

    provider = TracerProvider(shutdown_on_exit=False)
    return OpenTelemetryMiddleware(bare, tracer_provider=provider, exclude_spans=["receive", "send"])


def correlation_id() -> Any:
    """Asgi-correlation-id, which makes no span."""
    from asgi_correlation_id import CorrelationIdMiddleware  # noqa: PLC0415 - each in a process of its own

    return CorrelationIdMiddleware(bare, transformer=lambda value: value)


def cases() -> dict[str, Callable[[], None]]:
    """A case for each application; what it needs is imported when it is asked for."""
    makers = {"bare": lambda: bare, "ours": ours, "opentelemetry": opentelemetry, "correlation-id": correlation_id}
    return {name: Lazy(make) for name, make in makers.items()}


class Lazy:
    """A case that is made at its first round."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._work: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Do one unit."""
        if self._work is None:
            self._work = requests_to(self._make())
        self._work()
