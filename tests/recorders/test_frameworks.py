"""Answers of other providers and of frameworks, whole and streamed: none is garbage, none is lost.

The shapes are those of the named packages at the end of 2026; where a package is not installed here, a pydantic class
with the same fields stands for it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from unittest.mock import MagicMock

import pytest
from langchain_core import messages as langchain
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from mistralai.client.models import CompletionEvent
from pydantic import BaseModel
from pydantic_ai.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolCallPartDelta,
    ToolReturnPart,
    UserPromptPart,
    VideoUrl,
)
from pydantic_ai.usage import RequestUsage

from llmtrace._attributes import put_messages
from llmtrace.recorders import embedding, llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
CHAT = {
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


class AIMessage(BaseModel):
    """langchain-core 1.8."""

    content: Any = ""
    type: str = "ai"
    id: str | None = None
    tool_calls: list[dict[str, Any]] = []
    tool_call_chunks: list[dict[str, Any]] = []
    additional_kwargs: dict[str, Any] = {}
    response_metadata: dict[str, Any] = {}
    usage_metadata: dict[str, Any] | None = None


class Generation(BaseModel):
    """langchain-core 1.8."""

    text: str = ""
    message: AIMessage


class LLMResult(BaseModel):
    """langchain-core 1.8."""

    generations: list[list[Generation]]
    llm_output: Any = None


class Role(StrEnum):
    """llama-index-core 0.14."""

    ASSISTANT = "assistant"


class LlamaMessage(BaseModel):
    """llama-index-core 0.14: the content is a property."""

    role: Role = Role.ASSISTANT
    blocks: list[dict[str, Any]]

    @property
    def content(self) -> str:
        return "".join(block["text"] for block in self.blocks)


class ChatResponse(BaseModel):
    """llama-index-core 0.14."""

    message: LlamaMessage
    raw: Any = None
    delta: str | None = None


class CompletionResponse(BaseModel):
    """llama-index-core 0.14."""

    text: str
    raw: Any = None


@dataclass
class Used:
    """autogen-core 0.7."""

    prompt_tokens: int
    completion_tokens: int


class CreateResult(BaseModel):
    """autogen-core 0.7."""

    finish_reason: str
    content: Any
    usage: Used
    cached: bool = False


@dataclass
class HaystackMessage:
    """haystack-ai 2: everything is a property."""

    _text: str
    _meta: dict[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> Role:
        return Role.ASSISTANT

    @property
    def text(self) -> str:
        return self._text

    @property
    def meta(self) -> dict[str, Any]:
        return self._meta


LANGCHAIN = AIMessage(
    content="Hi",
    id="run-1",
    tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c1"}],
    response_metadata={"model_name": "gpt-4o", "finish_reason": "stop"},
    usage_metadata={
        "input_tokens": 10,
        "output_tokens": 5,
        "total_tokens": 15,
        "input_token_details": {"cache_read": 4},
        "output_token_details": {"reasoning": 2},
    },
)
CONVERSE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"text": "Hi"},
                {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
            ],
        }
    },
    "stopReason": "stop",
    "usage": {"inputTokens": 6, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 4},
    "ResponseMetadata": {"RequestId": "r"},
}
COHERE = {
    "id": "c",
    "finish_reason": "COMPLETE",
    "message": {
        "role": "assistant",
        "tool_plan": "hm",
        "content": [{"type": "text", "text": "Hi"}],
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    },
    "usage": {"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 10, "output_tokens": 5}},
}
PYDANTIC_AI = ModelResponse(
    parts=[ThinkingPart(content="hm"), TextPart(content="Hi"), ToolCallPart("f", {"a": 1}, "c1")],
    usage=RequestUsage(input_tokens=10, output_tokens=5, cache_read_tokens=4),
    model_name="gpt-4o",
    finish_reason="stop",
)
CALL = {"id": "c1", "name": "f", "arguments": '{"a":1}'}
ANTHROPIC = {
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "output_tokens": 5},
}
ASSISTANTS = {
    "object": "list",
    "data": [
        {"object": "thread.message", "role": "assistant", "content": [{"type": "text", "text": {"value": "Hi"}}]},
        {"object": "thread.message", "role": "user", "content": [{"type": "text", "text": {"value": "q"}}]},
    ],
}

# name: the answer, and what of (model, words, call, prompt tokens, completion tokens, reason) it says.
WHOLE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "langchain": (LANGCHAIN, ("gpt-4o", "Hi", CALL, 10, 5, "stop")),
    "langchain as dict": (LANGCHAIN.model_dump(), ("gpt-4o", "Hi", CALL, 10, 5, "stop")),
    "langchain result": (
        LLMResult(generations=[[Generation(message=LANGCHAIN)]]),
        ("gpt-4o", "Hi", CALL, 10, 5, "stop"),
    ),
    "llama-index with raw": (
        ChatResponse(message=LlamaMessage(blocks=[{"text": "Hi"}]), raw=CHAT),
        ("gpt-4o", "Hi", None, 10, 5, "stop"),
    ),
    "llama-index without raw": (
        ChatResponse(message=LlamaMessage(blocks=[{"text": "Hi"}])),
        (None, "Hi", None, None, None, None),
    ),
    "llama-index completion": (CompletionResponse(text="Hi"), (None, "Hi", None, None, None, None)),
    "llama-index completion with raw": (CompletionResponse(text="Hi", raw=CHAT), ("gpt-4o", "Hi", None, 10, 5, "stop")),
    "pydantic-ai": (PYDANTIC_AI, ("gpt-4o", "Hi", CALL, 10, 5, "stop")),
    "haystack": (
        HaystackMessage("Hi", {"model": "gpt-4o", "finish_reason": "stop", "usage": CHAT["usage"]}),
        ("gpt-4o", "Hi", None, 10, 5, "stop"),
    ),
    "bedrock converse": (CONVERSE, (None, "Hi", CALL, 10, 5, "stop")),
    "bedrock titan": (
        {
            "inputTextTokenCount": 10,
            "results": [{"tokenCount": 5, "outputText": "Hi", "completionReason": "FINISH"}],
        },
        (None, "Hi", None, 10, 5, "FINISH"),
    ),
    "bedrock llama": (
        {"generation": "Hi", "prompt_token_count": 10, "generation_token_count": 5, "stop_reason": "stop"},
        (None, "Hi", None, 10, 5, "stop"),
    ),
    "cohere": (COHERE, (None, "Hi", CALL, 10, 5, "COMPLETE")),
    "cohere 1": (
        {
            "text": "Hi",
            "generation_id": "g",
            "finish_reason": "COMPLETE",
            "meta": {"tokens": {"input_tokens": 10, "output_tokens": 5}},
        },
        (None, "Hi", None, 10, 5, "COMPLETE"),
    ),
    "llama.cpp": (
        {
            "content": "Hi",
            "stop": True,
            "model": "ggml",
            "tokens_predicted": 5,
            "tokens_evaluated": 10,
            "stop_type": "eos",
        },
        ("ggml", "Hi", None, 10, 5, "eos"),
    ),
    "hugging face": ([{"generated_text": "Hi"}], (None, "Hi", None, None, None, None)),
    "hugging face server": (
        {"generated_text": "Hi", "details": {"finish_reason": "length", "generated_tokens": 5}},
        (None, "Hi", None, None, 5, "length"),
    ),
    "anthropic's old completion": (
        {"type": "completion", "completion": "Hi", "stop_reason": "stop_sequence", "model": "claude-2.1"},
        ("claude-2.1", "Hi", None, None, None, "stop_sequence"),
    ),
    "a transcription": (
        {"text": "Hi", "usage": {"type": "tokens", "input_tokens": 10, "output_tokens": 5, "total_tokens": 15}},
        (None, "Hi", None, 10, 5, None),
    ),
    "a line of openai's batch": (
        {"custom_id": "1", "response": {"status_code": 200, "body": CHAT}, "error": None},
        ("gpt-4o", "Hi", None, 10, 5, "stop"),
    ),
    "a line of anthropic's batch": (
        {"custom_id": "1", "result": {"type": "succeeded", "message": ANTHROPIC}},
        ("claude", "Hi", None, 10, 5, "end_turn"),
    ),
    "watsonx": (
        {
            "model_id": "granite",
            "results": [
                {
                    "generated_text": "Hi",
                    "generated_token_count": 5,
                    "input_token_count": 10,
                    "stop_reason": "eos_token",
                }
            ],
        },
        ("granite", "Hi", None, 10, 5, "eos_token"),
    ),
    "autogen": (
        CreateResult(finish_reason="stop", content="Hi", usage=Used(prompt_tokens=10, completion_tokens=5)),
        (None, "Hi", None, 10, 5, "stop"),
    ),
    "a message": ({"role": "assistant", "content": "Hi"}, (None, "Hi", None, None, None, None)),
    "google's agent kit": (
        {
            "content": {"role": "model", "parts": [{"text": "Hi"}]},
            "usage_metadata": {"prompt_token_count": 10, "candidates_token_count": 5},
            "finish_reason": "STOP",
        },
        (None, "Hi", None, 10, 5, "STOP"),
    ),
}


def said(recorded: dict[str, Any], place: int = 0) -> tuple[Any, ...]:
    """Model, words, tool call, prompt tokens, completion tokens and finish reason of a record."""
    base = f"llm.output_messages.{place}.message"
    call = f"{base}.tool_calls.0.tool_call"
    made = {
        "id": recorded.get(f"{call}.id"),
        "name": recorded.get(f"{call}.function.name"),
        "arguments": recorded.get(f"{call}.function.arguments"),
    }
    return (
        recorded.get("llm.model_name"),
        recorded.get("output.value"),
        made if made["name"] else None,
        recorded.get("llm.token_count.prompt"),
        recorded.get("llm.token_count.completion"),
        recorded.get("llm.finish_reason"),
    )


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_says_what_it_says(name):
    """Model, words, tool call, tokens and reason are those of the answer; the words are the output's value."""
    answer, expected = WHOLE[name]
    recorded = llm_answer(answer)
    assert said(recorded) == expected
    assert recorded[f"{OUT}.role"] in ("assistant", "model")
    assert recorded["output.mime_type"] == "text/plain"


