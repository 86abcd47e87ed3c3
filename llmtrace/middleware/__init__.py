"""ASGI middleware: a server span around each request, and its trace id on the answer, as ``X-Trace-Id``.

Pure ASGI, no framework import: `app.add_middleware(TraceIdMiddleware)` in FastAPI and Starlette, or
`app = TraceIdMiddleware(app)` around any ASGI application. Where OpenTelemetry's instrumentation has begun a server
span already, the request joins it. The client's trace headers count only where the client is trusted.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from types import FrameType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanContext, SpanKind, get_current_span
from opentelemetry.trace import Span as ApiSpan

from llmtrace import _scope
from llmtrace._guard import guarded
from llmtrace._noop import NoopSpan
from llmtrace._recent import recent
from llmtrace._span import Span, with_span
from llmtrace._tracer import active
from llmtrace.context import with_values
from llmtrace.middleware.answer import Answer, Message, Send
from llmtrace.middleware.outside import ANSWER, next_is_the_server, reach
from llmtrace.middleware.request import end, name_by_route, note_end, server_span
from llmtrace.propagation import CONNECTIONS, Scope, Trust, caller, install, installed, trust_rule
from llmtrace.semconv import trace as keys

Receive = Callable[[], Awaitable[Message]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Names = Callable[[Scope], str | None]
"""Says of a request who asks, or in which conversation; None: it cannot be said."""

_INTERNAL_ERROR: Final = 500


class TraceIdMiddleware:
    """Puts the id of the request's trace on its answer, also on errors, streams and websocket handshakes.

    Args:
        app: the ASGI application behind.
        trust: whose trace headers count: None, loopback and private peers unless the request came through an edge
            (Forwarded, X-Forwarded-For or Via is there); "all"; "none"; a list of networks of peers, by the same rule;
            or a callable that is given the scope. One rule counts in a process: that of the last middleware made.
        user: a callable that is given the scope and names the user: on the request's spans, as by `using`. Where it
            knows none yet it is asked again at the end, when authentication has run.
        session: the same for the conversation.
        keep: a callable that is given the scope: where it says True the trace is kept, whatever the sampling.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        trust: Trust | None = None,
        user: Names | None = None,
        session: Names | None = None,
        keep: Callable[[Scope], bool] | None = None,
    ) -> None:
        self.app = app
        self._names = {keys.USER_ID: user, keys.SESSION_ID: session}
        self._keep = keep
        self._has_reached = False
        self._is_answered_by_handler = False
        install(trust_rule(trust))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        self._reach(scope)
        if scope["type"] not in CONNECTIONS or not active.has_started:
            installed()  # before the first request
            await self.app(scope, receive, send)
            return
        headers = {bytes(name).lower(): value for name, value in scope.get("headers") or ()}
        who = self._who(scope)
        prefix = len(scope.get("root_path") or "")
        span, context, is_ours = _begin(scope, headers, who)
        if self._keep is not None:
            with guarded("asking whether to keep a trace"):
                if self._keep(scope):
                    _force(span)
        answer = Answer(span.get_span_context().trace_id, is_from_elsewhere=b"origin" in headers)
        answer.is_http = scope["type"] == "http"
        scope[ANSWER] = answer
        recent.add(span.get_span_context().trace_id)
        error: BaseException | None = None
        token = _scope.attach(context)
        try:
            await self.app(scope, receive, answer.sender(send))
        except BaseException as raised:
            error = raised
            if answer.is_http and not answer.is_started and isinstance(raised, Exception):
                await self._answer_for(sys._getframe(), answer, send)  # noqa: SLF001 - who has called us?
            raise
        finally:
            _scope.detach(token)
            with guarded("describing a request"):
                if len(who) < len(self._names):
                    _put(span, self._who(scope))
                if is_ours:
                    name_by_route(span, scope, prefix)
                if is_ours or isinstance(span, Span):
                    note_end(span, answer, error)
            if is_ours:
                end(span, answer, error)

    def _reach(self, scope: Scope) -> None:
        if not self._has_reached and "app" in scope:
            self._has_reached = True
            with guarded("reaching what stands outside of the middleware"):
                self._is_answered_by_handler = reach(scope["app"], self, self._around)

    def _around(self, app: AsgiApp) -> TraceIdMiddleware:
        """The same middleware around something else."""
        twin = copy(self)
        twin.app = app
        return twin

    async def _answer_for(self, frame: FrameType, answer: Answer, send: Send) -> None:
        """See to the answer after an exception: whoever stands outside of us gives it, or else we do."""
        if next_is_the_server(frame):
            await answer.apologise(send)
        elif not self._is_answered_by_handler:
            answer.status = _INTERNAL_ERROR

    def _who(self, scope: Scope) -> dict[str, str]:
        """User and session, as far as they can be told."""
        found: dict[str, str] = {}
        for key, ask in self._names.items():
            with guarded("asking who makes a request"):
                named = None if ask is None else ask(scope)
                if named is not None:
                    found[key] = str(named)
        return found


def _begin(scope: Scope, headers: Mapping[bytes, bytes], who: Mapping[str, str]) -> tuple[ApiSpan, Context, bool]:
    """The span of a request, the context to serve it in, and whether the span is ours to end."""
    context = _scope.here()
    found = caller(scope, headers, context)
    context = found.context
    if who:
        context = with_values(context, user_id=who.get(keys.USER_ID), session_id=who.get(keys.SESSION_ID))
    present = get_current_span(context)
    if _is_of(present, found.stranger):
        context = with_span(INVALID_SPAN, context)  # somebody further out has believed a stranger
    elif getattr(present, "kind", None) is SpanKind.SERVER and present.is_recording():
        _join(present, found.stranger, who)
        return present, context, False
    span = server_span(scope, headers, context, found.stranger)
    return span, with_span(span, context), True


def _is_of(span: ApiSpan, stranger: SpanContext | None) -> bool:
    return stranger is not None and span.get_span_context().trace_id == stranger.trace_id


def _join(span: ApiSpan, stranger: SpanContext | None, who: Mapping[str, str]) -> None:
    if stranger is not None:
        span.add_link(stranger)
    if isinstance(span, Span):
        span.adopts = True
        span.set_attribute(keys.SPAN_KIND, keys.KIND_CHAIN)
    _put(span, who)


def _put(span: ApiSpan, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        span.set_attribute(key, value)


def _force(span: ApiSpan) -> None:
    if isinstance(span, Span | NoopSpan):
        span.keep("request")
    else:
        span.set_attribute(keys.KEEP, True)
