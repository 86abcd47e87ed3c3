"""Answers that are little more than a text: of llama.cpp, Hugging Face, models on Bedrock, and others.

One table for all: where the words, the counts, the reason and the model stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llmtrace._attributes.calls import put_tool_calls
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text, whole_number
from llmtrace._attributes.message_keys import message_keys
from llmtrace.recorders.answer import Counts, put_citations, put_counts, put_identity, put_model, put_output
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys

_WORDS: Final = ("completion", "generated_text", "generation", "outputText", "text", "response", "output_text")
_MARKS: Final = frozenset(
    {
        "completion",
        "generated_text",
        "generation",
        "outputText",
        "tokens_predicted",
        "generation_id",
        "usage",
        "details",
        "stop_type",
        "raw",
        "citations",
        "generations",
        "metrics",
    }
)
"""What tells an answer of a model from any other dict that has a text."""
_PROMPT: Final = (
    "tokens_evaluated",
    "prompt_token_count",
    "inputTextTokenCount",
    "prompt_tokens",
    "input_tokens",
    "input_token_count",
    "inputTokenCount",
)
_COMPLETION: Final = (
    "tokens_predicted",
    "generation_token_count",
    "tokenCount",
    "generated_tokens",
    "completion_tokens",
    "output_tokens",
    "generated_token_count",
    "output_token_count",
    "outputTokenCount",
    "totalOutputTextTokenCount",
)
_HEARD: Final[Counts] = (("audio_tokens", keys.LLM_TOKEN_COUNT_PROMPT_AUDIO),)
_REASON: Final = ("stop_reason", "finish_reason", "stop_type", "completionReason")
_INNER: Final = (
    "results",
    "outputs",
    "output",
    "generations",
    "details",
    "usage",
    "usage_metadata",
    "meta",
    "tokens",
    "metrics",
    "llm_output",
    "token_usage",
    "amazon-bedrock-invocationMetrics",
)
"""Where further fields may stand."""


def recognises(answer: object) -> bool:
    """Whether `answer` is such a text, or a list of them: a dict with words and a sign that a model wrote them."""
    found = fields(_only(answer))
    return type(found) is dict and _words(found) is not None and _is_marked(found)


def _only(answer: object) -> object:
    """The answer; of a list of one, its entry."""
    listed = entries(answer)
    return listed[0] if len(listed) == 1 else answer


def _is_marked(found: dict[str, Any]) -> bool:
    if "raw" in found and found["raw"] is not None:
        return False
    return any(name in _MARKS or name in ("results", "outputs") for name in found if type(name) is str) or (
        type(found.get("stop")) is bool
    )


def _words(found: Fields) -> str | None:
    for level in _levels(found):
        for name in _words_of(level):
            words = level.get(name)
            if type(words) is str:
                return words
        pieces = entries(level.get("output"))  # of Replicate
        if pieces and all(type(piece) is str for piece in pieces):
            return "".join(pieces)
    return None


def _words_of(level: Fields) -> Sequence[str]:
    # llama.cpp says `content`, which elsewhere belongs to a message.
    return (*_WORDS, "content") if level.get("role") is None else _WORDS


def _levels(found: Fields) -> list[Fields]:
    """The answer's own fields, then those inside it."""
    levels = [found]
    for level in levels:
        for name in _INNER:
            inner = level.get(name)
            listed = entries(inner)
            if listed or not issubclass(type(inner), _PLAIN):
                first = listed[0] if listed else inner
                levels.append(fields(entries(first)[0] if entries(first) else first))
        if len(levels) > _MOST_LEVELS:
            break
    return levels


_MOST_LEVELS: Final = 6
_PLAIN: Final = (str, int, float, list, tuple, type(None))


def attributes(answer: object) -> Attributes:
    """The words as the assistant's message, with model, reason and counts where they are said."""
    into: Attributes = {}
    levels = _levels(fields(_only(answer)))
    put_model(
        into,
        next((model for level in levels if (model := text(either(level, "model", "model_id", "model_name")))), None),
    )
    put_identity(into, either(levels[0], "generation_id", "id"))
    words = _words(levels[0]) or ""
    into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_ROLE}"] = "assistant"
    if words:
        into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_CONTENT}"] = words
    put_output(into, (words,))
    put_citations(into, levels[:1])
    put_tool_calls(into, message_keys(keys.LLM_OUTPUT_MESSAGES, 0).tools, levels[0].get("tool_calls"))
    reason = next((word for level in levels if (word := text(either(level, *_REASON)))), None)
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    _put_counts(into, levels)
    return into


def _put_counts(into: Attributes, levels: list[Fields]) -> None:
    prompt, completion = (_count(levels, names) for names in (_PROMPT, _COMPLETION))
    total = _count(levels, ("total_tokens",))
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    named = (
        (keys.LLM_TOKEN_COUNT_PROMPT, prompt),
        (keys.LLM_TOKEN_COUNT_COMPLETION, completion),
        (keys.LLM_TOKEN_COUNT_TOTAL, total),
    )
    into.update({key: count for key, count in named if count is not None})
    for level in levels:  # of OpenAI's transcriptions
        put_counts(into, fields(level.get("input_token_details")), _HEARD)


def _count(levels: list[Fields], names: Sequence[str]) -> int | None:
    return next((count for level in levels if (count := whole_number(either(level, *names))) is not None), None)


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is a piece of such a text: llama.cpp's, with `stop`, or Hugging Face's, with a token."""
    if type(chunk) is not dict:
        return False
    return type(fields(chunk.get("token")).get("text")) is str or recognises(chunk)


def accumulator() -> BareTextAccumulator:
    """A new accumulator for one stream."""
    return BareTextAccumulator()


class BareTextAccumulator:
    """Puts a streamed text together; the last chunk brings counts and reason."""

    def __init__(self) -> None:
        self._words = Pieces(Room())
        self._last: dict[str, Any] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words."""
        if type(chunk) is not dict:
            return False
        self._last.update({name: value for name, value in chunk.items() if value is not None and type(name) is str})
        token = fields(chunk.get("token"))
        words = token.get("text") if chunk.get("token") is not None else _words(chunk)
        if type(words) is not str or not words or token.get("special") is True:
            return False
        self._words.add(words)
        return True

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        rest = {name: value for name, value in self._last.items() if name not in (*_WORDS, "content", "token")}
        return attributes({**rest, "text": str(self._words)})
