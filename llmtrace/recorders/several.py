"""Whole answers one after another, as a tool runner or a batch gives them: each is a message, their counts add up."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.fields import Attributes
from llmtrace.recorders.shape import Shape
from llmtrace.semconv import trace as keys

_MOST_ANSWERS: Final = 64
"""Answers that are kept; the last one always is."""
_COUNTS: Final = "llm.token_count."
_MESSAGES: Final = f"{keys.LLM_OUTPUT_MESSAGES}."


class AnswersAccumulator:
    """Keeps what each answer says; one that comes again, by its id, takes the place of what it said before."""

    def __init__(self, shape: Shape) -> None:
        """Begin.

        Args:
            shape: that of the answers.
        """
        self._shape = shape
        self._answers: dict[object, Attributes] = {}

    def add(self, chunk: object) -> bool:
        """Take an answer; True where it is one."""
        if not self._shape.recognises(chunk):
            return False
        said = self._shape.attributes(chunk)
        identity = said.get(keys.RESPONSE_ID, len(self._answers))
        if identity not in self._answers and len(self._answers) >= _MOST_ANSWERS:
            self._answers.popitem()
        self._answers[identity] = said
        return True

    def attributes(self) -> Attributes:
        """What all of them said."""
        into: Attributes = {}
        place = 0
        for said in self._answers.values():
            last = place
            for key, value in said.items():
                if key.startswith(_MESSAGES):
                    index, _, rest = key.removeprefix(_MESSAGES).partition(".")
                    last = max(last, place + int(index))
                    into[f"{_MESSAGES}{place + int(index)}.{rest}"] = value
                elif key.startswith(_COUNTS) or key == keys.LLM_COST_TOTAL:
                    into[key] = into.get(key, 0) + value
                else:
                    into[key] = value
            place = last + 1
        return into
