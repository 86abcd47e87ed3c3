"""A chat behind FastAPI that streams its answer; each answer names its trace, and a thumb finds the way back to it.

uvicorn examples.fastapi_chat:app
curl -iN 'http://127.0.0.1:8000/chat?question=Weather'
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.routing import Route

import llmtrace
from llmtrace.feedback import FeedbackRoute
from llmtrace.middleware import TraceIdMiddleware


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Trace as long as the service runs."""
    llmtrace.init_tracing(service_name="fastapi-chat")
    yield
    llmtrace.shutdown()


app = FastAPI(lifespan=lifespan)
app.add_middleware(TraceIdMiddleware, user=lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode() or None)
app.router.routes.append(Route("/feedback", FeedbackRoute()))


def model(question: str) -> Iterator[str]:
    """In place of your client's stream."""
    yield from ("Rain ", "in ", f"{question}.")


def answer(question: str) -> Iterator[str]:
    """The words as they come; the spans end with the stream, or when the client goes away."""
    with llmtrace.agent_span("chat", input=question) as agent:
        with llmtrace.llm_span("gpt-4o-mini", question) as span:
            said = []
            for word in span.record_stream(model(question)):
                said.append(word)
                yield word
        agent.record_output("".join(said))


@app.get("/chat")
def chat(question: str) -> StreamingResponse:
    """One question."""
    return StreamingResponse(answer(question), media_type="text/plain")
