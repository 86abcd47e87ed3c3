"""Model calls on httpx below LangChain's instrumentor, which makes none of its spans current."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.llms import LLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from openinference.instrumentation.langchain import LangChainInstrumentor
from provider_payloads import CHAT_WHOLE
from provider_server import ProviderServer, Reply, provider_server

import llmtrace
from llmtrace.integrations.httpx import instrument_httpx, uninstrument_httpx

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}]}


class Chat(BaseChatModel):
    """A chat model whose vendor is reached by httpx."""

    url: str

    @property
    def _llm_type(self) -> str:
        return "httpx"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(words(httpx.post(self.url, json=CHAT))))])

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.url, json=CHAT)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(words(answer)))])


class Streaming(Chat):
    """The same, in pieces."""

    def _stream(self, *_: Any, **__: Any) -> Iterator[Any]:
        yield ChatGenerationChunk(message=AIMessageChunk(words(httpx.post(self.url, json=CHAT))))

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.url, json=CHAT)
        yield ChatGenerationChunk(message=AIMessageChunk(words(answer)))


class Completion(LLM):
    """A model of the older kind."""

    url: str

    @property
    def _llm_type(self) -> str:
        return "httpx"

    def _call(self, *_: Any, **__: Any) -> str:
        return words(httpx.post(self.url, json=CHAT))


def words(answer: httpx.Response) -> str:
    """What the model said."""
    return str(answer.json()["choices"][0]["message"]["content"])


async def astream(model: Any) -> list[Any]:
    """All pieces."""
    return [piece async for piece in model.astream("Hello?")]


CALLS = {
    "invoke": (Chat, lambda model: model.invoke("Hello?")),
    "ainvoke": (Chat, lambda model: asyncio.run(model.ainvoke("Hello?"))),
    "batch": (Chat, lambda model: model.batch(["Hello?"])),
    "stream": (Streaming, lambda model: list(model.stream("Hello?"))),
    "astream": (Streaming, lambda model: asyncio.run(astream(model))),
    "chain": (Chat, lambda model: (RunnableLambda(str) | model).invoke("Hello?")),
    "completion": (Completion, lambda model: model.invoke("Hello?")),
}


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    """The vendor; the capture and the instrumentor are on."""
    instrument_httpx()
    with provider_server() as running:
        running.reply = CHAT_WHOLE[0].reply
        yield running
    LangChainInstrumentor().uninstrument()
    uninstrument_httpx()


@pytest.mark.parametrize("way", CALLS)
def test_a_call_of_a_langchain_model_is_one_span(server, spans, way):
    """LangChain's, however the model is called; a call beside it is its own."""
    LangChainInstrumentor().instrument(tracer_provider=llmtrace.get_tracer()._source, skip_dep_check=True)
    kind, go = CALLS[way]
    url = f"{server.url}/v1/chat/completions"
    go(kind(url=url))
    assert [span.name for span in spans if span.attributes["openinference.span.kind"] == "LLM"] == [kind.__name__]
    httpx.post(url, json=CHAT)
    assert spans[-1].name == "llm.chat"


def test_attempts_that_failed_stand_on_its_span(server, spans):
    """A retry below LangChain is an event there."""
    LangChainInstrumentor().instrument(tracer_provider=llmtrace.get_tracer()._source, skip_dep_check=True)
    url = f"{server.url}/v1/chat/completions"
    server.refusals.append(Reply({"error": {"message": "Slow down."}}, status=429))

    class Patient(Chat):
        def _generate(self, *args: Any, **more: Any) -> ChatResult:
            httpx.post(self.url, json=CHAT)
            return super()._generate(*args, **more)

    Patient(url=url).invoke("Hello?")
    (model,) = [span for span in spans if span.attributes["openinference.span.kind"] == "LLM"]
    assert [event.name for event in model.events] == ["llmtrace.retry"]


def test_without_its_instrumentor_the_call_is_ours(server, spans):
    """Nobody else would record it."""
    Chat(url=f"{server.url}/v1/chat/completions").invoke("Hello?")
    assert [span.name for span in spans] == ["llm.chat"]
