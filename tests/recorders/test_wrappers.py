"""Raw responses and stream helpers of the real SDKs: recorded, and left as they were."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx
import openai
import pytest
from provider_payloads import ANTHROPIC_WHOLE, CHAT_STREAMS, CHAT_WHOLE, Call, block, message, message_events
from provider_server import Framing, ProviderServer, Reply, provider_server
from pydantic import BaseModel

from llmtrace.recorders import llm_answer


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    """A provider."""
    with provider_server() as running:
        yield running


@pytest.fixture
def chat(server: ProviderServer) -> Iterator[openai.OpenAI]:
    """OpenAI's client."""
    with openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(server: ProviderServer) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client."""
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        yield client


CHAT: Call = CHAT_WHOLE[0]
CLAUDE: Call = ANTHROPIC_WHOLE[0]


def test_a_raw_response_is_recorded_and_can_still_be_parsed(server, chat, claude):
    """with_raw_response gives the record of the answer inside; parse() and the headers work as before."""
    server.reply = CHAT.reply
    raw = chat.chat.completions.with_raw_response.create(**CHAT.request)
    assert llm_answer(raw) == llm_answer(CHAT.reply.body)
    assert raw.parse().choices[0].message.content == "Paris."
    server.reply = CLAUDE.reply
    raw = claude.messages.with_raw_response.create(**CLAUDE.request)
    assert llm_answer(raw) == llm_answer(CLAUDE.reply.body)
    assert raw.parse().content[0].text == "Paris."


def test_a_raw_response_that_is_a_stream_is_left_to_the_app(server, chat):
    """Nothing is recorded of a body that was not read, and every chunk is still there."""
    server.reply = CHAT_STREAMS[0].reply
    raw = chat.chat.completions.with_raw_response.create(**CHAT.request, stream=True)
    assert llm_answer(raw) == {}
    assert len(list(raw.parse())) == len(server.reply.body)
    with chat.chat.completions.with_streaming_response.create(**CHAT.request) as streaming:
        assert llm_answer(streaming) == {}
        assert "Paris" in streaming.read().decode() or streaming.http_response.content


def test_an_answer_over_plain_http_is_recorded(server):
    """Httpx's own response of a call without an SDK; one that was not read yet stays unread."""
    server.reply = CHAT.reply
    response = httpx.post(f"{server.url}/v1/chat/completions", json=CHAT.request)
    assert llm_answer(response) == llm_answer(CHAT.reply.body)
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=CHAT.request) as unread:
        assert llm_answer(unread) == {}
        assert unread.read() == CHAT.reply.encoded()


class Capital(BaseModel):
    """What the model is asked to fill in."""

    name: str


def test_a_parsed_completion_is_recorded_as_the_completion(server, chat):
    """chat.completions.parse gives the same record, the user's object stays the user's."""
    body = {**CHAT.reply.body}
    body["choices"] = [{**body["choices"][0], "message": {"role": "assistant", "content": '{"name": "Paris"}'}}]
    server.reply = Reply(body)
    answer = chat.chat.completions.parse(**CHAT.request, response_format=Capital)
    assert llm_answer(answer) == llm_answer(body)
    assert answer.choices[0].message.parsed == Capital(name="Paris")


def test_the_snapshot_of_a_stream_helper_is_recorded_without_reading_on(server, claude):
    """record_output(stream) of Anthropic's helper: nothing before it is read, the final message after that."""
    whole = message(block("Paris is it."))
    server.reply = Reply(message_events(whole), Framing.NAMED_EVENTS)
    with claude.messages.stream(**CLAUDE.request) as stream:
        assert llm_answer(stream) == {}
        assert "".join(stream.text_stream) == "Paris is it."
        assert llm_answer(stream) == llm_answer(whole)
        assert stream.get_final_message().content[0].text == "Paris is it."
