"""Provider answers -> attributes: one file for each answer shape, chosen by looking at the answer."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes import Attributes
from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import entries, fields
from llmtrace._values.storage import top_module
from llmtrace.recorders import (
    anthropic,
    bare_message,
    bare_text,
    bedrock,
    cohere,
    google,
    google_interactions,
    google_live,
    langchain,
    mistral_conversations,
    ollama,
    openai_assistants,
    openai_chat,
    openai_completions,
    openai_images,
    openai_responses,
    openai_transcripts,
    pydantic_ai,
    text,
)
from llmtrace.recorders.raw import raw_accumulator
from llmtrace.recorders.several import AnswersAccumulator
from llmtrace.recorders.shape import Accumulator, Shape
from llmtrace.recorders.wrappers import NOT_READ, inner_answers, inner_chunks, unwrapped
from llmtrace.semconv import trace as keys

SHAPES: Final[tuple[Shape, ...]] = (
    openai_chat,
    openai_responses,
    anthropic,
    google,
    ollama,
    openai_completions,
    langchain,
    pydantic_ai,
    bedrock,
    cohere,
    google_interactions,
    google_live,
    mistral_conversations,
    openai_images,
    openai_assistants,
    openai_transcripts,
    bare_message,
    bare_text,
)
"""Every known shape, in the order in which they are asked."""
_USUAL: Final = SHAPES[:6]
"""Asked before anything else is tried."""
_WHOLE: Final = (openai_chat, openai_responses, anthropic, bedrock, cohere, google_interactions)
"""Of which whole answers may come one after another."""
_MOCKS: Final = "unittest"
"""A mock has every field, and each costs it another mock."""
_MOST_CHUNKS: Final = 100_000


def llm_answer(answer: object) -> Attributes:
    """The attributes of a model's answer: by its provider's shape, else as the assistant's text."""
    shape = _shape_of(answer, _USUAL)
    if shape is not None:
        return shape.attributes(answer)
    if answer is None or type(answer) is str or top_module(type(answer)) == _MOCKS:
        return text.attributes(answer)
    inner = unwrapped(answer)
    if inner is NOT_READ:
        return {}
    shape = _shape_of(inner, SHAPES)
    if shape is not None:
        return shape.attributes(inner)
    return _within(inner) or _gathered(inner) or text.attributes(inner)


def _within(answer: object) -> Attributes | None:
    """What an answer inside another says: a line of a batch, an event of Mistral's, a framework's raw answer."""
    for inner in inner_answers(answer):
        shape = _shape_of(inner, SHAPES)
        if shape is not None:
            into = shape.attributes(inner)
            counted = fields(answer).get("usage")
            if counted is not None and keys.LLM_TOKEN_COUNT_COMPLETION not in into:
                openai_chat.put_usage(into, fields(counted))  # beside it, as of Alibaba's models
            return into
    return None


def _gathered(answer: object) -> Attributes | None:
    """What the chunks of a stream say that the app gathered in a list."""
    chunks = entries(answer)
    chosen = _chosen(chunks[0]) if chunks else None
    if chosen is None:
        return None
    for chunk in each(chunks, _MOST_CHUNKS):
        chosen.add(chunk)
    return chosen.attributes()


def _shape_of(answer: object, shapes: tuple[Shape, ...]) -> Shape | None:
    for shape in shapes:
        if shape.recognises(answer):
            return shape
    return None


def llm_accumulator(first_chunk: object) -> Accumulator:
    """The accumulator for a stream that begins with this chunk."""
    return _chosen(first_chunk) or LateAccumulator()


def _chosen(chunk: object) -> Accumulator | None:
    if type(chunk) is str or type(chunk) is bytes:  # a hash or comparison of the class would be the user's code
        return raw_accumulator(chunk, _parsed)
    return _parsed(chunk) or raw_accumulator(chunk, _parsed)


def _parsed(chunk: object) -> Accumulator | None:
    for shape in SHAPES:
        if shape.recognises_chunk(chunk):
            return shape.accumulator()
    for inner in inner_chunks(chunk):
        for shape in SHAPES:
            if shape.recognises_chunk(inner):
                return InnerAccumulator(shape.accumulator())
    whole = _shape_of(chunk, _WHOLE)
    return None if whole is None else AnswersAccumulator(whole)


class InnerAccumulator:
    """For a stream whose chunks are wrapped: Mistral's events, LlamaIndex's answers around raw chunks."""

    def __init__(self, inner: Accumulator) -> None:
        self._inner = inner

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought something of the answer itself."""
        inner = next(iter(inner_chunks(chunk)), None)
        return False if inner is None else self._inner.add(inner)

    def attributes(self) -> Attributes:
        """What has arrived so far."""
        return self._inner.attributes()


class LateAccumulator:
    """For a stream whose first chunks say nothing: takes texts, until a chunk has a known shape."""

    def __init__(self) -> None:
        self._inner: Accumulator | None = None
        self._texts = text.TextAccumulator()
        self._is_text = False

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought something of the answer itself."""
        if self._inner is None and not (type(chunk) is str and self._is_text):
            self._inner = _chosen(chunk)
            self._is_text = type(chunk) is str and chunk != ""
        return (self._inner or self._texts).add(chunk)

    def attributes(self) -> Attributes:
        """What has arrived so far; without what came before the shape was known, which was no part of the answer."""
        return (self._inner or self._texts).attributes()
