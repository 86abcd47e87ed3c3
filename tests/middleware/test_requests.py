"""The span of a request: who asks, when it ends, what it is called; and what stays with tracing off."""

from __future__ import annotations

import asyncio
import logging

import pytest
from asgi_calls import answer_to, call, hello, http_scope, sent_header
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import llmtrace
from llmtrace.middleware import TraceIdMiddleware
from llmtrace.sampling import SamplingPolicy

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")


def user(scope):
    """The user whom a header names."""
    found = dict(scope["headers"]).get(b"x-user")
    return None if found is None else found.decode()


def session(scope):
    """The conversation that a header names."""
    found = dict(scope["headers"]).get(b"x-session")
    return None if found is None else found.decode()


async def asking(scope, receive, send):
    """An application with a span of its own."""
    with llmtrace.chain_span("inside"):
        pass
    await hello(scope, receive, send)


WHO = [(b"x-user", b"u-1"), (b"x-session", b"s-1")]


def test_user_and_session_are_on_every_span_of_the_request(spans):
    """On the request's own and on those inside."""
    call(TraceIdMiddleware(asking, user=user, session=session), WHO)
    assert [span.name for span in spans] == ["inside", "GET"]
    for span in spans:
        assert (span.attributes["user.id"], span.attributes["session.id"]) == ("u-1", "s-1")


def test_what_is_not_known_is_not_made_up(spans):
    """None is no user."""
    call(TraceIdMiddleware(asking, user=user, session=session), WHO[1:])
    for span in spans:
        assert "user.id" not in span.attributes
        assert span.attributes["session.id"] == "s-1"


def test_a_user_who_is_known_after_authentication_is_on_the_request(spans):
    """The callable is asked again at the end."""

    async def authenticating(scope, receive, send):
        scope["user"] = "u-2"
        await hello(scope, receive, send)

    call(TraceIdMiddleware(authenticating, user=lambda scope: scope.get("user")))
    assert spans[0].attributes["user.id"] == "u-2"


def test_a_callable_that_fails_costs_nothing(spans, lenient):
    """The request is answered and recorded."""
    app = TraceIdMiddleware(hello, user=lambda scope: scope["nothing"])
    assert sent_header(call(app), b"x-trace-id")
    assert len(spans) == 1


def test_a_joined_span_of_another_provider_has_them_too(spans):
    """Where OpenTelemetry's instrumentation has begun the request."""
    provider = TracerProvider()
    app = TraceIdMiddleware(hello, user=user, session=session)

    async def instrumented(scope, receive, send):
        with provider.get_tracer("asgi").start_as_current_span("theirs", kind=SpanKind.SERVER) as span:
            await app(scope, receive, send)
            seen.append(dict(span.attributes))

    seen = []
    call(instrumented, WHO)
    assert seen == [{"user.id": "u-1", "session.id": "s-1"}]
    provider.shutdown()


def test_keep_forces_a_trace(start, sink):
    """Of many boring requests under a policy that keeps none, the one that is asked for; also where it is joined."""
    start(sampling=SamplingPolicy(ratio=0.0))
    app = TraceIdMiddleware(asking, keep=lambda scope: scope["path"] == "/wanted")
    for number in range(20):
        call(app, path="/wanted" if number == 7 else "/boring")
    framework = FastAPI()
    framework.add_middleware(TraceIdMiddleware, keep=lambda scope: scope["path"] == "/wanted")
    call(framework, path="/wanted")
    call(framework, path="/boring")
    assert llmtrace.flush(10)
    assert [span.attributes["url.path"] for span in sink.spans if span.kind == 2] == ["/wanted", "/wanted"]
    assert [span.attributes.get("llmtrace.keep.reason") for span in sink.spans if span.kind == 2] == ["request"] * 2
    assert "inside" in sink.names


def test_a_keep_that_fails_keeps_nothing_and_costs_nothing(spans, lenient):
    """The request is answered."""
    app = TraceIdMiddleware(hello, keep=lambda scope: scope["nothing"])
    assert sent_header(call(app), b"x-trace-id")


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9"])
def test_a_caller_who_has_kept_the_trace_is_believed_where_he_is_trusted(start, sink, peer):
    """His word in the trace state forces a keep; a stranger's forces nothing."""
    start(sampling=SamplingPolicy(ratio=0.0))
    kept = [
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"tracestate", b"llmtrace=k:error"),
    ]
    call(TraceIdMiddleware(hello), kept, client=(peer, 1))
    assert llmtrace.flush(10)
    assert len(sink.spans) == (1 if peer == "127.0.0.1" else 0)


