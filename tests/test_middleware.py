"""X-Trace-Id on every answer, and a span around each request."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from waiting import wait_until

import llmtrace
from llmtrace.middleware import TraceIdMiddleware
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)


async def three() -> AsyncIterator[str]:
    """A stream of three pieces, each with a span."""
    for number in range(3):
        await asyncio.sleep(0.01)
        with llmtrace.chain_span(f"piece-{number}"):
            pass
        yield str(number)


async def failing() -> AsyncIterator[str]:
    """A stream that fails after its first piece."""
    yield "first"
    raise RuntimeError("mid-stream")


def fastapi_app() -> FastAPI:
    """A FastAPI application with the middleware."""
    app = FastAPI()
    app.add_middleware(TraceIdMiddleware)

    @app.get("/items/{item_id}")
    async def item(item_id: str) -> dict[str, Any]:
        return {"trace": llmtrace.current_trace_id()}

    @app.get("/sync")
    def in_a_thread() -> dict[str, Any]:
        return {"trace": llmtrace.current_trace_id()}

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    @app.get("/broken")
    async def broken() -> None:
        raise HTTPException(503)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(three())

    @app.get("/failing")
    async def failing_stream() -> StreamingResponse:
        return StreamingResponse(failing())

    @app.get("/ask")
    async def ask() -> dict[str, str]:
        with llmtrace.agent_span("support", input="Weather?", user_id="u-1", session_id="s-1") as agent:
            with llmtrace.chain_span("step", input="inner question") as step:
                step.record_output("inner answer")
            agent.record_output("Rain.")
        return {}

    return app


def starlette_app() -> TraceIdMiddleware:
    """A bare Starlette application inside the middleware."""

    async def item(request: Request) -> JSONResponse:
        return JSONResponse({"trace": llmtrace.current_trace_id()})

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(three())

    async def failing_stream(request: Request) -> StreamingResponse:
        return StreamingResponse(failing())

    async def broken(request: Request) -> PlainTextResponse:
        return PlainTextResponse("busy", 503)

    async def teapot(request: Request) -> PlainTextResponse:
        return PlainTextResponse("short and stout", 418)

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(llmtrace.current_trace_id()))
        await websocket.close()

    routes = [
        Route("/items/{item_id}", item),
        Route("/sync", item),
        Route("/stream", stream),
        Route("/failing", failing_stream),
        Route("/broken", broken),
        Route("/teapot", teapot),
        Mount("/sub", routes=[Route("/{name}", item)]),
        WebSocketRoute("/ws", echo),
    ]
    return TraceIdMiddleware(Starlette(routes=routes))


APPS = pytest.mark.parametrize("make_app", [fastapi_app, starlette_app])


def get(app: Any, path: str, headers: dict[str, str] | None = None, peer: str = "127.0.0.1") -> httpx.Response:
    """One request, without a server."""

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(peer, 123))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(run())


def trace_id(span: Any) -> str:
    """The span's trace id, in hex."""
    return format(span.context.trace_id, "032x")


@APPS
@pytest.mark.parametrize(
    ("path", "status"),
    [("/items/7", 200), ("/sync", 200), ("/nowhere", 404), ("/teapot", 418), ("/broken", 503), ("/stream", 200)],
)
def test_every_answer_carries_the_id_of_its_trace(spans, strict, make_app, path, status):
    """Good answers, 404s, HTTP errors and streams have X-Trace-Id, which is the id of the recorded trace."""
    answer = get(make_app(), path)
    assert answer.status_code == status
    (header,) = answer.headers.get_list("x-trace-id")
    root = spans[-1]
    assert header == trace_id(root)
    assert root.parent is None
    assert root.kind is SpanKind.SERVER
    assert root.attributes["http.response.status_code"] == status
    if "json" in answer.headers.get("content-type", "") and status == 200:
        assert answer.json() == {"trace": header}


