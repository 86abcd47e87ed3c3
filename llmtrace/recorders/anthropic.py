"""Anthropic's messages, whole or streamed, as SDK object or dict, on any platform that hosts them.

The prompt's tokens are all that the model read: those that came from the cache and those written to it included, as
OpenInference counts them; Anthropic's own ``input_tokens`` are only the rest.
"""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text, whole_number
from llmtrace._attributes.message_keys import message_keys
from llmtrace._attributes.messages import put_found
from llmtrace.recorders.answer import put_citations, put_error, put_identity, put_model, put_output, texts_of
from llmtrace.recorders.anthropic_stream import EVENTS, MessageAccumulator
from llmtrace.recorders.bill import put_server_tools
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a message: it says so, or has blocks of content and a reason to stop."""
    found = fields(answer)
    if type(found.get("content")) is not list:
        return False
    return text(found.get("type")) == "message" or text(found.get("stop_reason")) is not None


def attributes(answer: object) -> Attributes:
    """Model, the output message with its blocks and tool calls, finish reason and token counts of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_identity(into, found.get("id"))
    if keys.LLM_MODEL_NAME in into:
        into[keys.LLM_RESPONSE_MODEL_NAME] = into[keys.LLM_MODEL_NAME]
    content = found.get("content")
    role = text(found.get("role")) or "assistant"
    put_found(into, message_keys(keys.LLM_OUTPUT_MESSAGES, 0), {"role": role}, content)
    put_output(into, (texts_of(content),))
    put_citations(into, each(entries(content)))
    reason = text(found.get("stop_reason"))
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    put_error(into, found.get("error"))
    usage = found.get("usage")
    if usage is not None:
        _put_usage(into, fields(usage))
    return into


_CACHE: Final = (
    ("cache_read_input_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("cache_creation_input_tokens", keys.LLM_TOKEN_COUNT_CACHE_WRITE),
)


def _put_usage(into: Attributes, usage: Fields) -> None:
    prompt, completion = whole_number(usage.get("input_tokens")), whole_number(usage.get("output_tokens"))
    for field, key in _CACHE:
        count = whole_number(usage.get(field))
        if count:
            into[key] = count
            prompt = (prompt or 0) + count
    hour = whole_number(fields(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    if hour:
        into[keys.CACHE_WRITE_1H_TOKENS] = hour
    put_server_tools(into, usage.get("server_tool_use"))
    thinking = whole_number(fields(usage.get("output_tokens_details")).get("thinking_tokens"))
    if thinking:
        into[keys.LLM_TOKEN_COUNT_REASONING] = thinking
    if prompt is not None:
        into[keys.LLM_TOKEN_COUNT_PROMPT] = prompt
    if completion is not None:
        into[keys.LLM_TOKEN_COUNT_COMPLETION] = completion
    if prompt is not None and completion is not None:
        into[keys.LLM_TOKEN_COUNT_TOTAL] = prompt + completion


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed message."""
    return text(fields(chunk).get("type")) in EVENTS


def accumulator() -> MessageAccumulator:
    """A new accumulator for one stream."""
    return MessageAccumulator(attributes)
