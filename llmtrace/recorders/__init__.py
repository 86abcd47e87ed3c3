"""Provider answers -> attributes: one file for each answer shape, chosen by looking at the answer."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes import Attributes
from llmtrace.recorders import openai_chat, text
from llmtrace.recorders.shape import Accumulator, Shape

SHAPES: Final[tuple[Shape, ...]] = (openai_chat,)
"""Every known shape, in the order in which they are asked."""


def llm_answer(answer: object) -> Attributes:
    """The attributes of a model's answer: by its provider's shape, else as the assistant's text."""
    for shape in SHAPES:
        if shape.recognises(answer):
            return shape.attributes(answer)
    return text.attributes(answer)


def llm_accumulator(first_chunk: object) -> Accumulator:
    """The accumulator for a stream that begins with this chunk."""
    for shape in SHAPES:
        if shape.recognises_chunk(first_chunk):
            return shape.accumulator()
    return text.TextAccumulator()