def test_a_list_of_messages_is_each_of_them():
    """A conversation as an answer is one message each, as OpenAI's Assistants return it, the newest last."""
    recorded = llm_answer(ASSISTANTS)
    assert [recorded[f"llm.output_messages.{place}.message.role"] for place in (0, 1)] == ["user", "assistant"]
    assert recorded["output.value"] == "Hi"


def pieces(*deltas: dict[str, Any], **last: Any) -> list[dict[str, Any]]:
    """Chunks of a chat completion."""
    chunks = [{"model": "gpt-4o", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"model": "gpt-4o", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **last})
    return chunks


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]

STREAMS: dict[str, tuple[list[Any], tuple[Any, ...]]] = {
    "groq": (
        pieces({"content": "Hi"}, x_groq={"id": "r", "usage": USAGE}),
        ("gpt-4o", "Hi", None, 10, 5, "stop"),
    ),
    "mistral": (
        [
            CompletionEvent.model_validate({"data": {"id": "m", **chunk}})
            for chunk in [
                {"model": "m", "choices": [{"index": 0, "delta": {"content": THINKING}, "finish_reason": None}]},
                {
                    "model": "m",
                    "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}],
                    "usage": USAGE,
                },
            ]
        ],
        ("m", "Hi", None, 10, 5, "stop"),
    ),
    "langchain": (
        [
            AIMessage(type="AIMessageChunk", content="H"),
            AIMessage(
                type="AIMessageChunk",
                content=[{"type": "text", "text": "i", "index": 0}],
                tool_call_chunks=[{"name": "f", "args": '{"a"', "id": "c1", "index": 0}],
            ),
            AIMessage(
                type="AIMessageChunk",
                tool_call_chunks=[{"name": None, "args": ":1}", "id": None, "index": 0}],
                usage_metadata={"input_tokens": 10, "output_tokens": 2, "total_tokens": 12},
            ),
            AIMessage(
                type="AIMessageChunk",
                response_metadata={"finish_reason": "stop", "model_name": "gpt-4o"},
                usage_metadata={"input_tokens": 0, "output_tokens": 3, "total_tokens": 3},
            ),
        ],
        ("gpt-4o", "Hi", CALL, 10, 5, "stop"),
    ),
    "llama-index with raw": (
        [
            ChatResponse(message=LlamaMessage(blocks=[]), delta="x", raw=chunk)
            for chunk in pieces({"content": "H"}, {"content": "i"}, usage=USAGE)
        ],
        ("gpt-4o", "Hi", None, 10, 5, "stop"),
    ),
    "llama-index without raw": (
        [
            ChatResponse(message=LlamaMessage(blocks=[{"text": "H"}]), delta="H"),
            ChatResponse(message=LlamaMessage(blocks=[{"text": "Hi"}]), delta="i"),
        ],
        (None, "Hi", None, None, None, None),
    ),
    "pydantic-ai": (
        [
            PartStartEvent(index=0, part=TextPart(content="H")),
            PartDeltaEvent(index=0, delta=TextPartDelta(content_delta="i")),
            PartStartEvent(index=1, part=ToolCallPart("f", '{"a"', "c1")),
            PartDeltaEvent(index=1, delta=ToolCallPartDelta(args_delta=":1}")),
        ],
        (None, "Hi", CALL, None, None, None),
    ),
    "bedrock converse": (
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}, "contentBlockIndex": 0}},
            {"contentBlockDelta": {"delta": {"text": "Hi"}, "contentBlockIndex": 1}},
            {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "c1", "name": "f"}}, "contentBlockIndex": 2}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"a":'}}, "contentBlockIndex": 2}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": "1}"}}, "contentBlockIndex": 2}},
            {"contentBlockStop": {"contentBlockIndex": 2}},
            {"messageStop": {"stopReason": "tool_use"}},
            {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}}},
        ],
        (None, "Hi", CALL, 10, 5, "tool_use"),
    ),
    "cohere": (
        [
            {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant", "content": []}}},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "hm"}}},
            {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
            {
                "type": "tool-call-start",
                "index": 0,
                "delta": {"message": {"tool_calls": {"id": "c1", "function": {"name": "f", "arguments": ""}}}},
            },
            {
                "type": "tool-call-delta",
                "index": 0,
                "delta": {"message": {"tool_calls": {"function": {"arguments": '{"a":1}'}}}},
            },
            {
                "type": "message-end",
                "delta": {
                    "finish_reason": "TOOL_CALL",
                    "usage": {"tokens": {"input_tokens": 10, "output_tokens": 5}},
                },
            },
        ],
        (None, "Hi", CALL, 10, 5, "TOOL_CALL"),
    ),
    "llama.cpp": (
        [
            {"content": "H", "stop": False, "tokens_predicted": 1},
            {"content": "i", "stop": False},
            {
                "content": "",
                "stop": True,
                "model": "ggml",
                "tokens_predicted": 5,
                "tokens_evaluated": 10,
                "stop_type": "limit",
            },
        ],
        ("ggml", "Hi", None, 10, 5, "limit"),
    ),
    "hugging face server": (
        [
            {"token": {"text": "H", "special": False}, "generated_text": None},
            {"token": {"text": "i", "special": False}, "generated_text": None},
            {
                "token": {"text": "</s>", "special": True},
                "generated_text": "Hi",
                "details": {"finish_reason": "eos_token", "generated_tokens": 5},
            },
        ],
        (None, "Hi", None, None, 5, "eos_token"),
    ),
    "a home-made one": ([{"delta": "H"}, {"delta": "i"}], (None, "Hi", None, None, None, None)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_streamed_answer_says_what_the_whole_one_would(name):
    """The pieces become the same record: words, tool call, tokens, reason."""
    chunks, expected = STREAMS[name]
    accumulator = llm_accumulator(chunks[0])
    for chunk in chunks:
        accumulator.add(chunk)
    assert said(accumulator.attributes()) == expected


@pytest.mark.parametrize("name", sorted(STREAMS.keys() - {"a home-made one", "llama-index without raw"}))
def test_chunks_that_the_app_gathered_are_recorded_as_the_stream_would_have_been(name):
    """A list of all chunks, given to record_output, is the answer that they make up."""
    chunks, expected = STREAMS[name]
    assert said(llm_answer(chunks)) == expected


def test_a_conversation_of_pydantic_ai_is_its_messages():
    """Requests are taken apart into system, user and tool messages; a response is the assistant's."""
    into: dict[str, Any] = {}
    conversation = [
        ModelRequest(parts=[SystemPromptPart(content="Be brief."), UserPromptPart(content="Hi")]),
        PYDANTIC_AI,
        ModelRequest(parts=[ToolReturnPart(tool_name="f", content={"x": 1}, tool_call_id="c1")]),
    ]
    put_messages(into, "llm.input_messages", conversation)
    roles = [into[f"llm.input_messages.{place}.message.role"] for place in range(4)]
    assert roles == ["system", "user", "assistant", "tool"]
    assert into["llm.input_messages.1.message.content"] == "Hi"
    assert into["llm.input_messages.2.message.tool_calls.0.tool_call.function.name"] == "f"
    assert into["llm.input_messages.3.message.content"] == '{"x":1}'


def test_a_conversation_of_converse_is_its_messages():
    """Texts, images, tool uses and results of Bedrock's Converse are what they are elsewhere."""
    into: dict[str, Any] = {}
    conversation = [
        {"role": "user", "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": b"abc"}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"json": {"x": 1}}]}}]},
    ]
    put_messages(into, "llm.input_messages", conversation)
    first = "llm.input_messages.0.message.contents"
    assert into[f"{first}.0.message_content.text"] == "Hi"
    assert into[f"{first}.1.message_content.image.image.url"] == "data:image/png;base64,YWJj"
    assert into["llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments"] == '{"a":1}'
    assert into["llm.input_messages.2.message.role"] == "tool"
    assert into["llm.input_messages.2.message.tool_call_id"] == "c1"


