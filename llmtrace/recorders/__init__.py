"""Provider answers -> attributes: one file for each answer shape, chosen by looking at the answer."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes import Attributes
from llmtrace.recorders import anthropic, google, ollama, openai_chat, openai_completions, openai_responses, text
from llmtrace.recorders.shape import Accumulator, Shape
from llmtrace.recorders.wrappers import NOT_READ, unwrapped

SHAPES: Final[tuple[Shape, ...]] = (openai_chat, openai_responses, anthropic, google, ollama, openai_completions)
"""Every known shape, in the order in which they are asked."""


def llm_answer(answer: object) -> Attributes:
    """The attributes of a model's answer: by its provider's shape, else as the assistant's text."""
    shape = _shape_of(answer)
    if shape is not None:
        return shape.attributes(answer)
    if answer is None or type(answer) is str:
        return text.attributes(answer)
    inner = unwrapped(answer)
    if inner is NOT_READ:
        return {}
    shape = _shape_of(inner)
    return text.attributes(inner) if shape is None else shape.attributes(inner)


def _shape_of(answer: object) -> Shape | None:
    for shape in SHAPES:
        if shape.recognises(answer):
            return shape
    return None


def llm_accumulator(first_chunk: object) -> Accumulator:
    """The accumulator for a stream that begins with this chunk."""
    return _chosen(first_chunk) or LateAccumulator()


def _chosen(chunk: object) -> Accumulator | None:
    for shape in SHAPES:
        if shape.recognises_chunk(chunk):
            return shape.accumulator()
    return None


class LateAccumulator:
    """For a stream whose first chunks say nothing: takes texts, until a chunk has a known shape."""

    def __init__(self) -> None:
        self._inner: Accumulator | None = None
        self._texts = text.TextAccumulator()

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought something of the answer itself."""
        if self._inner is None and type(chunk) is not str:
            self._inner = _chosen(chunk)
        return (self._inner or self._texts).add(chunk)

    def attributes(self) -> Attributes:
        """What has arrived so far; without what came before the shape was known, which was no part of the answer."""
        return (self._inner or self._texts).attributes()
