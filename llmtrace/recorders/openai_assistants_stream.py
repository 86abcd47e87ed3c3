"""A streamed run of OpenAI's Assistants, put together from its events; what comes whole in the end is believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, kept, text
from llmtrace.recorders.answer import place_of
from llmtrace.recorders.text import Pieces, Room

_MESSAGE_DELTA: Final = "thread.message.delta"
_STEP_DELTA: Final = "thread.run.step.delta"
OBJECTS: Final = frozenset({"thread", "thread.run", "thread.run.step", _STEP_DELTA, "thread.message", _MESSAGE_DELTA})
"""What the data of an event says that it is."""
_OF_RUN: Final = ("id", "model", "status", "usage", "last_error", "incomplete_details", "required_action")
_TOOLS: Final = {"function": ("name", "arguments"), "code_interpreter": ("input",)}
"""Kind of a call -> the fields that grow."""


class RunAccumulator:
    """Puts a streamed run together."""

    def __init__(self, attributes: Callable[[object], Attributes]) -> None:
        """Begin.

        Args:
            attributes: says what a whole run says.
        """
        self._attributes = attributes
        self._room = Room()
        self._run: dict[str, Any] = {}
        self._messages: dict[str, _Message] = {}
        self._calls: dict[tuple[str, int], _Call] = {}

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a call."""
        event = fields(chunk)
        data = event.get("data")
        found = event if data is None else fields(data)
        kind = text(found.get("object")) or ""
        identity = text(found.get("id")) or ""
        if kind == _MESSAGE_DELTA:
            message = self._message(identity)
            return message is not None and message.add(fields(found.get("delta")))
        if kind in ("thread.message", "thread.run.step"):
            self._take(kind, identity, found)
        elif kind == _STEP_DELTA:
            details = fields(fields(found.get("delta")).get("step_details"))
            return self._add_calls(identity, details.get("tool_calls"), is_whole=False)
        elif kind == "thread.run":
            self._run |= {name: value for name in _OF_RUN if (value := found.get(name)) is not None}
        elif text(event.get("event")) == "error":
            self._run |= {"last_error": kept(data), "status": "failed"}
        return False

    def _take(self, kind: str, identity: str, found: Fields) -> None:
        """A message or a step as it is by now; whole in its last event, without anything in its first."""
        if kind == "thread.message":
            message = self._message(identity) if entries(found.get("content")) else None
            if message is not None:
                message.whole = [*entries(found.get("content"))]
        else:
            self._add_calls(identity, fields(found.get("step_details")).get("tool_calls"), is_whole=True)

    def _message(self, identity: str) -> _Message | None:
        found = self._messages.get(identity)
        if found is None and self._room.part():
            found = self._messages[identity] = _Message(self._room)
        return found

    def _add_calls(self, step: str, calls: object, *, is_whole: bool) -> bool:
        brought = False
        for position, piece in enumerate(each(entries(calls))):
            place = (step, place_of(fields(piece).get("index"), position))
            if place not in self._calls and not self._room.part():
                continue
            call = self._calls.setdefault(place, _Call(self._room))
            if is_whole:
                call.base, call.grown = kept(piece), {}
            else:
                brought |= call.add(fields(piece))
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole run would have said it."""
        messages = [{"content": message.content()} for message in self._messages.values()]
        calls = [call.whole() for call in self._calls.values()]
        return self._attributes({**self._run, "messages": messages, "calls": calls})


class _Message:
    """One message of the assistant's."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._parts: dict[int, dict[str, Any]] = {}
        self._words: dict[int, Pieces] = {}
        self.whole: list[Any] | None = None

    def add(self, delta: Fields) -> bool:
        brought = False
        for position, entry in enumerate(each(entries(delta.get("content")))):
            part = fields(entry)
            place = place_of(part.get("index"), position)
            if place not in self._parts and not self._room.part():
                continue
            base = self._parts.setdefault(place, {})
            held = fields(part.get("text"))
            words = text(held.get("value")) or text(part.get("refusal"))
            if words is not None:
                self._words.setdefault(place, Pieces(self._room)).add(words)
                brought = True
            cited = [cite for cite in entries(held.get("annotations")) if self._room.part()]
            base["annotations"] = [*base.get("annotations", ()), *cited]
            for name in ("type", "image_file", "image_url"):
                if (value := part.get(name)) is not None:
                    base[name] = value
        return brought

    def content(self) -> list[Any]:
        if self.whole is not None:
            return self.whole
        return [self._part(place, base) for place, base in sorted(self._parts.items())]

    def _part(self, place: int, base: dict[str, Any]) -> dict[str, Any]:
        words = str(self._words.get(place, ""))
        if text(base.get("type")) == "refusal":
            return {"type": "refusal", "refusal": words}
        rest = {name: value for name, value in base.items() if name != "annotations"}
        if not words:
            return rest
        return {**rest, "type": "text", "text": {"value": words, "annotations": base["annotations"]}}


class _Call:
    """One call of a step."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.base: dict[str, Any] = {}
        self.grown: dict[tuple[str, str], Pieces] = {}

    def add(self, piece: Fields) -> bool:
        for name in ("id", "type", "file_search"):
            value = piece.get(name)
            if value is not None:
                self.base[name] = value
        brought = False
        for kind, names in _TOOLS.items():
            tool = fields(piece.get(kind))
            for name in names:
                words = text(tool.get(name))
                if words is not None:
                    self.grown.setdefault((kind, name), Pieces(self._room)).add(words)
                    brought = True
            outputs = entries(tool.get("outputs"))
            if outputs and self._room.part():
                self.base["outputs"] = [*self.base.get("outputs", ()), *outputs]
        return brought

    def whole(self) -> dict[str, Any]:
        made = dict(self.base)
        for (kind, name), pieces in self.grown.items():
            made[kind] = {**kept(made.get(kind)), name: str(pieces)}
        outputs = made.pop("outputs", None)
        if outputs is not None:
            made["code_interpreter"] = {**kept(made.get("code_interpreter")), "outputs": outputs}
        return made