@pytest.mark.parametrize(
    "answer",
    [
        {"answer": "yes", "score": 1},
        {"text": "Hi"},
        {"result": {"a": 1}},
        {"data": [1]},
        {"error": {"x": "no"}},
        [],
        5,
    ],
)
def test_what_is_no_models_answer_is_kept_as_it_is(answer):
    """A value of no known shape is the output's value as JSON, whole."""
    recorded = llm_answer(answer)
    assert recorded["output.mime_type"] == "application/json"
    assert recorded[f"{OUT}.content"] == recorded["output.value"]


def test_a_mock_is_no_answer_of_anybody():
    """A mock has every field; it is taken for none of the shapes."""
    recorded = llm_answer(MagicMock())
    assert "MagicMock" in recorded["output.value"]
    assert "llm.model_name" not in recorded


def test_what_an_answer_refers_to_and_what_it_cost_are_kept():
    """Citations, annotations, the provider's own tools and its bill are on the record."""
    cited = {"type": "char_location", "cited_text": "x"}
    message = {**ANTHROPIC, "content": [{"type": "text", "text": "Hi", "citations": [cited]}]}
    message["usage"] = {"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": 2}}
    recorded = llm_answer(message)
    assert json.loads(recorded["llmtrace.llm.citations"]) == [cited]
    assert recorded["llmtrace.llm.server_tools.web_search_requests"] == 2
    whole = {"role": "assistant", "content": "Hi", "annotations": [{"type": "url_citation"}]}
    priced = {**CHAT, "choices": [{"message": whole}], "usage": {"cost": {"total_cost": 0.008}}}
    recorded = llm_answer(priced)
    assert json.loads(recorded["llmtrace.llm.citations"]) == [{"type": "url_citation"}]
    assert recorded["llm.cost.total"] == 0.008
    assert "llm.cost.total" not in llm_answer({**CHAT, "usage": {"cost": "much"}})


