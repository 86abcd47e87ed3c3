"""The id on the answers that nobody planned: unhandled exceptions, and the handlers that answer them further out."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from asgi_calls import answer_to, call, http_scope, sent_header
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")


class Boom(Exception):  # noqa: N818 - what applications raise
    """What the application does not handle."""


def failing_app(kind=FastAPI, **settings):
    """An application whose only answer is an exception, with the middleware added as the documentation says."""

    async def boom(request=None):
        raise Boom

    app = kind(**settings)
    app.add_middleware(TraceIdMiddleware)
    app.router.routes.append(Route("/boom", boom))
    return app


def failed(app, path="/boom", headers=(), scope=None):
    """What is sent where the application raises; the exception itself goes on to the server."""
    sent = []

    async def run():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(dict(message))

        await app(scope or http_scope(path, headers), receive, send)

    with pytest.raises(Boom):
        asyncio.run(run())
    return sent


def trace_id(span) -> bytes:
    """The span's trace id, as the header has it."""
    return format(span.context.trace_id, "032x").encode()


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unhandled_exception_carries_the_header(spans, kind, debug):
    """On Starlette's own 500, which is made outside of every middleware, also by the very first request."""
    app = failing_app(kind, debug=debug)
    for _ in range(2):
        sent = failed(app)
        assert sent[0]["status"] == 500
        assert sent_header(sent, b"x-trace-id") == [trace_id(spans[-1])]
    for span in spans:
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["http.response.status_code"] == 500
        assert span.attributes["error.type"] == "Boom"
        assert span.events[0].attributes["exception.type"].endswith("Boom")


@pytest.mark.parametrize("shape", ["function", "coroutine", "object", "async object"])
@pytest.mark.parametrize("key", [500, Exception])
def test_a_handler_of_the_applications_own_answers_with_the_header(spans, shape, key):
    """It is called once, as it was: its answer, its status, its headers; ours is added."""
    calls = []

    def handler(request, error):
        calls.append((type(error), request.url.path))
        return JSONResponse({"sorry": True}, 503, headers={"x-own": "1"})

    async def coroutine(request, error):
        return handler(request, error)

    class Object:
        def __call__(self, request, error):
            return handler(request, error)

    class AsyncObject:
        async def __call__(self, request, error):
            return handler(request, error)

    made = {"function": handler, "coroutine": coroutine, "object": Object(), "async object": AsyncObject()}[shape]
    app = failing_app()
    app.add_exception_handler(key, made)
    sent = failed(app)
    assert (sent[0]["status"], sent[1]["body"]) == (503, b'{"sorry":true}')
    assert sent_header(sent, b"x-trace-id") == [trace_id(spans[-1])]
    assert sent_header(sent, b"x-own") == [b"1"]
    assert calls == [(Boom, "/boom")]
    assert "http.response.status_code" not in spans[-1].attributes  # the handler's to choose, after the span


def test_requests_at_once_have_each_their_own_id_on_the_500(spans):
    """The handler that all requests share marks each answer with the id of its own request."""
    app = failing_app()

    async def one():
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            await asyncio.sleep(0)
            sent.append(dict(message))

        with suppress(Boom):
            await app(http_scope("/boom"), receive, send)
        return sent_header(sent, b"x-trace-id")

    async def run():
        return await asyncio.gather(*(one() for _ in range(20)))

    answered = asyncio.run(run())
    assert sorted(answered) == sorted([trace_id(span)] for span in spans)
    assert len({tuple(header) for header in answered}) == 20


def test_under_opentelemetrys_instrumentation_too(spans):
    """Its server span is joined, and its own layers of error handling carry the id."""
    app = failing_app()
    FastAPIInstrumentor.instrument_app(app, tracer_provider=llmtrace.get_tracer()._source)
    try:
        sent = failed(app)
    finally:
        FastAPIInstrumentor.uninstrument_app(app)
    (server,) = [span for span in spans if span.kind.name == "SERVER"]
    assert sent_header(sent, b"x-trace-id") == [trace_id(server)]


def test_behind_a_base_http_middleware(spans):
    """Starlette's BaseHTTPMiddleware runs what is behind it in a task of its own: outside of ours and inside."""

    async def passing(request, call_next):
        return await call_next(request)

    async def ask(request):
        return JSONResponse({"trace": llmtrace.current_trace_id()})

    for outer_first in (True, False):
        app = failing_app()
        app.router.routes.append(Route("/ask", ask))
        if outer_first:
            app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
        else:
            app.user_middleware.append(app.user_middleware.pop())
            app.user_middleware.insert(1, type(app.user_middleware[0])(BaseHTTPMiddleware, dispatch=passing))
        sent = call(app, path="/ask")
        (header,) = sent_header(sent, b"x-trace-id")
        assert header == trace_id(spans[-1])
        assert header in sent[1]["body"]
        assert sent_header(failed(app), b"x-trace-id") == [trace_id(spans[-1])]