@APPS
def test_the_span_is_named_by_the_route(spans, strict, make_app):
    """The template makes the name, so that a path with an id in it is not a name of its own."""
    get(make_app(), "/items/7")
    (span,) = spans
    assert span.name == "GET /items/{item_id}"
    assert span.attributes["http.route"] == "/items/{item_id}"
    assert span.attributes["url.path"] == "/items/7"
    assert span.attributes["http.request.method"] == "GET"


@APPS
def test_an_unknown_path_does_not_make_a_name(spans, strict, make_app):
    """A 404 is named by its method only."""
    get(make_app(), "/nowhere/4711")
    assert spans[0].name == "GET"


def test_a_mounted_route_is_named_with_its_mount(spans, strict):
    """The whole template, not only the part below the mount."""
    get(starlette_app(), "/sub/x")
    assert spans[0].name == "GET /sub/{name}"


@APPS
def test_a_server_error_is_an_error_and_a_client_error_is_none(spans, strict, make_app):
    """5xx makes the status ERROR, 4xx does not."""
    app = make_app()
    get(app, "/broken")
    get(app, "/teapot")
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR, StatusCode.UNSET]


@APPS
def test_the_span_lasts_to_the_end_of_the_stream(spans, strict, make_app):
    """Spans made while the body is streamed are below the request's span, which ends last."""
    answer = get(make_app(), "/stream")
    assert answer.text == "012"
    *pieces, request = spans
    assert [span.name for span in pieces] == ["piece-0", "piece-1", "piece-2"]
    for piece in pieces:
        assert piece.parent.span_id == request.context.span_id
        assert piece.end_time <= request.end_time


@APPS
def test_a_stream_that_fails_midway_has_the_header_and_fails_the_span(spans, strict, make_app):
    """The header went out before the failure; the span has status ERROR."""
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "method": "GET", "path": "/failing"}
        await make_app()({**scope, "headers": [], "query_string": b"", "scheme": "http"}, receive, send)

    with pytest.raises(BaseException, match=r"mid-stream|TaskGroup"):
        asyncio.run(run())
    (span,) = spans
    assert (b"x-trace-id", trace_id(span).encode()) in sent[0]["headers"]
    assert span.status.status_code is StatusCode.ERROR


def test_a_websocket_carries_the_header_on_its_handshake(spans, strict):
    """The accept message has X-Trace-Id, and the span lasts as long as the connection."""
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "scheme": "ws"}
        await starlette_app()({**scope, "asgi": {"version": "3.0"}, "subprotocols": []}, receive, send)

    asyncio.run(run())
    (span,) = spans
    accept, text, _ = sent
    assert accept["type"] == "websocket.accept"
    assert (b"x-trace-id", trace_id(span).encode()) in accept["headers"]
    assert text["text"] == trace_id(span)
    assert span.kind is SpanKind.SERVER


def test_a_header_of_the_apps_own_is_replaced(spans, strict):
    """There is one X-Trace-Id, and it is the right one, whatever the app set and in whatever case."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"X-Trace-ID", b"wrong"), (b"x-other", b"kept")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    answer = get(TraceIdMiddleware(app), "/")
    assert answer.headers.get_list("x-trace-id") == [trace_id(spans[0])]
    assert answer.headers["x-other"] == "kept"


@APPS
def test_a_stranger_is_not_believed(spans, strict, make_app):
    """A traceparent or X-Trace-Id from outside neither chooses the trace nor becomes a parent."""
    theirs = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{theirs}-b7ad6b7169203331-01", "x-trace-id": theirs, "baggage": "user.id=evil"}
    answer = get(make_app(), "/items/7", headers, peer="203.0.113.9")
    assert answer.headers["x-trace-id"] != theirs
    assert spans[0].parent is None
    assert "evil" not in spans[0].to_json()


def test_an_existing_server_span_is_joined(spans, strict):
    """Where OpenTelemetry's instrumentation has begun the trace, the request and its header belong to it."""
    app = starlette_app()

    async def instrumented(scope: Any, receive: Any, send: Any) -> None:
        with llmtrace.get_tracer().start_as_current_span("theirs", kind=SpanKind.SERVER):
            await app(scope, receive, send)

    answer = get(instrumented, "/items/7")
    (theirs,) = spans
    assert theirs.name == "theirs"
    assert answer.headers["x-trace-id"] == trace_id(theirs)
    assert answer.json() == {"trace": trace_id(theirs)}


