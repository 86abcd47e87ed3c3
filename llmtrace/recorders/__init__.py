"""Provider answers -> attributes: one file for each answer shape, chosen by looking at the answer."""

from __future__ import annotations

from typing import Final, Protocol

from llmtrace._attributes import Attributes, put_message, put_value
from llmtrace._serialize import to_text
from llmtrace.recorders import openai_chat
from llmtrace.semconv import trace as keys


class Shape(Protocol):
    """What a recorder module offers."""

    def recognises(self, answer: object) -> bool:
        """Whether the answer has this shape."""

    def attributes(self, answer: object) -> Attributes:
        """What the answer says."""


SHAPES: Final[tuple[Shape, ...]] = (openai_chat,)
"""Every known shape, in the order in which they are asked."""


def llm_answer(answer: object) -> Attributes:
    """The attributes of a model's answer: by its provider's shape, else as the assistant's text."""
    for shape in SHAPES:
        if shape.recognises(answer):
            return shape.attributes(answer)
    into: Attributes = {}
    if answer is not None:
        put_message(into, keys.LLM_OUTPUT_MESSAGES, 0, {"role": "assistant", "content": to_text(answer)})
        put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, answer)
    return into
