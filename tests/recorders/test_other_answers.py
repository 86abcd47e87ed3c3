"""Answers that stand inside others, one after another or beside their sources: of clouds, hosts and frameworks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from llmtrace._attributes import put_messages
from llmtrace.recorders import llm_accumulator, llm_answer

OUT = "llm.output_messages.0.message"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
CHAT = {
    "id": "chat-1",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
AI = {
    "type": "ai",
    "content": "Hi",
    "response_metadata": {"model_name": "m", "finish_reason": "stop"},
    "usage_metadata": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}


class Person(BaseModel):
    """What Instructor makes of an answer."""

    name: str = "Ann"


def made(raw: Any) -> Person:
    """As Instructor returns it."""
    person = Person()
    object.__setattr__(person, "_raw_response", raw)
    return person


# name: the answer, and what of (model, words, prompt tokens, completion tokens, reason) it says.
WHOLE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "instructor": (made(CHAT), ("m", "Hi", 10, 5, "stop")),
    "instructor, with the completion": ((Person(), CHAT), ("m", "Hi", 10, 5, "stop")),
    "an event of langchain": ({"event": "on_chat_model_end", "data": {"output": AI}}, ("m", "Hi", 10, 5, "stop")),
    "langchain, without messages": (
        {
            "generations": [[{"text": "Hi", "generation_info": None}]],
            "llm_output": {"model_name": "m", "token_usage": USAGE},
        },
        ("m", "Hi", 10, 5, None),
    ),
    "dashscope": (
        {
            "status_code": 200,
            "request_id": "r",
            "output": {"text": None, "choices": CHAT["choices"]},
            "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        },
        (None, "Hi", 10, 5, "stop"),
    ),
    "dashscope, a text": (
        {"output": {"text": "Hi", "finish_reason": "stop"}, "usage": {"input_tokens": 10, "output_tokens": 5}},
        (None, "Hi", 10, 5, "stop"),
    ),
    "replicate": (
        {"model": "m", "output": ["H", "i"], "metrics": {"input_token_count": 10, "output_token_count": 5}},
        ("m", "Hi", 10, 5, None),
    ),
    "bedrock, cohere": (
        {"id": "c", "generations": [{"id": "g", "text": "Hi", "finish_reason": "COMPLETE"}], "prompt": "q"},
        (None, "Hi", None, None, "COMPLETE"),
    ),
    "bedrock, deepseek": ({"choices": [{"text": "Hi", "stop_reason": "stop"}]}, (None, "Hi", None, None, "stop")),
    "bedrock, of a knowledge base": (
        {"sessionId": "s", "output": {"text": "Hi"}, "citations": [{"retrievedReferences": []}]},
        (None, "Hi", None, None, None),
    ),
}


def said(recorded: dict[str, Any]) -> tuple[Any, ...]:
    """Model, words, prompt tokens, completion tokens and finish reason of a record."""
    names = ("llm.model_name", "output.value", "llm.token_count.prompt", "llm.token_count.completion")
    return tuple(recorded.get(name) for name in (*names, "llm.finish_reason"))


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_inside_another_says_what_it_says(name):
    """What stands around it changes nothing, and counts that stand beside it are its own."""
    answer, expected = WHOLE[name]
    assert said(llm_answer(answer)) == expected


def streamed(chunks: list[Any]) -> tuple[dict[str, Any], list[int]]:
    """What is recorded of a stream, and which chunks counted as the answer's."""
    accumulator = llm_accumulator(chunks[0])
    brought = [place for place, chunk in enumerate(chunks) if accumulator.add(chunk)]
    return accumulator.attributes(), brought


def in_bytes(*chunks: dict[str, Any]) -> list[Any]:
    """Events of ``invoke_model_with_response_stream``."""
    return [{"chunk": {"bytes": json.dumps(chunk).encode()}} for chunk in chunks]