def test_a_server_span_of_the_sdk_is_joined(spans, strict):
    """Also where the instrumentation writes to a provider that is not ours."""
    app = starlette_app()
    provider = TracerProvider()

    async def instrumented(scope: Any, receive: Any, send: Any) -> None:
        with provider.get_tracer("asgi").start_as_current_span("theirs", kind=SpanKind.SERVER) as span:
            seen.append(format(span.get_span_context().trace_id, "032x"))
            await app(scope, receive, send)

    seen: list[str] = []
    answer = get(instrumented, "/items/7")
    provider.shutdown()
    assert [answer.headers["x-trace-id"]] == seen
    assert answer.json() == {"trace": seen[0]}


def test_a_span_around_the_server_is_the_parent(spans, strict):
    """Where some other span is current, the request is a span below it."""
    app = starlette_app()

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        with llmtrace.chain_span("outer"):
            await app(scope, receive, send)

    answer = get(outer, "/items/7")
    request, around = spans
    assert request.parent.span_id == around.context.span_id
    assert answer.headers["x-trace-id"] == trace_id(around)


def test_the_request_shows_what_its_agent_was_asked(spans, strict):
    """The request's span, which Phoenix lists, has input, output, user and session of the agent below it."""
    get(fastapi_app(), "/ask")
    request = spans[-1]
    assert request.attributes["input.value"] == "Weather?"
    assert request.attributes["output.value"] == "Rain."
    assert request.attributes["user.id"] == "u-1"
    assert request.attributes["session.id"] == "s-1"


@APPS
def test_requests_at_once_do_not_mix(spans, strict, make_app):
    """Fifty concurrent requests have fifty traces, each with its own header."""
    app = make_app()

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await asyncio.gather(*(client.get(f"/items/{number}") for number in range(50)))

    answers = asyncio.run(run())
    assert len({answer.headers["x-trace-id"] for answer in answers}) == 50
    assert all(answer.json()["trace"] == answer.headers["x-trace-id"] for answer in answers)
    assert trace.get_current_span() is trace.INVALID_SPAN


@APPS
def test_without_tracing_the_middleware_is_not_there(make_app):
    """No header, no span, the same answers."""
    answer = get(make_app(), "/items/7")
    assert answer.json() == {"trace": None}
    assert "x-trace-id" not in answer.headers


def test_lifespan_messages_pass(spans, strict):
    """Start and stop of the application are no requests."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"

    asyncio.run(TraceIdMiddleware(app)({"type": "lifespan"}, None, None))
    assert spans == []


@contextmanager
def served(app: Any) -> Iterator[str]:
    """An application under a real uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "uvicorn has started")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_under_a_real_server_streams_and_errors_carry_the_header(strict):
    """Uvicorn sends the header before the first piece of a stream, and on a 404."""
    with capture_spans() as spans, served(fastapi_app()) as url, httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        with client.stream("GET", f"{url}/stream") as answer:
            header = answer.headers["x-trace-id"]
            assert "".join(answer.iter_text()) == "012"
        assert time.monotonic() - began < 10
        wait_until(lambda: len(spans) == 4, "the request's span has ended")
        assert header == trace_id(spans[-1])
        assert len(client.get(f"{url}/nowhere").headers["x-trace-id"]) == 32
        wait_until(lambda: len(spans) == 5, "the second request's span has ended")