def test_what_the_provider_ran_itself_and_why_it_failed_are_kept():
    """The result of a provider's own call stands beside the call; the error of a failed response is the output."""
    ran = {"type": "mcp_call", "id": "mc", "name": "roll", "arguments": "{}", "output": "4", "error": None}
    recorded = llm_answer({"object": "response", "model": "m", "output": [ran]})
    assert recorded[f"{OUT}.tool_calls.0.tool_call.function.name"] == "roll"
    assert recorded[f"{OUT}.contents.0.message_content.text"] == "4"
    failed = {"object": "response", "status": "failed", "error": {"message": "boom"}, "output": []}
    assert llm_answer(failed)["output.value"] == '{"message":"boom"}'
    assert llm_answer(failed)["llm.finish_reason"] == "failed"


def test_a_transcription_counts_what_was_heard():
    """Of the tokens of a transcription those that were audio are said."""
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19}
    found = llm_answer({"text": "Hello.", "usage": {**usage, "input_token_details": {"audio_tokens": 12}}})
    assert (found["llm.token_count.prompt"], found["llm.token_count.prompt_details.audio"]) == (14, 12)


@pytest.mark.parametrize("beside", [{"inputTextTokenCount": 3}, {"meta": {"billed_units": {"input_tokens": 3}}}])
def test_tokens_of_an_embedding_are_counted_wherever_they_stand(beside):
    """Amazon's Titan and Cohere count the tokens of an embedding in places of their own."""
    found = embedding.attributes({"embeddings": [[0.5, 0.25]], **beside})
    assert (found["llm.token_count.prompt"], found["llmtrace.embedding.vectors"]) == (3, 1)


