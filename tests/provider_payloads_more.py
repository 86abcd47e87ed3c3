"""Further requests and answers, of the newest features and of compatible servers, for the differential test."""

from __future__ import annotations

from typing import Any

from provider_payloads import (
    _ASKED,
    _CHAT,
    _CLAUDE,
    Call,
    block,
    chat,
    chat_stream,
    choice,
    chunk,
    delta,
    message,
    message_events,
    piece,
    response,
    said,
)
from provider_server import Framing, Reply

_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}

CHAT_WHOLE = [
    Call(
        "cost in the usage, as OpenRouter", _CHAT, Reply(chat(choice(content="Paris."), usage={**_USAGE, "cost": 0.1}))
    ),
    Call(
        "a custom tool",
        _CHAT,
        Reply(
            chat(
                choice(
                    content=None,
                    reason="tool_calls",
                    tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}],
                )
            )
        ),
    ),
    Call(
        "annotations and log probabilities",
        {**_CHAT, "logprobs": True, "n": 1, "stop": ["."], "seed": 4, "max_completion_tokens": 9},
        Reply(
            chat(
                choice(
                    content="Paris",
                    annotations=[
                        {
                            "type": "url_citation",
                            "url_citation": {"url": "http://x", "title": "t", "start_index": 0, "end_index": 1},
                        }
                    ],
                )
            )
        ),
    ),
    Call(
        "developer and named messages",
        {
            **_CHAT,
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [{"type": "text", "text": "Yes?"}, {"type": "refusal", "refusal": "No."}],
                },
                {"role": "user", "content": ""},
            ],
        },
        Reply(chat(choice(content="Paris."))),
    ),
]
CHAT_STREAMS = [
    Call(
        "content filters, as Azure",
        _CHAT,
        chat_stream(
            chunk(model="", id="", prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}]),
            chunk({**delta(role="assistant", content=""), "content_filter_results": {}}),
            chunk({**delta(content="Paris."), "content_filter_results": {"hate": {"filtered": False}}}),
            chunk({**delta(reason="stop"), "content_filter_results": {}}),
            chunk(usage=_USAGE),
        ),
    ),
    Call(
        "two tool calls at once",
        _CHAT,
        chat_stream(
            chunk(delta(role="assistant", content=None, tool_calls=[piece(0, "a", name="f", arguments="")])),
            chunk(delta(tool_calls=[piece(0, arguments='{"x"'), piece(1, "b", name="g", arguments='{"y"')])),
            chunk(delta(tool_calls=[piece(1, arguments=": 2}"), piece(0, arguments=": 1}")])),
            chunk(delta(reason="tool_calls")),
        ),
    ),
]
_ITEMS: list[dict[str, Any]] = [
    {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "open_page", "url": "http://x"}},
    {
        "type": "mcp_call",
        "id": "mc",
        "name": "roll",
        "arguments": '{"a":1}',
        "server_label": "dice",
        "output": "4",
        "error": None,
        "status": "completed",
        "approval_request_id": None,
    },
    {"type": "custom_tool_call", "id": "ct", "call_id": "call_1", "name": "run", "input": "print(1)"},
]
RESPONSES_WHOLE = [
    Call("calls of many kinds", _ASKED, Reply(response(*_ITEMS, said("Four.")))),
    Call(
        "failed",
        _ASKED,
        Reply(response(status="failed", error={"code": "server_error", "message": "boom"}, usage=None)),
    ),
    Call(
        "images and files in the input",
        {
            "model": "gpt-4o-mini",
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is it?"},
                        {"type": "input_image", "image_url": "https://example.org/cat.png", "detail": "low"},
                        {"type": "input_file", "file_id": "file_1"},
                    ],
                }
            ],
        },
        Reply(response(said("A cat."))),
    ),
]
_CODE = {"type": "server_tool_use", "id": "srvtoolu_9", "name": "code_execution", "input": {"code": "print(4)"}}
_CODE_RESULT = {
    "type": "code_execution_tool_result",
    "tool_use_id": "srvtoolu_9",
    "content": {"type": "code_execution_result", "stdout": "4", "stderr": "", "return_code": 0, "content": []},
}
_MCP = {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {"a": 1}}
_MCP_RESULT = {
    "type": "mcp_tool_result",
    "tool_use_id": "mcptoolu_1",
    "is_error": False,
    "content": [{"type": "text", "text": "hi"}],
}
_CITED = {
    "type": "text",
    "text": "Four.",
    "citations": [
        {
            "type": "char_location",
            "cited_text": "4",
            "document_index": 0,
            "document_title": "t",
            "start_char_index": 0,
            "end_char_index": 1,
        }
    ],
}
_PAUSED = message(_CODE, _CODE_RESULT, _CITED, reason="pause_turn")
_COUNTED = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 7,
    "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
    "output_tokens": 20,
    "server_tool_use": {"web_search_requests": 1},
}
ANTHROPIC_WHOLE = [
    Call("code execution, citations, a pause", _CLAUDE, Reply(_PAUSED)),
    Call("caches of an hour", _CLAUDE, Reply(message(block("Paris."), usage=_COUNTED))),
    Call("a full context", _CLAUDE, Reply(message(block("Par"), reason="model_context_window_exceeded"))),
]
ANTHROPIC_STREAMS = [
    Call("code execution, citations, a pause", _CLAUDE, Reply(message_events(_PAUSED), Framing.NAMED_EVENTS)),
    Call(
        "caches of an hour",
        _CLAUDE,
        Reply(message_events(message(block("Paris."), usage=_COUNTED)), Framing.NAMED_EVENTS),
    ),
]
