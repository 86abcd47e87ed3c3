"""A streamed response of OpenAI's Responses API, put together from its events.

The last event carries the whole response. It is believed; the pieces are for streams that never get there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, entries, fields, kept, text
from llmtrace.recorders.answer import place_of, put_model
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys

_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done"}
)
"""The last one is of the Realtime API, as all events below that end in a transcript."""
_TEXTS: Final = {
    "response.output_text": ("content", "output_text", "text"),
    "response.refusal": ("content", "refusal", "refusal"),
    "response.reasoning_text": ("content", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary", "summary_text", "text"),
    "response.text": ("content", "text", "text"),
    "response.audio_transcript": ("content", "audio", "transcript"),
    "response.output_audio_transcript": ("content", "output_audio", "transcript"),
}
"""Event -> the list of the item that it belongs to, the type and the field of the part."""
_ARGUMENTS: Final = {
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.code_interpreter_call_code": "code",
}
"""Event -> the field of the item that it belongs to."""


class ResponsesAccumulator:
    """Puts a streamed response together."""

    def __init__(self, attributes: Callable[[object], Attributes]) -> None:
        """Begin.

        Args:
            attributes: says what a whole answer says.
        """
        self._attributes = attributes
        self._room = Room()
        self._begun: dict[str, Any] = {}
        self._items: dict[int, _Item] = {}
        self._end: Attributes | None = None

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a call."""
        event = fields(chunk)
        kind = text(event.get("type")) or ""
        response = event.get("response")
        if response is not None:
            self._take(kind, response)
            return False
        if kind == "error":
            self._begun |= {"error": event.get("error") or kept(event), "status": "failed"}
            return False
        if kind.startswith("session."):
            self._begun = {"model": fields(event.get("session")).get("model")}
            return False
        item = self._item(event)
        if item is None:
            return False
        stem, _, phase = kind.rpartition(".")
        if stem == "response.output_item":
            item.begin(event.get("item"), is_done=phase == "done")
            return False
        return item.add(stem, event) if phase == "delta" else item.done(stem, event)

    def _take(self, kind: str, response: object) -> None:
        if kind in _ENDS:
            self._end = self._attributes(response)
        else:
            begun = fields(response)
            self._begun |= {name: value for name in ("id", "model") if (value := begun.get(name)) is not None}

    def _item(self, event: Fields) -> _Item | None:
        index = event.get("output_index")
        if index is None and event.get("item_id") is None and event.get("item") is None:
            return None
        place = place_of(index, max(self._items, default=0))
        found = self._items.get(place)
        if found is None and self._room.part():
            found = self._items[place] = _Item(self._room)
        return found

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        pieces = self._attributes({**self._begun, "output": [item.whole() for _, item in sorted(self._items.items())]})
        if self._end is None:
            return pieces
        if any(key.startswith(keys.LLM_OUTPUT_MESSAGES) for key in self._end):
            put_model(self._end, self._end.get(keys.LLM_MODEL_NAME) or self._begun.get("model"))
            return self._end
        return {**pieces, **self._end}  # some servers close with a response that has no output


class _Item:
    """One output item of a stream."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._base: dict[str, Any] = {}
        self._is_done = False
        self._parts: dict[tuple[str, str, str, int], Pieces] = {}
        self._arguments: dict[str, Pieces] = {}
        self._annotations: list[object] = []

    def begin(self, item: object, *, is_done: bool) -> None:
        found = kept(item)
        if found:
            self._base, self._is_done = found, is_done

    def add(self, stem: str, event: Fields) -> bool:
        pieces, words = self._pieces(stem, event), text(event.get("delta"))
        if pieces is None or words is None:
            return False
        pieces.add(words)
        return True

    def done(self, stem: str, event: Fields) -> bool:
        """The whole of a text, which is believed more than its pieces; or what it refers to."""
        annotation = event.get("annotation")
        if annotation is not None and self._room.part():
            self._annotations.append(annotation)
        part = _TEXTS.get(stem)
        words = text(event.get(part[2] if part else _ARGUMENTS.get(stem, "")))
        pieces = self._pieces(stem, event) if words is not None else None
        if pieces is not None and words is not None:
            pieces.replace(words)
        return False

    def _pieces(self, stem: str, event: Fields) -> Pieces | None:
        part = _TEXTS.get(stem)
        if part is not None:
            index = event.get("summary_index" if part[0] == "summary" else "content_index")
            key = (*part, place_of(index, 0))
            if key in self._parts or self._room.part():
                return self._parts.setdefault(key, Pieces(self._room))
        field = _ARGUMENTS.get(stem)
        return None if field is None else self._arguments.setdefault(field, Pieces(self._room))

    def whole(self) -> dict[str, Any]:
        if self._is_done:
            return self._base
        item: dict[str, Any] = {**self._base, **{field: str(pieces) for field, pieces in self._arguments.items()}}
        for (place, kind, field, _), pieces in sorted(self._parts.items(), key=lambda entry: entry[0][3]):
            before = [part for part in entries(item.get(place)) if type(part) is dict and "streamed" in part]
            item[place] = [*before, {"type": kind, field: str(pieces), "streamed": True}]
        if text(item.setdefault("type", "message")) == "message":
            item.setdefault("role", "assistant")
            if self._annotations and (said := entries(item.get("content"))) and type(said[-1]) is dict:
                said[-1]["annotations"] = self._annotations
        return item