IN = "llm.input_messages"


@pytest.mark.parametrize(
    "conversation",
    [
        [("system", "Be brief."), ["human", "Rain?"]],
        ChatPromptValue(messages=[langchain.SystemMessage("Be brief."), langchain.HumanMessage("Rain?")]),
    ],
)
def test_a_conversation_as_langchain_lets_one_write_it_is_its_messages(conversation):
    """Pairs of a speaker and a text, and the value of a prompt template."""
    into: dict[str, Any] = {}
    put_messages(into, IN, conversation)
    assert into == {
        f"{IN}.0.message.role": "system",
        f"{IN}.0.message.content": "Be brief.",
        f"{IN}.1.message.role": "user",
        f"{IN}.1.message.content": "Rain?",
    }


def test_the_value_of_a_text_template_is_the_prompt():
    """LangChain's StringPromptValue."""
    into: dict[str, Any] = {}
    put_messages(into, IN, StringPromptValue(text="Rain?"))
    assert into == {f"{IN}.0.message.role": "user", f"{IN}.0.message.content": "Rain?"}


def test_a_message_of_no_known_shape_is_kept_as_json():
    """What the model was given is not hidden because nobody knows its shape."""
    into: dict[str, Any] = {}
    put_messages(into, IN, [{"question": "Rain?"}])
    assert into == {f"{IN}.0.message.role": "user", f"{IN}.0.message.content": '{"question":"Rain?"}'}