def test_the_span_ends_with_the_answer_and_background_tasks_belong_to_it(spans):
    """What goes on after the last byte is below the request, and not part of its duration."""

    async def later():
        await asyncio.sleep(0.05)
        with llmtrace.chain_span("later"):
            pass

    async def quick(request):
        return PlainTextResponse("done", background=BackgroundTask(later))

    app = Starlette(routes=[Route("/", quick)])
    app.add_middleware(TraceIdMiddleware)
    call(app)
    background, request = spans
    assert background.parent.span_id == request.context.span_id
    assert request.end_time < background.start_time
    assert request.end_time - request.start_time < 50_000_000


def test_a_background_task_that_fails_makes_the_request_an_error(spans):
    """Its exception is recorded on the request, which was answered with 200."""

    def failing():
        raise KeyError

    async def quick(request):
        return PlainTextResponse("done", background=BackgroundTask(failing))

    app = Starlette(routes=[Route("/", quick)])
    app.add_middleware(TraceIdMiddleware)
    with pytest.raises(KeyError):
        call(app)
    assert spans[0].status.status_code is StatusCode.ERROR
    assert spans[0].attributes["http.response.status_code"] == 200


def test_the_conventions_of_http(spans):
    """Method, path, scheme, version and program; neither the query nor the client's address."""
    headers = [(b"user-agent", b"curl/8"), (b"authorization", b"Bearer s3cret"), (b"cookie", b"sid=s3cret")]
    call(TraceIdMiddleware(hello), headers, "/ask", query_string=b"q=s3cret", client=("203.0.113.9", 1))
    (span,) = spans
    assert dict(span.attributes) == {
        "openinference.span.kind": "CHAIN",
        "url.path": "/ask",
        "url.scheme": "http",
        "http.request.method": "GET",
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "http.response.status_code": 200,
    }


def test_an_unknown_method_makes_no_name(spans):
    """Whatever a client writes there: as OpenTelemetry's conventions say."""
    call(TraceIdMiddleware(hello), method="BREW")
    assert spans[0].name == "HTTP"
    assert spans[0].attributes["http.request.method"] == "_OTHER"
    assert spans[0].attributes["http.request.method_original"] == "BREW"


def test_with_tracing_off_each_request_has_a_fresh_id_also_in_its_logs(start):
    """The answer names the request, `current_trace_id` and so the logs name the same, and nothing is recorded."""
    start(sampling="off")
    seen = []

    async def app(scope, receive, send):
        with llmtrace.chain_span("inside") as span:
            seen.append((llmtrace.current_trace_id().encode(), span.is_recording()))
        await hello(scope, receive, send)

    answered = [sent_header(call(TraceIdMiddleware(app)), b"x-trace-id") for _ in range(3)]
    assert [[header] for header, _ in seen] == answered
    assert len({header for header, _ in seen}) == 3
    assert all(len(header) == 32 for header, _ in seen)
    assert not any(recording for _, recording in seen)


def test_after_shutdown_there_is_no_header(start):
    """As without `init_tracing`."""
    start(sampling="off")
    llmtrace.shutdown()
    assert sent_header(call(TraceIdMiddleware(hello)), b"x-trace-id") == []


def test_a_failing_handshake_is_no_error_of_ours(spans, caplog):
    """A websocket that the application refuses."""

    async def refusing(scope, receive, send):
        await send({"type": "websocket.close", "code": 1008})

    scope = http_scope() | {"type": "websocket", "scheme": "ws"}
    del scope["method"]
    with caplog.at_level(logging.WARNING):
        asyncio.run(answer_to(TraceIdMiddleware(refusing), scope))
    assert caplog.records == []
    assert spans[0].name == "websocket"


def test_a_refused_handshake_with_an_answer_carries_the_header(spans):
    """The extension by which a websocket is refused with an HTTP answer."""

    async def refusing(scope, receive, send):
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b""})

    scope = http_scope() | {"type": "websocket", "scheme": "ws"}
    sent = asyncio.run(answer_to(TraceIdMiddleware(refusing), scope))
    assert len(sent_header(sent, b"x-trace-id")) == 1
    assert spans[0].attributes["http.response.status_code"] == 401
