"""OpenAI's Responses API, whole or streamed: each output item is one message, as in OpenInference's instrumentor."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._attributes.media import data_url
from llmtrace._attributes.messages import put_message
from llmtrace.recorders.answer import (
    Counts,
    put_citations,
    put_counts,
    put_error,
    put_identity,
    put_model,
    put_output,
    texts_of,
)
from llmtrace.recorders.bill import put_ticks
from llmtrace.recorders.openai_responses_stream import ResponsesAccumulator
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a response: it has output items, and says what it or its first item is."""
    found = fields(answer)
    output = found.get("output")
    if type(output) is not list:
        return False
    if text(found.get("object")) in ("response", "realtime.response"):
        return True
    return bool(output) and text(fields(output[0]).get("type")) is not None


def attributes(answer: object) -> Attributes:
    """Model, one output message for each item, images, why it ended and token counts of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_identity(into, found.get("id"))
    put_usage(into, fields(found.get("usage")))
    words: list[str] = []
    spoken: list[object] = []
    images = 0
    for index, item in enumerate(each(entries(found.get("output")))):
        chosen = fields(item)
        put_message(into, keys.LLM_OUTPUT_MESSAGES, index, item)
        kind = text(chosen.get("type"))
        if kind == "message":
            words.append(texts_of(chosen.get("content")))
            spoken += entries(chosen.get("content"))
        elif kind == "image_generation_call":
            images += _put_image(into, images, chosen)
    put_output(into, words)
    put_error(into, found.get("error"))
    put_citations(into, each(spoken))
    reason = text(fields(found.get("incomplete_details")).get("reason")) or text(found.get("status"))
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    return into


def _put_image(into: Attributes, index: int, item: Fields) -> int:
    kind = text(item.get("output_format")) or "png"
    url = data_url(f"image/{kind}", item.get("result"))
    if url is None:
        return 0
    into[f"{keys.OUTPUT_IMAGES}.{index}.{keys.IMAGE_URL}"] = url
    return 1


_USAGE: Final[Counts] = (
    ("total_tokens", keys.LLM_TOKEN_COUNT_TOTAL),
    ("input_tokens", keys.LLM_TOKEN_COUNT_PROMPT),
    ("output_tokens", keys.LLM_TOKEN_COUNT_COMPLETION),
)
_INPUT_DETAILS: Final[Counts] = (
    ("cached_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("cache_write_tokens", keys.LLM_TOKEN_COUNT_CACHE_WRITE),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_PROMPT_AUDIO),
)
_OUTPUT_DETAILS: Final[Counts] = (
    ("reasoning_tokens", keys.LLM_TOKEN_COUNT_REASONING),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO),
)


def put_usage(into: Attributes, usage: Fields) -> None:
    """Token counts, in total and of which kind."""
    put_counts(into, usage, _USAGE)
    if usage.get("cost_in_usd_ticks") is not None:
        put_ticks(into, usage)
    put_counts(into, fields(either(usage, "input_tokens_details", "input_token_details")), _INPUT_DETAILS)
    put_counts(into, fields(either(usage, "output_tokens_details", "output_token_details")), _OUTPUT_DETAILS)


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed response, or of a session of the Realtime API."""
    kind = text(fields(chunk).get("type"))
    return kind is not None and kind.startswith(("response.", "session."))


def accumulator() -> ResponsesAccumulator:
    """A new accumulator for one stream."""
    return ResponsesAccumulator(attributes)
