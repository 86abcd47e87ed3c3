"""OpenAI chat completions, as SDK object or dict, and the usual deviations of OpenAI-compatible servers.

Source of the shape: the ``ChatCompletion`` object of OpenAI's API reference. A server may leave out the usage, the ids,
the index of a choice, or send ``content: null``; none of that is an error.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes import Attributes, listed, put_message, read
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a chat completion: it has choices, and a choice has a message."""
    choices = read(answer, "choices")
    return isinstance(choices, list | tuple) and (not choices or read(choices[0], "message") is not None)


def attributes(answer: object) -> Attributes:
    """Model, output messages with their tool calls, finish reason and token counts of one answer."""
    into: Attributes = {}
    model = read(answer, "model")
    if isinstance(model, str) and model:
        into[keys.LLM_MODEL_NAME] = model
    put_usage(into, read(answer, "usage"))
    texts = []
    for position, choice in enumerate(listed(read(answer, "choices"))):
        index = read(choice, "index")
        index = index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else position
        message = read(choice, "message")
        put_message(into, keys.LLM_OUTPUT_MESSAGES, index, message)
        texts.append(_text_of(message))
        reason = read(choice, "finish_reason")
        if index == 0 and isinstance(reason, str):
            into[keys.LLM_FINISH_REASON] = reason
    if len(texts) == 1 and texts[0]:
        into[keys.OUTPUT_VALUE] = texts[0]
        into[keys.OUTPUT_MIME_TYPE] = keys.MIME_TEXT
    return into


def _text_of(message: object) -> str:
    """The answer's words, or its refusal."""
    for field in ("content", "refusal"):
        text = read(message, field)
        if isinstance(text, str) and text:
            return text
    return ""


_USAGE: Final = (
    ("total_tokens", keys.LLM_TOKEN_COUNT_TOTAL),
    ("prompt_tokens", keys.LLM_TOKEN_COUNT_PROMPT),
    ("completion_tokens", keys.LLM_TOKEN_COUNT_COMPLETION),
)
_PROMPT_DETAILS: Final = (
    ("cached_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_PROMPT_AUDIO),
)
_COMPLETION_DETAILS: Final = (
    ("reasoning_tokens", keys.LLM_TOKEN_COUNT_REASONING),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO),
)


def put_usage(into: Attributes, usage: object) -> None:
    """Token counts, where the server sent them; a count that it did not send is not made up."""
    if usage is None:
        return
    _put_counts(into, usage, _USAGE)
    _put_counts(into, read(usage, "prompt_tokens_details"), _PROMPT_DETAILS)
    _put_counts(into, read(usage, "completion_tokens_details"), _COMPLETION_DETAILS)


def _put_counts(into: Attributes, source: object, fields: tuple[tuple[str, str], ...]) -> None:
    for field, key in fields:
        count: Any = read(source, field)
        if isinstance(count, int) and not isinstance(count, bool):
            into[key] = count