def test_chunks_in_pairs_with_where_they_come_from_are_read():
    """LangGraph's stream of messages."""
    chunks = [(langchain.AIMessageChunk(content=word), {"langgraph_node": "agent"}) for word in ("It ", "rains.")]
    whole = llm_accumulator(chunks[0])
    for chunk in chunks:
        whole.add(chunk)
    assert whole.attributes()[f"{OUT}.content"] == "It rains."


def test_a_call_that_langchain_could_not_parse_is_recorded():
    """Arguments that are no JSON are what one looks for."""
    bad = {"name": "search", "args": "{oops", "id": "1", "error": None, "type": "invalid_tool_call"}
    found = llm_answer(langchain.AIMessage("", invalid_tool_calls=[bad], response_metadata={"model_name": "m"}))
    call = f"{OUT}.tool_calls.0.tool_call"
    assert (found[f"{call}.function.name"], found[f"{call}.function.arguments"]) == ("search", "{oops")


MEDIA = [
    ({"type": "audio", "base64": "UklG", "mime_type": "audio/wav"}, "audio", "data:audio/wav;base64,UklG"),
    ({"type": "audio", "url": "https://x/a.mp3"}, "audio", "https://x/a.mp3"),
    ({"type": "video", "url": "https://x/a.mp4"}, "video", "https://x/a.mp4"),
    ({"type": "media", "data": "JVBE", "mime_type": "application/pdf"}, "document", "data:application/pdf;base64,JVBE"),
    (
        {"type": "file", "base64": "JVBE", "mime_type": "application/pdf"},
        "document",
        "data:application/pdf;base64,JVBE",
    ),
    ({"type": "video_url", "video_url": {"url": "https://x/a.mp4"}}, "video", "https://x/a.mp4"),
    ({"type": "audio_url", "audio_url": {"url": "https://x/a.mp3"}}, "audio", "https://x/a.mp3"),
    (AudioUrl(url="https://x/a.mp3"), "audio", "https://x/a.mp3"),
    (VideoUrl(url="https://x/a.mp4"), "video", "https://x/a.mp4"),
    (DocumentUrl(url="https://x/a.pdf"), "document", "https://x/a.pdf"),
    (ImageUrl(url="https://x/a.png"), "image", "https://x/a.png"),
    (BinaryContent(b"%PDF", media_type="application/pdf"), "document", "data:application/pdf;base64,JVBERg=="),
    (BinaryContent(b"RIFF", media_type="audio/wav"), "audio", "data:audio/wav;base64,UklGRg=="),
]


