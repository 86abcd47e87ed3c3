"""ASGI middleware: a server span around each request, and its trace id on the answer, as ``X-Trace-Id``.

Pure ASGI, no framework import: `app.add_middleware(TraceIdMiddleware)` in FastAPI and Starlette, or
`app = TraceIdMiddleware(app)` around any ASGI application. Where OpenTelemetry's instrumentation, or FastAPI's own, has
begun a server span already, the request joins it. Otherwise each request begins a trace of its own: the client's trace
headers are not believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.semconv.attributes import url_attributes as url
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

from llmtrace import _scope
from llmtrace._attributes import Attributes
from llmtrace._block import finish, start_span
from llmtrace._guard import guarded
from llmtrace._span import NoopSpan, Span, with_span
from llmtrace._tracer import active
from llmtrace.semconv import trace as keys

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER: Final = b"x-trace-id"
_FIRST_SERVER_ERROR: Final = 500


class TraceIdMiddleware:
    """Puts the id of the request's trace on its answer, also on streams and websocket handshakes.

    Args:
        app: the ASGI application behind.
    """

    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket") or active.tracer is None:
            await self.app(scope, receive, send)
            return
        present = get_current_span()
        if getattr(present, "kind", None) is SpanKind.SERVER and present.is_recording():
            if isinstance(present, Span):
                present.adopts = True
                present.set_attribute(keys.SPAN_KIND, keys.KIND_CHAIN)
            await self.app(scope, receive, _with_header(present, send))
        else:
            await self._serve_in_span(scope, receive, send)

    async def _serve_in_span(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = _server_span(scope)
        prefix = len(scope.get("root_path") or "")
        token = _scope.attach(with_span(span, _scope.current()))
        error: BaseException | None = None
        try:
            await self.app(scope, receive, _with_header(span, send))
        except BaseException as raised:
            error = raised
            raise
        finally:
            _scope.detach(token)
            with guarded("naming a request"):
                _name_by_route(span, scope, prefix)
            finish(span, error)


def _server_span(scope: Scope) -> Span | NoopSpan:
    """The span of this request, below a span of this process where one is current."""
    attributes: Attributes = {keys.SPAN_KIND: keys.KIND_CHAIN}
    name = str(scope.get("method", "websocket"))
    with guarded("describing a request"):
        attributes[url.URL_PATH] = str(scope.get("path", ""))
        attributes[url.URL_SCHEME] = str(scope.get("scheme", ""))
        if "method" in scope:
            attributes[http.HTTP_REQUEST_METHOD] = name
    span = start_span(name, attributes, _scope.current(), SpanKind.SERVER)
    if isinstance(span, Span):
        span.adopts = True
    return span


def _name_by_route(span: ApiSpan, scope: Scope, prefix: int) -> None:
    """Name the span by the route's template, known only after routing: a raw path would make a name for each id.

    `prefix` is the length of the path under which a proxy serves the application; what stands behind it is a mount.
    """
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        template = str(scope.get("root_path") or "")[prefix:] + template
        span.set_attribute(http.HTTP_ROUTE, template)
        span.update_name(f"{scope.get('method', 'websocket')} {template}")


def _with_header(span: ApiSpan, send: Send) -> Send:
    trace_id = f"{span.get_span_context().trace_id:032x}".encode()

    async def send_with_header(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            others = [pair for pair in message.get("headers") or () if bytes(pair[0]).lower() != HEADER]
            message = {**message, "headers": [*others, (HEADER, trace_id)]}
            _note_status(span, message.get("status"))
        await send(message)

    return send_with_header


def _note_status(span: ApiSpan, status: object) -> None:
    if isinstance(status, int):
        span.set_attribute(http.HTTP_RESPONSE_STATUS_CODE, status)
        if status >= _FIRST_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