def test_a_stream_that_fails_in_the_middle_has_carried_the_header(spans):
    """And its span is an error, with the status that went out."""

    async def pieces():
        yield b"first"
        raise Boom

    async def stream(request):
        return StreamingResponse(pieces())

    app = failing_app(Starlette)
    app.router.routes.append(Route("/stream", stream))
    sent = failed(app, "/stream")
    assert sent_header(sent, b"x-trace-id") == [trace_id(spans[0])]
    assert spans[0].status.status_code is StatusCode.ERROR
    assert spans[0].attributes["http.response.status_code"] == 200


def test_an_error_that_another_layer_answers_is_left_to_it(spans):
    """Whoever stands outside of ours and is no server catches what he catches; ours adds no answer before him."""
    inner = TraceIdMiddleware(failing)

    async def catching(scope, receive, send):
        with suppress(Boom):
            await inner(scope, receive, send)

    assert asyncio.run(answer_to(catching, http_scope())) == []


async def failing(scope, receive, send):
    """A bare application that fails before it answers."""
    raise Boom


# Pages of another origin.

ORIGIN = [(b"origin", b"https://app.example.org")]


async def exposing(scope, receive, send):
    """An application that exposes headers of its own, in two lines."""
    headers = [(b"access-control-expose-headers", b"X-One, X-Two"), (b"Access-Control-Expose-Headers", b"X-Three")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def test_the_list_of_exposed_headers_is_merged_and_not_doubled(spans):
    """One list, with ours at its end; a page of the same origin needs none."""
    app = TraceIdMiddleware(exposing)
    assert sent_header(call(app, ORIGIN), b"access-control-expose-headers") == [b"X-One, X-Two, X-Three, X-Trace-Id"]
    twice = TraceIdMiddleware(app)
    assert sent_header(call(twice, ORIGIN), b"access-control-expose-headers") == [b"X-One, X-Two, X-Three, X-Trace-Id"]
    assert len(sent_header(call(app), b"access-control-expose-headers")) == 2


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("exposed", [(), ("X-One",), ("x-trace-id",)])
@pytest.mark.parametrize("path", ["/nowhere", "/boom"])
def test_with_starlettes_cors_middleware(spans, outside, exposed, path):
    """Whichever of the two stands outside: one list, and X-Trace-Id once in it."""
    app = failing_app()
    app.user_middleware.clear()
    for layer in (TraceIdMiddleware, CORSMiddleware) if outside else (CORSMiddleware, TraceIdMiddleware):
        settings = {"allow_origins": ["*"], "expose_headers": exposed} if layer is CORSMiddleware else {}
        app.add_middleware(layer, **settings)
    sent = failed(app, path, ORIGIN) if path == "/boom" else call(app, ORIGIN, path)
    (listed,) = sent_header(sent, b"access-control-expose-headers")
    names = [name.strip().lower() for name in listed.split(b",")]
    assert names.count(b"x-trace-id") == 1
    if path == "/nowhere":  # a 500 is answered outside of the CORS middleware
        assert set(names) == {b"x-trace-id", *(name.lower().encode() for name in exposed)}


@pytest.mark.parametrize("origin", [b"https://page.example", b"https://elsewhere.example"])
def test_a_preflight_that_is_answered_outside_carries_the_header(spans, origin):
    """A CORS middleware further out answers it by itself, good or bad: its id is that of a span of ours."""
    app = FastAPI()
    app.add_middleware(TraceIdMiddleware)
    app.add_middleware(CORSMiddleware, allow_origins=["https://page.example"], allow_methods=["POST"])
    call(app, path="/nowhere")  # under a server it is the lifespan that comes first
    headers = [(b"origin", origin), (b"access-control-request-method", b"POST")]
    sent = [call(app, headers, "/chat", method="OPTIONS") for _ in range(2)]
    status = 200 if origin == b"https://page.example" else 400
    assert [messages[0]["status"] for messages in sent] == [status, status]
    ids = [sent_header(messages, b"x-trace-id") for messages in sent]
    preflights = [span for span in spans if span.name == "OPTIONS"]
    assert ids == [[trace_id(span)] for span in preflights]
    assert {span.attributes["http.response.status_code"] for span in preflights} == {status}