CLAUDE = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": []}
STREAMS: dict[str, tuple[list[Any], tuple[Any, ...], list[int]]] = {
    "bedrock, claude": (
        in_bytes(
            {"type": "message_start", "message": {**CLAUDE, "usage": {"input_tokens": 10, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        ),
        ("m", "Hi", 10, 5, "end_turn"),
        [2],
    ),
    "bedrock, titan": (
        in_bytes(
            {"outputText": "H", "index": 0, "totalOutputTextTokenCount": None, "inputTextTokenCount": 10},
            {"outputText": "i", "index": 0, "totalOutputTextTokenCount": 5, "completionReason": "FINISH"},
        ),
        (None, "Hi", 10, 5, "FINISH"),
        [0, 1],
    ),
    "bedrock, nova": (
        in_bytes(
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}},
            {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": {"inputTokens": 10, "outputTokens": 5}}},
        ),
        (None, "Hi", 10, 5, "end_turn"),
        [1],
    ),
    "events of langchain": (
        [
            {"event": "on_chat_model_start", "data": {"input": {}}},
            {"event": "on_chat_model_stream", "data": {"chunk": {**AI, "type": "AIMessageChunk"}}},
        ],
        ("m", "Hi", 10, 5, "stop"),
        [1],
    ),
    "events of a page": (
        [
            {"type": "start", "messageId": "1"},
            {"type": "text-start", "id": "0"},
            {"type": "text-delta", "id": "0", "delta": "H"},
            {"type": "text-delta", "id": "0", "delta": "i"},
            {"type": "finish"},
        ],
        (None, "Hi", None, None, None),
        [2, 3],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_inside_another_says_what_it_says(name):
    """Only what brings words counts as the answer's, so the time to the first token is that."""
    chunks, expected, words = STREAMS[name]
    found, brought = streamed(chunks)
    assert said(found) == expected
    assert brought == words


def test_events_without_any_words_are_not_lost():
    """Where a stream of unknown events never says a word, the events themselves are what is known."""
    found, brought = streamed([{"type": "start"}, {"type": "stop", "why": "bored"}])
    assert found["output.value"] == '{"type":"start"}{"type":"stop","why":"bored"}'
    assert brought == []


def test_whole_answers_one_after_another_are_each_a_message():
    """A tool runner gives message after message: all are kept, their tokens add up, the last one is the output."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    usage = {"input_tokens": 10, "output_tokens": 5}
    first = {**CLAUDE, "content": [use], "stop_reason": "tool_use", "usage": usage}
    last = {
        **CLAUDE,
        "id": "msg_2",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    found, brought = streamed([first, last])
    assert brought == [0, 1]
    assert said(found) == ("m", "Hi", 20, 10, "end_turn")
    assert found[f"{OUT}.tool_calls.0.tool_call.function.name"] == "f"
    assert found["llm.output_messages.1.message.contents.0.message_content.text"] == "Hi"
    assert llm_answer([CHAT, {**CHAT, "id": "chat-2"}])["llm.token_count.total"] == 30
    again, _ = streamed([first, last, last])
    assert again == found


def test_whole_answers_without_an_end_are_bounded():
    """A stream of answers that never ends keeps some of them, and the last."""
    accumulator = llm_accumulator(CHAT)
    for number in range(1_000):
        accumulator.add({**CHAT, "id": f"chat-{number}", "model": f"m{number}"})
    found = accumulator.attributes()
    assert found["llm.model_name"] == "m999"
    assert len(found) < 500


REFERENCE = {"url": "https://a.example"}
SOURCES: dict[str, Any] = {
    "perplexity": {**CHAT, "citations": ["https://a.example"]},
    "perplexity, results": {**CHAT, "search_results": [REFERENCE]},
    "cohere": {
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], "citations": [REFERENCE]},
    },
    "cohere 1": {"text": "Hi", "generation_id": "g", "citations": [REFERENCE]},
    "gemini": {
        "candidates": [
            {"content": {"parts": [{"text": "Hi"}]}, "groundingMetadata": {"groundingChunks": [{"web": REFERENCE}]}}
        ]
    },
    "gemini, quoted": {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "citation_metadata": {"citations": [REFERENCE]}}]
    },
    "converse": {
        "output": {
            "message": {"content": [{"citationsContent": {"content": [{"text": "Hi"}], "citations": [REFERENCE]}}]}
        }
    },
}
SOURCE_STREAMS: dict[str, list[Any]] = {
    "perplexity": [
        {
            "object": "chat.completion.chunk",
            "citations": ["https://a.example"],
            "choices": [{"delta": {"content": word}}],
        }
        for word in "Hi"
    ],
    "cohere": [
        {"type": "message-start", "delta": {"message": {"role": "assistant", "citations": []}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": REFERENCE}}},
    ],
    "gemini": [
        {"candidates": [{"content": {"parts": [{"text": "H"}]}}]},
        {
            "candidates": [
                {"content": {"parts": [{"text": "i"}]}, "groundingMetadata": {"groundingChunks": [{"web": REFERENCE}]}}
            ]
        },
    ],
    "converse": [
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi"}}},
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"citation": REFERENCE}}},
    ],
}


@pytest.mark.parametrize("name", [*SOURCES, *(f"{name}, streamed" for name in SOURCE_STREAMS)])
def test_what_an_answer_refers_to_is_kept(name):
    """Pages and documents that a provider names, wherever it does, once each, beside the words of the answer."""
    chunks = SOURCE_STREAMS.get(name.removesuffix(", streamed")) if name.endswith(", streamed") else None
    found = llm_answer(SOURCES[name]) if chunks is None else streamed(chunks)[0]
    assert found["output.value"] == "Hi"
    assert len(json.loads(found["llmtrace.llm.citations"])) == 1
    assert "https://a.example" in found["llmtrace.llm.citations"]


def test_what_converse_hides_or_gives_beside_text_is_recorded():
    """Hidden thoughts as opaque data; documents, audio and video as what they are, also by their address in S3."""
    content = [
        {"reasoningContent": {"redactedContent": b"abc"}},
        {"document": {"name": "report", "format": "pdf", "source": {"bytes": b"abc"}}},
        {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://bucket/film.mp4"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": b"abc"}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://bucket/image.png"}}}},
    ]
    into: dict[str, Any] = {}
    put_messages(into, "llm.input_messages", [{"role": "user", "content": content}])
    base = "llm.input_messages.0.message.contents"
    kinds = [into[f"{base}.{place}.message_content.type"] for place in range(5)]
    assert kinds == ["reasoning", "document", "video", "audio", "image"]
    assert into[f"{base}.0.message_content.data"] == "YWJj"
    assert into[f"{base}.1.message_content.document.document.url"] == "data:application/pdf;base64,YWJj"
    assert into[f"{base}.1.message_content.document.document.name"] == "report"
    assert into[f"{base}.2.message_content.video.video.url"] == "s3://bucket/film.mp4"
    assert into[f"{base}.4.message_content.image.image.url"] == "s3://bucket/image.png"
    found, _ = streamed(
        [
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"redactedContent": b"abc"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "Hi"}}},
        ]
    )
    assert found[f"{OUT}.contents.0.message_content.data"] == "YWJj"
    assert found["output.value"] == "Hi"


def test_a_call_whose_arguments_are_called_parameters_is_a_call():
    """Cohere's first version calls them so."""
    found = llm_answer({"text": "", "generation_id": "g", "tool_calls": [{"name": "f", "parameters": {"a": 1}}]})
    assert found[f"{OUT}.tool_calls.0.tool_call.function.arguments"] == '{"a":1}'
