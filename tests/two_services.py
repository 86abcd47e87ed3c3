"""Two services of one team, to be run by real servers: `front` calls `back` over HTTP, and either may fail."""

from __future__ import annotations

import os
from typing import Any

import httpx
from fastapi import FastAPI
from opentelemetry import propagate
from opentelemetry.trace import StatusCode

import llmtrace
from llmtrace.middleware import TraceIdMiddleware

llmtrace.init_tracing(
    os.environ["SERVED"], endpoint=os.environ["SINK"], sampling=llmtrace.SamplingPolicy(ratio=0.0, grace=0.5)
)


def failed_step(name: str) -> None:
    """A step that fails and is coped with: the request goes on."""
    with llmtrace.chain_span(name) as span:
        span.set_status(StatusCode.ERROR)


async def call(path: str) -> int:
    """One call of the other service, in a span of its own, as an HTTP instrumentation makes it."""
    with llmtrace.get_tracer().start_as_current_span("call") as span:
        headers: dict[str, str] = {}
        propagate.inject(headers)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(os.environ["BACK"] + path, headers=headers)
        if answer.status_code >= 500:
            span.set_status(StatusCode.ERROR)
        return answer.status_code


front: Any = FastAPI()
front.add_middleware(TraceIdMiddleware)
back: Any = FastAPI()
back.add_middleware(TraceIdMiddleware)


@front.get("/go")
async def go(before: bool = False, after: bool = False, then: str = "/fine") -> dict[str, int]:
    """Fail before the call, or after it, or not at all."""
    if before:
        failed_step("failed before")
    status = await call(then)
    if after:
        failed_step("failed after")
    return {"status": status}


@back.get("/fine")
async def fine() -> dict[str, bool]:
    """Nothing special."""
    with llmtrace.tool_span("fine", {}):
        return {"ok": True}


@back.get("/broken")
async def broken() -> None:
    """Fails, and says so."""
    raise KeyError


@back.get("/quiet")
async def quiet() -> dict[str, bool]:
    """Fails inside, and answers all the same."""
    failed_step("failed quietly")
    return {"ok": True}
