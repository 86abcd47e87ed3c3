"""The span of one request, by OpenTelemetry's HTTP conventions.

Neither the query nor the client's address is recorded: the one may hold what was asked, the other says who did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.semconv.attributes import error_attributes as errors
from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.semconv.attributes import network_attributes as network
from opentelemetry.semconv.attributes import url_attributes as url
from opentelemetry.semconv.attributes import user_agent_attributes as user_agent
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace import Span as ApiSpan

from llmtrace._attributes import Attributes
from llmtrace._block import finish
from llmtrace._cancellation import is_cancellation
from llmtrace._guard import guarded
from llmtrace._noop import NoopSpan
from llmtrace._span import Span
from llmtrace._stream import Outcome
from llmtrace._tracer import active
from llmtrace.context import carried
from llmtrace.middleware.answer import Answer
from llmtrace.propagation import Scope
from llmtrace.semconv import trace as keys

_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE", "websocket"}
)
_FIRST_SERVER_ERROR: Final = 500
_IDS: Final = RandomIdGenerator()


def server_span(
    scope: Scope, headers: Mapping[bytes, bytes], context: Context, stranger: SpanContext | None
) -> Span | NoopSpan:
    """Start the span of a request below `context`; a caller who is not believed is linked.

    With tracing off it records nothing and has an id all the same: the answer and the logs name the request by it.
    """
    tracer = active.tracer
    if tracer is None:
        return NoopSpan(_fresh(get_current_span(context).get_span_context()))
    attributes: Attributes = {**carried(context), keys.SPAN_KIND: keys.KIND_CHAIN}
    name = method = str(scope.get("method", "websocket"))
    if method not in _METHODS:
        attributes[http.HTTP_REQUEST_METHOD_ORIGINAL] = method
        name, method = "HTTP", "_OTHER"
    with guarded("describing a request"):
        attributes[url.URL_PATH] = str(scope.get("path", ""))
        attributes[url.URL_SCHEME] = str(scope.get("scheme", ""))
        if "method" in scope:
            attributes[http.HTTP_REQUEST_METHOD] = method
        if version := scope.get("http_version"):
            attributes[network.NETWORK_PROTOCOL_VERSION] = str(version)
        if agent := headers.get(b"user-agent"):
            attributes[user_agent.USER_AGENT_ORIGINAL] = bytes(agent).decode("latin-1")
    links = () if stranger is None else (Link(stranger),)
    span = tracer.start(name, attributes, context, SpanKind.SERVER, links=links)
    if isinstance(span, Span):
        span.adopts = True
    return span


def _fresh(parent: SpanContext) -> SpanContext:
    trace_id = parent.trace_id if parent.is_valid else _IDS.generate_trace_id()
    return SpanContext(trace_id, _IDS.generate_span_id(), False, TraceFlags(TraceFlags.RANDOM_TRACE_ID))


def name_by_route(span: ApiSpan, scope: Scope, prefix: int) -> None:
    """Name the span by the route's template, known only after routing: a raw path would make a name for each id.

    `prefix` is the length of the path under which a proxy serves the application; what stands behind it is a mount.
    """
    template: Any = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        template = str(scope.get("root_path") or "")[prefix:] + template
        span.set_attribute(http.HTTP_ROUTE, template)
        span.update_name(f"{scope.get('method', 'websocket')} {template}")


def has_left(answer: Answer, error: BaseException | None) -> bool:
    """Whether the client went away before the end of the answer, which is no error of anybody's."""
    if not answer.is_started or answer.ended is not None or (answer.status or 0) >= _FIRST_SERVER_ERROR:
        return False
    return error is None or is_cancellation(error) or type(error).__name__ == "ClientDisconnect"


def note_end(span: ApiSpan, answer: Answer, error: BaseException | None) -> None:
    """Say how the request ended; a server error is an error, a client's is none."""
    if answer.status is not None:
        span.set_attribute(http.HTTP_RESPONSE_STATUS_CODE, answer.status)
        if answer.status >= _FIRST_SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute(errors.ERROR_TYPE, str(answer.status) if error is None else type(error).__name__)
    elif isinstance(error, Exception):
        span.set_attribute(errors.ERROR_TYPE, type(error).__name__)
    if answer.is_http and has_left(answer, error):
        span.set_attribute(keys.STREAM_OUTCOME, Outcome.ABANDONED.value)
        # OK is final: FastAPI's own telemetry would make an error of it, and so keep each such trace.
        span.set_status(StatusCode.OK)


def end(span: ApiSpan, answer: Answer, error: BaseException | None) -> None:
    """End the span of a request: with the last byte of its answer, however long background tasks went on."""
    if isinstance(span, Span | NoopSpan):
        is_error = not isinstance(error, Exception) or not has_left(answer, error)
        finish(span, error if is_error else None, answer.ended)
