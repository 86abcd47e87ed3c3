"""The real SDKs' stream helpers behind `record_stream`: however the user reads them, the whole answer is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai
import pytest
from provider_payloads import (
    ANTHROPIC_WHOLE,
    CHAT_STREAMS,
    RESPONSES_WHOLE,
    block,
    message,
    message_events,
    response_events,
)
from provider_server import Framing, ProviderServer, Reply, provider_server

import llmtrace
from llmtrace.recorders import llm_accumulator, llm_answer

pytest_plugins = ["core_fixtures"]

WHOLE = message(block("Paris is it."))


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    """A provider."""
    with provider_server() as running:
        yield running


READ_SYNC: dict[str, Callable[[Any], Any]] = {
    "events": list,
    "text_stream": lambda stream: "".join(stream.text_stream),
    "get_final_message": lambda stream: stream.get_final_message(),
    "get_final_text": lambda stream: stream.get_final_text(),
    "until_done": lambda stream: stream.until_done(),
    "text_stream, then the message": lambda stream: (list(stream.text_stream), stream.get_final_message()),
    "one text, then the rest": lambda stream: (next(stream.text_stream), list(stream.text_stream)),
}


def recorded(span: Any) -> dict[str, Any]:
    """What the recorder of the answer put on a span."""
    return {key: value for key, value in span.attributes.items() if key in llm_answer(WHOLE)}


@pytest.mark.parametrize("is_around", [True, False], ids=["the manager", "the stream"])
@pytest.mark.parametrize("how", READ_SYNC)
def test_anthropics_helper_is_recorded_however_it_is_read(how, is_around, server, spans, strict):
    """Given the manager or the stream that it opens: the final message, complete, with its time to the first token."""
    server.reply = Reply(message_events(WHOLE), Framing.NAMED_EVENTS)
    with (
        anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client,
        llmtrace.llm_span("claude", "Hi") as span,
    ):
        manager = client.messages.stream(**ANTHROPIC_WHOLE[0].request)
        with span.record_stream(manager) if is_around else manager as stream:
            READ_SYNC[how](stream if is_around else span.record_stream(stream))
    assert recorded(spans[0]) == llm_answer(WHOLE)
    assert spans[0].attributes["llmtrace.stream.outcome"] == "complete"
    assert spans[0].attributes["llmtrace.llm.time_to_first_token"] > 0


@asynccontextmanager
async def opened(server: ProviderServer, span: Any) -> AsyncIterator[Any]:
    """Anthropic's asynchronous helper, recorded."""
    async with (
        anthropic.AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0) as client,
        span.record_stream(client.messages.stream(**ANTHROPIC_WHOLE[0].request)) as stream,
    ):
        yield stream


async def read_texts(stream: Any) -> list[str]:
    """Its texts."""
    return [words async for words in stream.text_stream]


READ_ASYNC: dict[str, Callable[[Any], Any]] = {
    "text_stream": read_texts,
    "get_final_message": lambda stream: stream.get_final_message(),
    "get_final_text": lambda stream: stream.get_final_text(),
    "until_done": lambda stream: stream.until_done(),
}


@pytest.mark.parametrize("how", READ_ASYNC)
def test_anthropics_asynchronous_helper_is_recorded_however_it_is_read(how, server, spans, strict):
    """As the synchronous one."""
    server.reply = Reply(message_events(WHOLE), Framing.NAMED_EVENTS)

    async def read() -> None:
        with llmtrace.llm_span("claude", "Hi") as span:
            async with opened(server, span) as stream:
                await READ_ASYNC[how](stream)

    asyncio.run(read())
    assert recorded(spans[0]) == llm_answer(WHOLE)
    assert spans[0].attributes["llmtrace.stream.outcome"] == "complete"


@pytest.mark.parametrize("how", [list, lambda it: it.get_final_completion(), lambda it: it.until_done()])
def test_openais_chat_helper_is_recorded_however_it_is_read(how, server, spans, strict):
    """chat.completions.stream gives the record of its chunks."""
    call = CHAT_STREAMS[1]
    server.reply = call.reply
    accumulator = llm_accumulator(call.reply.body[0])
    for chunk in call.reply.body:
        accumulator.add(chunk)
    with (
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client,
        llmtrace.llm_span("gpt", "Hi") as span,
        span.record_stream(client.chat.completions.stream(**call.request)) as stream,
    ):
        how(stream)
    expected = accumulator.attributes()
    assert {key: value for key, value in spans[0].attributes.items() if key in expected} == expected


@pytest.mark.parametrize("how", [list, lambda it: it.get_final_response(), lambda it: it.until_done()])
def test_openais_responses_helper_is_recorded_however_it_is_read(how, server, spans, strict):
    """responses.stream gives the record of the response."""
    call = RESPONSES_WHOLE[0]
    server.reply = Reply(response_events(call.reply.body), Framing.NAMED_EVENTS)
    with (
        openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client,
        llmtrace.llm_span("gpt", "Hi") as span,
        span.record_stream(client.responses.stream(**call.request)) as stream,
    ):
        how(stream)
    expected = llm_answer(call.reply.body)
    assert {key: value for key, value in spans[0].attributes.items() if key in expected} == expected
