"""OpenAI chat completions, whole or streamed, as SDK object or dict, also from OpenAI-compatible servers.

Source of the shape: ``ChatCompletion`` and ``ChatCompletionChunk`` of OpenAI's API reference. A server may leave out
the usage, the ids, the index of a choice or of a tool call, send ``content: null`` or pieces out of order; none of that
is an error.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text, whole_number
from llmtrace._attributes.message_keys import message_keys
from llmtrace._attributes.messages import put_message
from llmtrace.recorders.answer import (
    MOST_CHOICES,
    Counts,
    place_of,
    put_citations,
    put_counts,
    put_identity,
    put_model,
    put_output,
    texts_of,
)
from llmtrace.recorders.bill import put_cost, put_searches, put_ticks
from llmtrace.recorders.executed import put_executed
from llmtrace.recorders.openai_chat_stream import SOURCES, ChatAccumulator
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a chat completion: it has choices, and a choice has a message."""
    choices = fields(answer).get("choices")
    kind = type(choices)
    if kind is not list and kind is not tuple:
        return choices is None and text(fields(answer).get("object")) == "chat.completion"  # some say so of an error
    return not choices or fields(choices[0]).get("message") is not None


def attributes(answer: object) -> Attributes:
    """Model, output messages with their tool calls, finish reason and token counts of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_identity(into, found.get("id"))
    usage = found.get("usage")
    if usage is not None:
        put_usage(into, fields(usage))
    choices = entries(found.get("choices"))
    reasons: dict[int, str] = {}
    referred: list[Any] = []
    for position, entry in enumerate(each(choices, MOST_CHOICES)):
        choice = fields(entry)
        index = _free_place(into, place_of(choice.get("index"), position))
        message = choice.get("message")
        put_message(into, keys.LLM_OUTPUT_MESSAGES, index, message)
        said = fields(message)
        if text(said.get("refusal")):
            into[keys.LLM_REFUSED] = True
        referred += _put_beside(into, index, said)
        reason = text(choice.get("finish_reason"))
        if reason is not None:
            reasons[index] = reason
        if len(choices) == 1:
            put_output(into, (_text_of(said),))
    if reasons:
        _put_reasons(into, reasons)
    if keys.CITATIONS not in into:
        put_citations(into, ({"citations": _sources(found) or referred},))
    return into


def _put_beside(into: Attributes, index: int, said: Fields) -> list[Any]:
    """What stands beside the words of a message: what they refer to, and what Groq ran; returns what that found."""
    for beside in (said, said.get("context")):  # that of Azure, where it answers from one's own data
        if beside is not None and keys.CITATIONS not in into:
            put_citations(into, (beside,))
    executed = said.get("executed_tools")
    if executed is None:
        return []
    return put_executed(into, message_keys(keys.LLM_OUTPUT_MESSAGES, index), executed)


def _sources(found: Fields) -> list[Any]:
    """What an answer refers to beside its choices: results with their titles, and addresses that none of them has."""
    results, cited = (entries(found.get(name)) for name in SOURCES)
    known = [text(fields(result).get("url")) for result in each(results)]
    return [*results, *(source for source in each(cited) if text(source) is None or text(source) not in known)]


def _free_place(into: Attributes, index: int) -> int:
    """The place of a choice; the next free one where a server numbers several choices alike."""
    while message_keys(keys.LLM_OUTPUT_MESSAGES, index).role in into:
        index += 1
    return index


def _put_reasons(into: Attributes, reasons: dict[int, str]) -> None:
    places = sorted(reasons)
    into[keys.LLM_FINISH_REASON] = reasons[places[0]]
    if len(places) > 1:
        into[keys.FINISH_REASONS] = tuple(reasons[place] for place in places)


def _text_of(message: Fields) -> str:
    """The answer's words, or its refusal, or what it says aloud."""
    content = message.get("content")
    if type(content) is str and content:
        return content
    if content is not None and (words := text(content) or texts_of(content)):
        return words
    spoken = message.get("audio")
    return text(message.get("refusal")) or (text(fields(spoken).get("transcript")) if spoken is not None else "") or ""


_USAGE: Final[Counts] = (
    ("total_tokens", keys.LLM_TOKEN_COUNT_TOTAL),
    ("prompt_tokens", keys.LLM_TOKEN_COUNT_PROMPT),
    ("completion_tokens", keys.LLM_TOKEN_COUNT_COMPLETION),
)
_PROMPT_DETAILS: Final[Counts] = (
    ("cached_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("cache_write_tokens", keys.LLM_TOKEN_COUNT_CACHE_WRITE),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_PROMPT_AUDIO),
)
_COMPLETION_DETAILS: Final[Counts] = (
    ("reasoning_tokens", keys.LLM_TOKEN_COUNT_REASONING),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO),
)
_PREDICTIONS: Final[Counts] = (
    ("accepted_prediction_tokens", keys.ACCEPTED_PREDICTION_TOKENS),
    ("rejected_prediction_tokens", keys.REJECTED_PREDICTION_TOKENS),
)
_BESIDE: Final[Counts] = (
    ("cached_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("prompt_cache_hit_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
)
"""Where Together and Moonshot, and DeepSeek, say what others say in the details."""
_AS_RESPONSES: Final[Counts] = (
    ("input_tokens", keys.LLM_TOKEN_COUNT_PROMPT),
    ("output_tokens", keys.LLM_TOKEN_COUNT_COMPLETION),
)


def put_usage(into: Attributes, usage: Fields) -> None:
    """Token counts, where the server sent them; a count that it did not send is not made up."""
    put_counts(into, usage, _USAGE)
    if usage.get("prompt_tokens") is None:
        put_counts(into, usage, _AS_RESPONSES)
    billed = usage.get("cost")
    if billed is not None:
        put_cost(into, billed)
        put_searches(into, usage)
    ticks = usage.get("cost_in_usd_ticks")
    if ticks is not None:
        put_ticks(into, usage)
    prompt = usage.get("prompt_tokens_details")
    if prompt is not None:
        put_counts(into, fields(prompt), _PROMPT_DETAILS)
    if keys.LLM_TOKEN_COUNT_CACHE_READ not in into:
        put_counts(into, usage, _BESIDE)
    completion = usage.get("completion_tokens_details")
    if completion is not None:
        details = fields(completion)
        put_counts(into, details, _COMPLETION_DETAILS)
        for field, key in _PREDICTIONS:  # sent as 0 with every answer; said only where a prediction was given
            if count := whole_number(details.get(field)):
                into[key] = count


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is a piece of a streamed chat completion: a choice has a delta, or it is the closing usage.

    The events of the SDK's own stream helper carry such a piece in ``chunk``.
    """
    found = fields(chunk)
    if text(found.get("type")) == "chunk":
        found = fields(found.get("chunk"))
    choices = found.get("choices")
    if type(choices) is not list:
        return False
    if choices:
        return fields(choices[0]).get("delta") is not None
    kind = found.get("object")
    return issubclass(type(kind), str) and kind != "text_completion"


def accumulator() -> ChatAccumulator:
    """A new accumulator for one stream."""
    return ChatAccumulator(attributes)
