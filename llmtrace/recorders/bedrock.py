"""Amazon Bedrock's Converse, whole or streamed: its blocks and events are read as Anthropic's, which they resemble.

Bedrock names a block by the field that is set, and counts cached tokens beside the prompt's, as Anthropic does.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.converse import converse_block
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text
from llmtrace._attributes.media import encoded_bytes
from llmtrace.recorders import anthropic
from llmtrace.recorders.anthropic_stream import MessageAccumulator

_USAGE: Final = (
    ("inputTokens", "input_tokens"),
    ("outputTokens", "output_tokens"),
    ("cacheReadInputTokens", "cache_read_input_tokens"),
    ("cacheWriteInputTokens", "cache_creation_input_tokens"),
    ("cacheReadInputTokenCount", "cache_read_input_tokens"),
    ("cacheWriteInputTokenCount", "cache_creation_input_tokens"),
)
"""The last two are of Nova's own answers."""
_EVENTS: Final = (
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
)


def recognises(answer: object) -> bool:
    """Whether `answer` is one of Converse: an output that holds a message."""
    output = fields(answer).get("output")
    return type(output) is dict and type(output.get("message")) is dict


def attributes(answer: object) -> Attributes:
    """The message with its blocks and tool calls, why it ended and token counts of one answer."""
    found = fields(answer)
    message = fields(fields(found.get("output")).get("message"))
    return anthropic.attributes(
        {
            "role": message.get("role"),
            "content": [converse_block(block) for block in each(entries(message.get("content")))],
            "stop_reason": found.get("stopReason"),
            "usage": _usage(found.get("usage")),
        }
    )


def _usage(usage: object) -> dict[str, Any] | None:
    found = fields(usage)
    if usage is None:
        return None
    return {name: count for field, name in _USAGE if (count := found.get(field)) is not None}


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed answer: named by its only field."""
    return type(chunk) is dict and len(chunk) == 1 and any(type(name) is str and name in _EVENTS for name in chunk)


def accumulator() -> ConverseAccumulator:
    """A new accumulator for one stream."""
    return ConverseAccumulator()


class ConverseAccumulator:
    """Puts a streamed answer together."""

    def __init__(self) -> None:
        self._inner = MessageAccumulator(anthropic.attributes)

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a tool call."""
        found = fields(chunk)
        kind = next((name for name in _EVENTS if found.get(name) is not None), None)
        event = None if kind is None else _event(kind, fields(found.get(kind)))
        return False if event is None else self._inner.add(event)

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        return self._inner.attributes()


def _event(kind: str, body: Fields) -> dict[str, Any] | None:
    """The event of Anthropic's that says the same."""
    index = body.get("contentBlockIndex")
    match kind:
        case "messageStart":
            return {"type": "message_start", "message": {"role": body.get("role")}}
        case "contentBlockStart":
            block = converse_block(body.get("start"))
            return {"type": "content_block_start", "index": index, "content_block": block}
        case "contentBlockDelta":
            return {"type": "content_block_delta", "index": index, "delta": _delta(fields(body.get("delta")))}
        case "messageStop":
            return {"type": "message_delta", "delta": {"stop_reason": body.get("stopReason")}}
        case "metadata":
            return {"type": "message_delta", "usage": _usage(body.get("usage"))}
    return None


def _delta(delta: Fields) -> dict[str, Any]:
    """The delta of Anthropic's that says the same: it has one field that is set."""
    reasoning = fields(delta.get("reasoningContent"))
    said = (
        ("text_delta", "text", text(delta.get("text"))),
        ("thinking_delta", "thinking", text(reasoning.get("text"))),
        ("signature_delta", "signature", text(reasoning.get("signature"))),
        ("redacted_delta", "data", encoded_bytes(reasoning.get("redactedContent"))),
        ("citations_delta", "citation", delta.get("citation")),
        ("input_json_delta", "partial_json", fields(delta.get("toolUse")).get("input")),
    )
    return next(({"type": kind, name: value} for kind, name, value in said if value is not None), {})
