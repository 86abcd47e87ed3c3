"""The unit of work that every peer records: one LLM call of 5.3 KB, the same values for everybody.

Four input messages (system of 1 KB, user of 500 characters, an assistant's tool call, a tool result of 2 KB), one
output message of 800 characters, the model, two parameters, three token counts: 20 attributes in OpenInference's form.
"""

from __future__ import annotations

from typing import Any

MODEL = "gpt-4o-mini"
PARAMETERS: dict[str, Any] = {"temperature": 0.2, "max_tokens": 500}
ARGUMENTS = '{"query": "refund policy", "top_k": 5}'
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "search_docs", "arguments": ARGUMENTS}}
MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "s" * 1024},
    {"role": "user", "content": "u" * 500},
    {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "t" * 2048},
]
HUNDRED: list[dict[str, Any]] = [MESSAGES[0], *([{"role": "user", "content": "u" * 200}] * 99)]
OUTPUT = {"role": "assistant", "content": "a" * 800}
USAGE = {"prompt_tokens": 900, "completion_tokens": 200, "total_tokens": 1100}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"index": 0, "message": OUTPUT, "finish_reason": "stop"}],
    "usage": USAGE,
}
TOOL_INPUT = {"query": "refund policy", "top_k": 5}
TOOL_OUTPUT = "Refunds are possible within 30 days."
NESTED = {"rows": [{"id": number, "name": f"row {number}", "tags": ["a", "b"]} for number in range(100)]}
