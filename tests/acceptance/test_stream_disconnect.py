"""A real server, and a client that goes away in the middle of a stream."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from opentelemetry.sdk.trace import ReadableSpan
from sse_starlette import EventSourceResponse
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import StreamingResponse
from waiting import wait_until

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")

ENDLESS = 10_000
"""Chunks of a stream that nobody reads to its end: ten times as many as the deadline of the test leaves time for."""


async def async_words() -> AsyncIterator[str]:
    """The text of a model that talks without end, with a span of its own before each word."""
    for number in range(ENDLESS):
        with llmtrace.tool_span("inside"):
            await asyncio.sleep(0.005)
        yield f"w{number} "


def words() -> Iterator[str]:
    """The same, synchronously: Starlette steps it in worker threads."""
    for number in range(ENDLESS):
        with llmtrace.tool_span("inside"):
            time.sleep(0.005)  # a blocking client
        yield f"w{number} "


async def async_held() -> AsyncIterator[str]:
    """A span that the generator holds itself."""
    with llmtrace.llm_span("m", "Talk.", name="subject") as llm:
        async for word in llm.record_stream(async_words()):
            yield word


def held() -> Iterator[str]:
    """The same, synchronously."""
    with llmtrace.llm_span("m", "Talk.", name="subject") as llm:
        yield from llm.record_stream(words())


async def async_recorded() -> AsyncIterator[str]:
    """A stream whose block was left before it was read."""
    with llmtrace.llm_span("m", "Talk.", name="subject") as llm:
        stream: AsyncIterator[str] = llm.record_stream(async_words())
    return stream


def recorded() -> Iterator[str]:
    """The same, synchronously."""
    with llmtrace.llm_span("m", "Talk.", name="subject") as llm:
        stream: Iterator[str] = llm.record_stream(words())
    return stream


STREAMS: dict[str, Callable[[], Any]] = {
    "async decorated": llmtrace.llm(name="subject")(async_words),
    "async held": async_held,
    "async recorded": async_recorded,
    "decorated": llmtrace.llm(name="subject")(words),
    "held": held,
    "recorded": recorded,
}


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """A middleware of Starlette's own, which reads the stream in another task."""
    return await call_next(request)


@pytest.fixture
def server(spans: list[ReadableSpan]) -> Iterator[Callable[..., str]]:
    """Serves one stream under /; called with a stream it returns the address. Stops after the test."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def serve(
        stream: Callable[[], Any],
        *,
        middleware: bool = False,
        response: type[Response] = StreamingResponse,
        traced: bool = True,
    ) -> str:
        app = FastAPI()
        if middleware:
            app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
        if traced:
            app.add_middleware(TraceIdMiddleware)

        @app.get("/")
        async def endpoint() -> Response:
            made = stream()
            return response(await made if inspect.iscoroutine(made) else made)  # type: ignore[call-arg]

        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread, listener))
        wait_until(lambda: server.started, "the server is up")
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield serve
    for server, thread, listener in running:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
        listener.close()


def leave_early(url: str) -> str:
    """Read two chunks of the stream, and go away; returns the trace id on the answer."""
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as answer:
        chunks = answer.iter_text()
        assert "w" in next(chunks) + next(chunks)
        return answer.headers["x-trace-id"]


def check(spans: list[ReadableSpan], trace_id: str) -> None:
    """The stream's span is below the request's, both have ended once, and it says why and what came."""
    (request,) = [span for span in spans if span.name == "GET /"]
    (subject,) = [span for span in spans if span.name == "subject"]
    assert f"{subject.context.trace_id:032x}" == trace_id
    assert request.parent is None
    assert subject.parent is not None
    assert subject.parent.span_id == request.context.span_id
    insides = [span for span in spans if span.name == "tool.inside"]
    assert 2 <= len(insides) < ENDLESS
    assert {span.parent.span_id for span in insides if span.parent} == {subject.context.span_id}
    assert subject.attributes is not None
    assert subject.attributes["llmtrace.stream.outcome"] in ("abandoned", "cancelled")
    assert str(subject.attributes["llm.output_messages.0.message.content"]).startswith("w0 w1 ")
    assert subject.status.is_unset
    assert request.status.is_ok


def is_over(spans: list[ReadableSpan]) -> bool:
    """Whether request and stream have ended."""
    return {"subject", "GET /"} <= {span.name for span in list(spans)}


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("middleware", [False, True], ids=["", "middleware"])
def test_a_client_that_goes_away(
    spans: list[ReadableSpan],
    server: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
    stream: str,
    middleware: bool,
) -> None:
    """The spans end, the stream's as abandoned or cancelled with what came, and the server's log is clean."""
    caplog.set_level(logging.INFO)
    trace_id = leave_early(server(STREAMS[stream], middleware=middleware))
    wait_until(lambda: is_over(spans), "request and stream have ended")
    check(spans, trace_id)
    loud = [record for record in caplog.records if record.levelno > logging.INFO or "llmtrace" in record.name]
    assert [record.getMessage() for record in loud] == []


def test_a_client_that_goes_away_from_server_sent_events(
    spans: list[ReadableSpan], server: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    """The same for sse-starlette's response."""
    caplog.set_level(logging.INFO)
    trace_id = leave_early(server(STREAMS["async held"], response=EventSourceResponse))
    wait_until(lambda: is_over(spans), "request and stream have ended")
    check(spans, trace_id)
    loud = [record for record in caplog.records if record.levelno > logging.INFO or "llmtrace" in record.name]
    assert [record.getMessage() for record in loud] == []


@pytest.mark.parametrize("stream", STREAMS)
def test_a_client_that_goes_away_where_no_server_span_is(
    spans: list[ReadableSpan], server: Callable[..., str], stream: str
) -> None:
    """Without a span of the request a dropped stream's span ends when the garbage collector finds it, at the latest."""
    url = server(STREAMS[stream], traced=False)
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as answer:
        assert "w" in next(answer.iter_text())

    def is_found() -> bool:
        gc.collect()
        return "subject" in {span.name for span in list(spans)}

    wait_until(is_found, "the stream's span has ended")
    (subject,) = [span for span in spans if span.name == "subject"]
    assert subject.attributes is not None
    assert subject.attributes["llmtrace.stream.outcome"] in ("abandoned", "cancelled")
    assert str(subject.attributes["llm.output_messages.0.message.content"]).startswith("w0 ")