@pytest.mark.parametrize(("part", "kind", "url"), MEDIA)
def test_what_is_given_beside_text_is_recorded_as_what_it_is(part, kind, url):
    """Audio, video and documents of LangChain, vLLM and Pydantic AI are no images, and no JSON."""
    is_dict = isinstance(part, dict)
    message = {"role": "user", "content": [part]} if is_dict else ModelRequest(parts=[UserPromptPart([part])])
    into: dict[str, Any] = {}
    put_messages(into, IN, [message])
    given = f"{IN}.0.message.contents.0.message_content"
    assert (into[f"{given}.type"], into[f"{given}.{kind}.{kind}.url"]) == (kind, url)


def test_instructions_of_pydantic_ai_are_the_system_prompt():
    """They stand beside the parts of a request."""
    into: dict[str, Any] = {}
    put_messages(into, IN, [ModelRequest(parts=[UserPromptPart("Rain?")], instructions="Be brief.")])
    assert [into[f"{IN}.{place}.message.content"] for place in (0, 1)] == ["Be brief.", "Rain?"]
    assert into[f"{IN}.0.message.role"] == "system"


def test_audio_tokens_of_pydantic_ai_are_counted():
    """What was heard and said aloud, beside the other counts."""
    usage = RequestUsage(input_tokens=9, output_tokens=5, input_audio_tokens=4, output_audio_tokens=2)
    found = llm_answer(ModelResponse(parts=[TextPart("Hi")], usage=usage))
    counts = [found[f"llm.token_count.{name}_details.audio"] for name in ("prompt", "completion")]
    assert counts == [4, 2]
