"""A streamed interaction of Google's, put together from the starts and deltas of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, kept, text
from llmtrace.recorders.answer import place_of
from llmtrace.recorders.text import Pieces, Room, parsed

EVENTS: Final = ("interaction.", "step.", "content.")
"""How the names of events begin; the contents of the API's first version are its steps now."""
STEPS: Final = ("steps", "outputs")
_DELTAS: Final = {
    "text": ("text", "text"),
    "thought_summary": ("summary", "content"),
    "arguments_delta": ("arguments", "arguments"),
}
"""Type of a delta -> the field of the step that grows, and where the delta has the piece."""


class InteractionAccumulator:
    """Puts a streamed interaction together."""

    def __init__(self, attributes: Callable[[object], Attributes]) -> None:
        """Begin.

        Args:
            attributes: says what a whole answer says.
        """
        self._attributes = attributes
        self._room = Room()
        self._said: dict[str, Any] = {}
        self._steps: dict[int, _Step] = {}

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a call."""
        event = fields(chunk)
        interaction = event.get("interaction")
        if interaction is not None:
            self._said |= {
                name: value for name, value in kept(interaction).items() if name not in STEPS or entries(value)
            }
            return False
        begun, delta = either(event, "step", "content"), event.get("delta")
        if begun is None and delta is None:
            self._said |= {name: value for name in ("status",) if (value := text(event.get(name))) is not None}
            return False
        place = place_of(event.get("index"), max(self._steps, default=0))
        step = self._steps.get(place)
        if step is None:
            if not self._room.part():
                return False
            step = self._steps[place] = _Step(self._room)
        if begun is not None:
            step.begin(begun)
            return False
        return step.add(fields(delta))

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        steps = [step.whole() for _, step in sorted(self._steps.items())]
        return self._attributes({**self._said, **({"steps": steps} if steps else {})})


class _Step:
    """One step of a stream."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._base: dict[str, Any] = {}
        self._grown: dict[str, Pieces] = {}
        self._more: list[dict[str, Any]] = []
        self._annotations: list[Any] = []

    def begin(self, step: object) -> None:
        self._base = kept(step)

    def add(self, delta: Fields) -> bool:
        kind = text(delta.get("type")) or ""
        known = _DELTAS.get(kind)
        if known is not None:
            piece = either(delta, known[1], "partial_arguments")
            words = text(piece) or text(fields(piece).get("text"))
            if words is not None:
                self._grown.setdefault(known[0], Pieces(self._room)).add(words)
            return words is not None
        if kind == "thought_signature":
            self._base["signature"] = delta.get("signature")
        elif kind == "text_annotation_delta":
            self._annotations += [entry for entry in entries(delta.get("annotations")) if self._room.part()]
        elif kind.endswith(("_call", "_result")):
            self._base |= kept(delta)
            return kind == "function_call"
        elif self._room.part():
            self._more.append(kept(delta))
            return True
        return False

    def whole(self) -> dict[str, Any]:
        grown = {name: str(pieces) for name, pieces in self._grown.items()}
        step = {"type": "thought" if "summary" in grown else "model_output", **self._base}
        if "arguments" in grown:
            step["arguments"] = parsed(grown["arguments"])
        if "summary" in grown:
            step["summary"] = [*entries(step.get("summary")), {"type": "text", "text": grown["summary"]}]
        if step["type"] == "text":
            step["text"] = (text(step.get("text")) or "") + grown.get("text", "")
        elif "text" in grown or self._more:
            said = (
                [{"type": "text", "text": grown["text"], "annotations": self._annotations}] if "text" in grown else []
            )
            step["content"] = [*entries(step.get("content")), *said, *self._more]
        return step
