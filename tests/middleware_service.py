"""A small service with the middleware, to be run by real servers: `app` is FastAPI's, `bare` is nobody's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, WebSocket
from starlette.responses import StreamingResponse

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

llmtrace.init_tracing("served", endpoint=os.environ["SINK"])


async def endless() -> AsyncIterator[str]:
    """A model that talks without end."""
    with llmtrace.llm_span("m", "Talk.", name="talking") as span:
        for number in range(10_000):
            await asyncio.sleep(0.005)
            yield f"w{number} "
        span.record_output("never")


async def breaking() -> AsyncIterator[str]:
    """A stream that fails in the middle."""
    yield "first"
    await asyncio.sleep(0.05)
    raise KeyError


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """An application without a framework, which fails before it answers."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    raise KeyError


def make_app() -> Any:
    """The FastAPI application."""
    app = FastAPI()
    app.add_middleware(TraceIdMiddleware)

    async def ok() -> dict[str, Any]:
        return {"trace": llmtrace.current_trace_id(), "pid": os.getpid()}

    async def boom() -> None:
        raise KeyError

    async def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    async def broken() -> StreamingResponse:
        return StreamingResponse(breaking())

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(str(llmtrace.current_trace_id()))
        await websocket.close()

    for endpoint in (ok, boom, stream, broken):
        app.get(f"/{endpoint.__name__}", response_model=None)(endpoint)
    app.websocket("/ws")(echo)
    return app


if os.environ["SERVED"] == "bare":
    bare = TraceIdMiddleware(bare)
else:
    app = make_app()
