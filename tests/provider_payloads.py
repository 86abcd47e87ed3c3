"""Requests and answers as the providers document and send them, for the tests of the recorders."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any

from provider_server import Framing, Reply


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a provider: what the app asks, what the server says.

    Attributes:
        name: What is special about it.
        request: The arguments of the SDK's method.
        reply: The answer; one in chunks is a stream.
    """

    name: str
    request: dict[str, Any]
    reply: Reply

    @property
    def is_stream(self) -> bool:
        """Whether the answer comes in chunks."""
        return self.reply.framing is not Framing.JSON


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of France?"}]
WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


# OpenAI chat completions.

CHAT_TOOL = {"type": "function", "function": {"name": "weather", "description": "Now", "parameters": WEATHER_SCHEMA}}
CHAT_CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}},
]
CHAT_USAGE = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 4, "cache_write_tokens": 12},
    "completion_tokens_details": {
        "reasoning_tokens": 128,
        "audio_tokens": 7,
        "accepted_prediction_tokens": 5,
        "rejected_prediction_tokens": 2,
    },
}


def choice(index: int = 0, reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """A choice of a whole answer."""
    return {"index": index, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": reason}


def chat(*choices: dict[str, Any], usage: dict[str, Any] | None = CHAT_USAGE, **fields: Any) -> dict[str, Any]:
    """A whole chat completion."""
    answer = {
        "id": "chatcmpl-C1",
        "object": "chat.completion",
        "created": 1_763_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": list(choices),
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        **fields,
    }
    return {key: value for key, value in answer.items() if value is not ...}


def delta(index: int | None = 0, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A choice of a chunk."""
    found = {"index": index, "delta": fields, "logprobs": None, "finish_reason": reason}
    return {key: value for key, value in found.items() if key != "index" or value is not None}


def chunk(*choices: dict[str, Any], usage: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    return chat(*choices, usage=usage, **{"object": "chat.completion.chunk", **fields})


def piece(index: int | None = 0, identity: str | None = None, **function: str) -> dict[str, Any]:
    """A piece of a tool call."""
    found: dict[str, Any] = {"index": index, "id": identity, "type": "function", "function": function}
    return {key: value for key, value in found.items() if value is not None}


def chat_stream(*chunks: dict[str, Any]) -> Reply:
    """A streamed chat completion."""
    return Reply(list(chunks), Framing.OPENAI)


_CHAT = {"model": "gpt-4o-mini", "messages": ASK, "temperature": 0.2}
_TEXT = (chunk(delta(role="assistant", content="")), chunk(delta(content="Pa")), chunk(delta(content="ris.")))
_END = chunk(delta(reason="stop"))
_COUNT = chunk(usage=CHAT_USAGE)

CHAT_WHOLE = [
    Call("words", _CHAT, Reply(chat(choice(content="Paris.", refusal=None, annotations=[])))),
    Call("no usage", _CHAT, Reply(chat(choice(content="Paris."), usage=None))),
    Call("usage left out", _CHAT, Reply(chat(choice(content="Paris."), usage=...))),  # type: ignore[arg-type]
    Call(
        "tools",
        {**_CHAT, "tools": [CHAT_TOOL]},
        Reply(chat(choice(reason="tool_calls", content=None, tool_calls=CHAT_CALLS))),
    ),
    Call(
        "tool results in the conversation",
        {
            **_CHAT,
            "messages": [
                *ASK,
                {"role": "assistant", "content": None, "tool_calls": CHAT_CALLS},
                {"role": "tool", "tool_call_id": "call_1", "content": "Sun"},
                {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "Rain"}]},
                {"role": "user", "name": "ann", "content": "And now?"},
            ],
        },
        Reply(chat(choice(content="Sun in Paris."))),
    ),
    Call(
        "images and audio in the input",
        {
            **_CHAT,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
                        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                        {
                            "type": "file",
                            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                        },
                    ],
                }
            ],
        },
        Reply(chat(choice(content="A cat."))),
    ),
    Call(
        "several choices",
        {**_CHAT, "n": 2},
        Reply(chat(choice(content="Paris."), choice(1, "length", content="It is"), usage=CHAT_USAGE)),
    ),
    Call("a refusal", _CHAT, Reply(chat(choice(content=None, refusal="I cannot help with that.")))),
    Call(
        "an answer aloud",
        {**_CHAT, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
        Reply(
            chat(
                choice(
                    content=None, audio={"id": "audio_1", "data": "UklGRg==", "expires_at": 1, "transcript": "Paris."}
                )
            )
        ),
    ),
    Call(
        "the old function call",
        {
            **_CHAT,
            "messages": [
                *ASK,
                {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
            ],
        },
        Reply(
            chat(
                choice(
                    reason="function_call",
                    content=None,
                    function_call={"name": "weather", "arguments": '{"city": "Paris"}'},
                )
            )
        ),
    ),
    Call("cut off by the filter", _CHAT, Reply(chat(choice(reason="content_filter", content="Par")))),
    Call(
        "reasoning_content, as DeepSeek and vLLM",
        _CHAT,
        Reply(chat(choice(content="Paris.", reasoning_content="France ..."))),
    ),
    Call("reasoning, as OpenRouter", _CHAT, Reply(chat(choice(content="Paris.", reasoning="France ...")))),
    Call(
        "calls without ids and types",
        {**_CHAT, "tools": [CHAT_TOOL]},
        Reply(
            chat(choice(content="", tool_calls=[{"function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]))
        ),
    ),
    Call("no choice", _CHAT, Reply(chat())),
    Call("a choice without index", _CHAT, Reply(chat({"message": {"role": "assistant", "content": "Paris."}}))),
    Call("an empty message", _CHAT, Reply(chat(choice(content=None)))),
]

CHAT_STREAMS = [
    Call("words", _CHAT, chat_stream(*_TEXT, _END)),
    Call("words and usage", {**_CHAT, "stream_options": {"include_usage": True}}, chat_stream(*_TEXT, _END, _COUNT)),
    Call("usage in every chunk", _CHAT, chat_stream(*({**part, "usage": CHAT_USAGE} for part in (*_TEXT, _END)))),
    Call(
        "a first chunk without choices, as Azure", _CHAT, chat_stream(chunk(object="", model=""), *_TEXT, _END, _COUNT)
    ),
    Call(
        "tool calls in pieces",
        {**_CHAT, "tools": [CHAT_TOOL]},
        chat_stream(
            chunk(delta(role="assistant", content=None, tool_calls=[piece(0, "call_1", name="weather", arguments="")])),
            chunk(delta(tool_calls=[piece(0, arguments='{"city": ')])),
            chunk(delta(tool_calls=[piece(0, arguments='"Paris"}')])),
            chunk(delta(tool_calls=[piece(1, "call_2", name="weather", arguments="")])),
            chunk(delta(tool_calls=[piece(1, arguments='{"city": "Rome"}')])),
            chunk(delta(reason="tool_calls")),
            _COUNT,
        ),
    ),
    Call(
        "tool calls out of order, names repeated",
        {**_CHAT, "tools": [CHAT_TOOL]},
        chat_stream(
            chunk(delta(role="assistant", tool_calls=[piece(1, "call_2", name="weather", arguments='{"city"')])),
            chunk(delta(tool_calls=[piece(0, "call_1", name="weather", arguments='{"city": "Paris"}')])),
            chunk(delta(tool_calls=[piece(1, name="weather", arguments=': "Rome"}')])),
            chunk(delta(reason="tool_calls")),
        ),
    ),
    Call(
        "tool calls without index",
        {**_CHAT, "tools": [CHAT_TOOL]},
        chat_stream(
            chunk(
                delta(
                    role="assistant", tool_calls=[piece(None, "call_1", name="weather", arguments='{"city": "Paris"}')]
                )
            ),
            chunk(delta(reason="tool_calls")),
        ),
    ),
    Call(
        "several choices, mixed",
        {**_CHAT, "n": 2},
        chat_stream(
            chunk(delta(0, role="assistant", content="Pa"), delta(1, role="assistant", content="It ")),
            chunk(delta(1, content="is")),
            chunk(delta(0, content="ris.")),
            chunk(delta(1, "length")),
            chunk(delta(0, "stop")),
        ),
    ),
    Call(
        "a refusal",
        _CHAT,
        chat_stream(chunk(delta(role="assistant", refusal="I can")), chunk(delta(refusal="not.")), _END),
    ),
    Call(
        "reasoning_content",
        _CHAT,
        chat_stream(
            chunk(delta(role="assistant", content=None, reasoning_content="Fra")),
            chunk(delta(content=None, reasoning_content="nce")),
            *_TEXT[1:],
            _END,
        ),
    ),
    Call(
        "the old function call",
        _CHAT,
        chat_stream(
            chunk(delta(role="assistant", content=None, function_call={"name": "weather", "arguments": ""})),
            chunk(delta(function_call={"arguments": '{"city": "Paris"}'})),
            chunk(delta(reason="function_call")),
        ),
    ),
    Call("no role", _CHAT, chat_stream(*_TEXT[1:], _END)),
    Call("two finish reasons", _CHAT, chat_stream(*_TEXT, chunk(delta(reason="length")), _END)),
    Call("no finish reason", _CHAT, chat_stream(*_TEXT)),
]


# OpenAI's text completions.

_COMPLETION = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 5}


def completion(*texts: str, reason: str | None = "length", usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """A text completion, whole or a chunk."""
    choices = [
        {"index": index, "text": words, "finish_reason": reason, "logprobs": None} for index, words in enumerate(texts)
    ]
    return chat(*choices, usage=usage, object="text_completion", model="gpt-3.5-turbo-instruct")


_FEW = {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}
COMPLETIONS_WHOLE = [
    Call("words", _COMPLETION, Reply(completion(" upon a time", usage=_FEW))),
    Call(
        "two prompts", {**_COMPLETION, "prompt": ["Once", "Twice"]}, Reply(completion(" upon", " removed", usage=_FEW))
    ),
]
COMPLETIONS_STREAMS = [
    Call(
        "words",
        _COMPLETION,
        Reply([completion(" upon", reason=None), completion(" a"), completion(usage=_FEW)], Framing.OPENAI),
    )
]


# OpenAI's Responses.

RESPONSE_TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": WEATHER_SCHEMA,
    "strict": True,
    "description": None,
}
RESPONSE_USAGE = {
    "input_tokens": 2006,
    "input_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 3},
    "output_tokens": 300,
    "output_tokens_details": {"reasoning_tokens": 128},
    "total_tokens": 2306,
}


def said(*texts: str, identity: str = "msg_1") -> dict[str, Any]:
    """A message among the output items."""
    content = [{"type": "output_text", "text": words, "annotations": [], "logprobs": []} for words in texts]
    return {"type": "message", "id": identity, "status": "completed", "role": "assistant", "content": content}


THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "France."}, {"type": "summary_text", "text": "Its capital."}],
    "encrypted_content": "gAAAAABo",
}
FUNCTION_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Paris"}',
    "status": "completed",
}


def response(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole response."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_763_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-4o-mini-2024-07-18",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": RESPONSE_USAGE,
        **fields,
    }


_ASKED = {"model": "gpt-4o-mini", "input": "Capital of France?", "instructions": "Be brief."}

RESPONSES_WHOLE = [
    Call("words", _ASKED, Reply(response(said("Paris.")))),
    Call("no instructions", {"model": "gpt-4o-mini", "input": "Hi"}, Reply(response(said("Hello.", "Again.")))),
    Call(
        "a function call",
        {**_ASKED, "tools": [RESPONSE_TOOL]},
        Reply(
            response(FUNCTION_CALL, {**FUNCTION_CALL, "call_id": "call_2", "arguments": "{}"}, tools=[RESPONSE_TOOL])
        ),
    ),
    Call("reasoning", _ASKED, Reply(response(THOUGHT, said("Paris.")))),
    Call(
        "a refusal",
        _ASKED,
        Reply(response({**said(), "content": [{"type": "refusal", "refusal": "I cannot."}]})),
    ),
    Call(
        "built-in tools",
        _ASKED,
        Reply(
            response(
                {
                    "type": "web_search_call",
                    "id": "ws_1",
                    "status": "completed",
                    "action": {"type": "search", "query": "Paris"},
                },
                {
                    "type": "file_search_call",
                    "id": "fs_1",
                    "status": "completed",
                    "queries": ["Paris"],
                    "results": None,
                },
                {
                    "type": "code_interpreter_call",
                    "id": "ci_1",
                    "status": "completed",
                    "code": "1+1",
                    "container_id": "c",
                    "outputs": None,
                },
                {
                    "type": "mcp_call",
                    "id": "mcp_1",
                    "name": "lookup",
                    "arguments": "{}",
                    "server_label": "docs",
                    "output": "found",
                    "error": None,
                },
                {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PIXEL},
                {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_3", "name": "sql", "input": "select 1"},
                said("Paris."),
            )
        ),
    ),
    Call(
        "a conversation of items",
        {
            "model": "gpt-4o-mini",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": "Weather?"},
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "There:"},
                        {"type": "input_image", "image_url": "https://example.org/paris.png", "detail": "low"},
                    ],
                },
                THOUGHT,
                FUNCTION_CALL,
                {"type": "function_call_output", "call_id": "call_1", "output": "Sun"},
                {"type": "custom_tool_call", "id": "ct_1", "call_id": "call_3", "name": "sql", "input": "select 1"},
                {"type": "custom_tool_call_output", "call_id": "call_3", "output": "1"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                said("Sunny."),
                {"role": "user", "content": "Sure?", "type": "message"},
            ],
        },
        Reply(response(said("Yes."))),
    ),
    Call(
        "cut off",
        _ASKED,
        Reply(response(said("Par"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
    ),
]


def response_events(whole: dict[str, Any], size: int = 4) -> list[dict[str, Any]]:
    """The events with which the API streams this response."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for index, item in enumerate(whole["output"]):
        events += _item_events(index, item, size)
    events.append({"type": f"response.{whole['status']}", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _item_events(index: int, item: dict[str, Any], size: int) -> list[dict[str, Any]]:
    place = {"output_index": index, "item_id": item["id"]}
    empty = {key: _emptied(value) for key, value in item.items() if key != "encrypted_content"}
    events: list[dict[str, Any]] = [{"type": "response.output_item.added", "output_index": index, "item": empty}]
    for number, part in enumerate(item.get("content") or []):
        field = "refusal" if part["type"] == "refusal" else "text"
        stem = "response.refusal" if field == "refusal" else "response.output_text"
        at = {**place, "content_index": number}
        events.append({"type": "response.content_part.added", "part": {**part, field: ""}, **at})
        events += [{"type": f"{stem}.delta", "delta": text, **at, "logprobs": []} for text in cut(part[field], size)]
        events.append({"type": f"{stem}.done", field: part[field], **at, "logprobs": []})
        events.append({"type": "response.content_part.done", "part": part, **at})
    for number, part in enumerate(item.get("summary") or []):
        at = {**place, "summary_index": number}
        events.append({"type": "response.reasoning_summary_part.added", "part": {**part, "text": ""}, **at})
        stem = "response.reasoning_summary_text"
        events += [{"type": f"{stem}.delta", "delta": text, **at} for text in cut(part["text"], size)]
        events.append({"type": f"{stem}.done", "text": part["text"], **at})
    for kind, field in (("function_call", "arguments"), ("custom_tool_call", "input")):
        if item["type"] == kind:
            stem = f"response.{kind}_{field}"
            events += [{"type": f"{stem}.delta", "delta": text, **place} for text in cut(item[field], size)]
            events.append({"type": f"{stem}.done", field: item[field], "name": item["name"], **place})
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]


def _emptied(value: Any) -> Any:
    return [] if isinstance(value, list) else value


def cut(text: str, size: int) -> list[str]:
    """A text in pieces of this many characters."""
    return [text[start : start + size] for start in range(0, len(text), size)]


RESPONSES_STREAMS = [
    Call("words", _ASKED, Reply(response_events(response(THOUGHT, said("Paris is it."))), Framing.NAMED_EVENTS)),
    Call("a function call", _ASKED, Reply(response_events(response(FUNCTION_CALL)), Framing.NAMED_EVENTS)),
]


# Anthropic's messages.

ANTHROPIC_TOOL = {"name": "weather", "description": "Now", "input_schema": WEATHER_SCHEMA}
ANTHROPIC_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 100,
    "cache_read_input_tokens": 1900,
    "output_tokens": 42,
    "service_tier": "standard",
}


def message(*content: dict[str, Any], reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    """A whole message."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-next-1-20261101",
        "content": list(content),
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": ANTHROPIC_USAGE,
        **fields,
    }


def block(words: str) -> dict[str, Any]:
    """A block of text."""
    return {"type": "text", "text": words}


THINKING = {"type": "thinking", "thinking": "France, so Paris.", "signature": "EqQBCg=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAh=="}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris", "days": [1, 2.5, None]}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Paris"}}
SEARCH_RESULT = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [
        {
            "type": "web_search_result",
            "url": "https://example.org",
            "title": "Paris",
            "encrypted_content": "E",
            "page_age": "1 day ago",
        }
    ],
}
_CLAUDE = {
    "model": "claude-next-1",
    "max_tokens": 100,
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Capital of France?"}],
}

ANTHROPIC_WHOLE = [
    Call("words", _CLAUDE, Reply(message(block("Paris.")))),
    Call(
        "no system prompt",
        {**_CLAUDE, "system": ...},
        Reply(message(block("Paris is"), block(" it."), reason="max_tokens")),
    ),
    Call("no caching", _CLAUDE, Reply(message(block("Paris."), usage={"input_tokens": 12, "output_tokens": 4}))),
    Call("thinking", _CLAUDE, Reply(message(THINKING, REDACTED, block("Paris.")))),
    Call(
        "tools",
        {**_CLAUDE, "tools": [ANTHROPIC_TOOL]},
        Reply(message(block("Let me see."), TOOL_USE, {**TOOL_USE, "id": "toolu_2", "input": {}}, reason="tool_use")),
    ),
    Call("tools of the server", _CLAUDE, Reply(message(SEARCH, SEARCH_RESULT, block("Paris.")))),
    Call(
        "a conversation of blocks",
        {
            **_CLAUDE,
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                        {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
                        {
                            "type": "document",
                            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                        },
                    ],
                },
                {"role": "assistant", "content": [THINKING, block("Look."), TOOL_USE, {**TOOL_USE, "id": "toolu_2"}]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sun"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_2",
                            "content": [{"type": "text", "text": "Rain"}],
                        },
                        {"type": "text", "text": "So?"},
                    ],
                },
                {"role": "assistant", "content": "Sun."},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}]},
            ],
        },
        Reply(message(block("Sun and rain."))),
    ),
    Call("a refusal", _CLAUDE, Reply(message(reason="refusal"))),
]


def message_events(whole: dict[str, Any], size: int = 5) -> list[dict[str, Any]]:
    """The events with which the API streams this message."""
    usage = {**whole["usage"], "output_tokens": 1}
    begun = {**whole, "content": [], "stop_reason": None, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, part in enumerate(whole["content"]):
        start, deltas = _block_events(part, size)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": grown} for grown in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    last = {"output_tokens": whole["usage"]["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": end, "usage": last}, {"type": "message_stop"}]


def _block_events(part: dict[str, Any], size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:

    match part["type"]:
        case "text":
            return {**part, "text": ""}, [{"type": "text_delta", "text": text} for text in cut(part["text"], size)]
        case "thinking":
            grown = [{"type": "thinking_delta", "thinking": text} for text in cut(part["thinking"], size)]
            signed = {"type": "signature_delta", "signature": part["signature"]}
            return {**part, "thinking": "", "signature": ""}, [*grown, signed]
        case "tool_use" | "server_tool_use":
            text = json.dumps(part["input"]) if part["input"] else ""
            grown = [{"type": "input_json_delta", "partial_json": words} for words in ["", *cut(text, size)]]
            return {**part, "input": {}}, grown
    return copy.deepcopy(part), []


ANTHROPIC_STREAMS = [
    Call("words", _CLAUDE, Reply(message_events(message(block("Paris is it."))), Framing.NAMED_EVENTS)),
    Call(
        "thinking and tools",
        {**_CLAUDE, "tools": [ANTHROPIC_TOOL]},
        Reply(
            message_events(message(THINKING, REDACTED, block("Let me see."), TOOL_USE, reason="tool_use")),
            Framing.NAMED_EVENTS,
        ),
    ),
    Call(
        "tools of the server",
        _CLAUDE,
        Reply(message_events(message(SEARCH, SEARCH_RESULT, block("Paris."))), Framing.NAMED_EVENTS),
    ),
]
