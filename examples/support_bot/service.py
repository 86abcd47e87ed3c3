"""The service: `POST /ask` streams an answer about llmtrace. This is what tracing adds to an ordinary FastAPI service.

    uvicorn examples.support_bot.service:app

The model is any OpenAI-compatible server: `OPENAI_BASE_URL`, `OPENAI_API_KEY`, and its name in `OPENAI_MODEL`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel

import llmtrace
from examples.support_bot.agent import DEFAULT_MODEL, SupportAgent
from examples.support_bot.retrieval import DocsIndex
from examples.support_bot.tools import Toolbox
from llmtrace.middleware import TraceIdMiddleware

DOCS = Path(__file__).parents[2] / "docs"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start tracing with the service, and send what is left before it ends."""
    llmtrace.init_tracing(service_name="support-bot", project="support-bot")
    model = os.environ.get("OPENAI_MODEL", DEFAULT_MODEL)
    async with AsyncOpenAI(max_retries=0) as client:
        app.state.agent = SupportAgent(client, model, Toolbox(DocsIndex(DOCS)))
        yield
    llmtrace.shutdown()


# FastAPI can trace requests by itself. Here TraceIdMiddleware does, in the form in which Phoenix shows the question and
# the answer as turns of a session.
app = FastAPI(title="Support bot", lifespan=lifespan, telemetry={"tracing": False})
app.add_middleware(TraceIdMiddleware)


class Question(BaseModel):
    """What a user asks, in the course of a session."""

    user_id: str
    session_id: str
    question: str


@app.exception_handler(OpenAIError)
async def model_failed(_request: Request, error: OpenAIError) -> Response:
    """The model server failed before the first word: 502. What went wrong stands in the trace."""
    return JSONResponse({"detail": f"the model server failed: {type(error).__name__}"}, status_code=502)


@app.post("/ask")
async def ask(asked: Question) -> StreamingResponse:
    """The answer as plain text, as it comes."""
    with llmtrace.using(user_id=asked.user_id, session_id=asked.session_id):
        pieces = app.state.agent.answer(asked.question)
        first = await anext(pieces, "")  # a model server that fails before the first word is a 502
    return StreamingResponse(_all(first, pieces), media_type="text/plain")


async def _all(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    try:
        async for piece in rest:
            yield piece
    except OpenAIError:
        yield "\n[the model server failed before the end]"
