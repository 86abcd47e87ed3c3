"""A streamed chat completion, put together from its chunks, whatever a server leaves out, repeats or sends twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._attributes.media import image_url
from llmtrace._attributes.parts import words_of
from llmtrace._values.serialize import to_json, to_text
from llmtrace.recorders.answer import place_of, put_error
from llmtrace.recorders.executed import Executed
from llmtrace.recorders.text import Pieces, Room
from llmtrace.recorders.thoughts import Thoughts
from llmtrace.semconv import trace as keys

_REASONING: Final = ("reasoning_content", "reasoning")
SOURCES: Final = ("search_results", "citations")
"""Where Perplexity and xAI say beside the choices what an answer refers to."""
_LAST: Final = 1_000_000
"""Where calls without an index stand, behind those that have one."""


class ChatAccumulator:
    """Puts a streamed chat completion together."""

    def __init__(self, attributes: Callable[[object], Attributes]) -> None:
        """Begin.

        Args:
            attributes: says what a whole answer says.
        """
        self._whole = attributes
        self._room = Room()
        self._model: object = None
        self._identity: str | None = None
        self._usage: object = None
        self._sources: dict[str, object] = {}
        self._error: object = None
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words or a piece of a tool call."""
        found = fields(chunk)
        if found.get("chunk") is not None:  # an event of the SDK's stream helper
            found = fields(found.get("chunk"))
        self._model = text(found.get("model")) or self._model
        self._identity = self._identity or text(found.get("id"))
        usage = found.get("usage")
        if usage is None and found.get("x_groq") is not None:
            usage = fields(found.get("x_groq")).get("usage")
        if usage is not None:
            self._usage = usage
        for name in SOURCES:
            if found.get(name) is not None:  # with each chunk, all of them
                self._sources[name] = found.get(name)
        brought = False
        seen: set[int] = set()
        choices = entries(found.get("choices"))
        if not choices and found.get("error") is not None:
            self._error = found.get("error")
        for position, entry in enumerate(choices):
            choice = fields(entry)
            place = place_of(choice.get("index"), position)
            place = position if place in seen else place
            seen.add(place)
            if place in self._choices or self._room.part():
                brought |= self._choices.setdefault(place, _Choice(self._room)).add(choice)
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        choices = [
            {"index": index, "message": choice.message(), "finish_reason": choice.finish_reason}
            for index, choice in sorted(self._choices.items())
        ]
        named = {"id": self._identity, "model": self._model, "usage": self._usage}
        into = self._whole({**named, "choices": choices, **self._sources})
        if self._error is not None:
            into.setdefault(keys.LLM_FINISH_REASON, "error")
            put_error(into, self._error)
        return into


class _Choice:
    """One of a stream's answers."""

    def __init__(self, room: Room) -> None:
        self.finish_reason: str | None = None
        self._room = room
        self._role = "assistant"
        self._texts: dict[str, Pieces] = {}
        self._audio: str | None = None
        self._function: _Call | None = None
        self._calls = _Calls(room)
        self._annotations: dict[str, None] = {}
        self._images: list[object] = []
        self._thoughts = Thoughts(room)
        self._executed = Executed(room)

    def add(self, choice: Fields) -> bool:
        self.finish_reason = text(choice.get("finish_reason")) or self.finish_reason
        delta = fields(either(choice, "delta", "message"))
        self._role = text(delta.get("role")) or self._role
        brought = self._add_texts(delta)
        function = delta.get("function_call")
        if function is not None:
            self._function = self._function or _Call(self._room)
            self._function.add({"function": function})
            brought = True
        annotations, context = delta.get("annotations"), delta.get("context")
        if annotations is not None:
            self._annotate(annotations)
        if context is not None:
            self._annotate(fields(context).get("citations"))
        calls = delta.get("tool_calls")
        if calls is not None:
            for position, call in enumerate([calls] if type(calls) is dict else entries(calls)):  # alone: of TGI
                self._calls.add(call, position)
                brought = True
        details = delta.get("reasoning_details")
        if details is not None:
            brought |= self._thoughts.add(details)
        executed = delta.get("executed_tools")
        if executed is not None:
            brought |= self._executed.add(executed)
        return brought | self._add_images(delta.get("images"))

    def _add_images(self, images: object) -> bool:
        """What a model painted comes whole, in the same list as in a whole answer; kept as far as there is room."""
        brought = False
        for image in each(entries(images)):
            url = to_text(image_url(fields(image)) or "")
            if url and self._room.characters > 0 and self._room.part():
                self._room.characters -= len(url)
                self._images.append({"type": "image_url", "image_url": {"url": url}})
                brought = True
        return brought

    def _add_texts(self, delta: Fields) -> bool:
        spoken = fields(delta.get("audio"))
        self._audio = text(spoken.get("id")) or self._audio
        named = (
            ("content", _content(delta.get("content"))),
            ("refusal", text(delta.get("refusal"))),
            ("reasoning", _thought(delta)),
            ("transcript", text(spoken.get("transcript"))),
        )
        brought = False
        for name, words in named:
            if words is not None:
                self._texts.setdefault(name, Pieces(self._room)).add(words)
                brought = True
        return brought

    def _annotate(self, annotations: object) -> None:
        """Keep what the words refer to, once: some servers send with each chunk all that they have sent before."""
        for annotation in entries(annotations):
            rendered = to_json(annotation)
            if rendered not in self._annotations and len(rendered) <= self._room.characters and self._room.part():
                self._room.characters -= len(rendered)
                self._annotations[rendered] = None

    def message(self) -> dict[str, Any]:
        texts = {name: str(pieces) for name, pieces in self._texts.items()}
        message: dict[str, Any] = {"role": self._role, "content": None, **texts, "tool_calls": self._calls.whole()}
        transcript = message.pop("transcript", None)
        if transcript is not None or self._audio is not None:
            message["audio"] = {"id": self._audio, "transcript": transcript}
        beside = {"reasoning_details": self._thoughts.whole(), "executed_tools": self._executed.whole()}
        message |= {name: value for name, value in beside.items() if value is not None}
        if self._images:
            message["images"] = self._images
        if self._annotations:
            message["annotations"] = [json.loads(annotation) for annotation in self._annotations]
        if self._function is not None:
            message["function_call"] = self._function.whole()["function"]
        return message


def _thought(delta: Fields) -> str | None:
    """What the model thought: a field of its own, or as Mistral sends it, parts of the content."""
    for name in _REASONING:
        words = text(delta.get(name))
        if words is not None:
            return words
    parts = entries(delta.get("content"))
    return "".join(map(_thought_of, map(fields, each(parts)))) or None if parts else None


def _thought_of(part: Fields) -> str:
    """Of Mistral's parts, and of the ones of Databricks."""
    return words_of(either(part, "thinking", "summary")) or ""


def _content(content: object) -> str | None:
    """The words of a delta: a text, or as some servers send it, a list of parts."""
    direct = text(content)
    if direct is not None or content is None:
        return direct
    return "".join(text(fields(part).get("text")) or "" for part in each(entries(content))) or None


class _Calls:
    """The tool calls of one answer, found again by whatever a server tells them apart with."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._calls: list[tuple[int, _Call]] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}

    def add(self, piece: object, position: int) -> None:
        found = fields(piece)
        index, identity = found.get("index"), text(found.get("id"))
        place = index if type(index) is int else None
        call = self._find(found, place, identity, position)
        if call is None:
            if not self._room.part():
                return
            call = _Call(self._room)
            self._calls.append((_LAST if place is None else place, call))
        if identity is not None:
            self._by_id[identity] = call
        self._by_index[position if place is None else place] = call
        call.add(piece)

    def _find(self, piece: Fields, place: int | None, identity: str | None, position: int) -> _Call | None:
        """The call that a piece belongs to: by its id, then its index, then its place in the list.

        An index that two ids share belongs to two calls, and a piece that names a function again after complete
        arguments begins another call: so do Google's and Ollama's compatible servers.
        """
        if identity is not None and identity in self._by_id:
            return self._by_id[identity]
        found = self._by_index.get(position if place is None else place)
        if found is None:
            return None
        if identity is not None and (found.identity is not None or place is None):
            return None
        names = text(fields(piece.get("function")).get("name")) is not None
        return None if place is None and identity is None and names and found.is_complete() else found

    def whole(self) -> list[dict[str, Any]] | None:
        """All calls, in the order of their indices, else in that of their arrival."""
        return [call.whole() for _, call in sorted(self._calls, key=lambda entry: entry[0])] or None


class _Call:
    """One tool call of a streamed answer."""

    def __init__(self, room: Room) -> None:
        self.identity: str | None = None
        self._name = Pieces(room)
        self._arguments = Pieces(room)

    def add(self, piece: object) -> None:
        found = fields(piece)
        self.identity = text(found.get("id")) or self.identity
        custom = found.get("custom")
        function = fields(either(found, "function", "custom"))
        name, arguments = text(function.get("name")), function.get("arguments" if custom is None else "input")
        if name is not None and name != str(self._name):  # some servers repeat the whole name in every piece
            self._name.add(name)
        if type(arguments) is str:
            self._arguments.add(arguments)
        elif arguments is not None:  # and some send the arguments as an object
            self._arguments.add(to_json(arguments))

    def is_complete(self) -> bool:
        """Whether the arguments that arrived are whole already."""
        arguments = str(self._arguments)
        if not arguments.endswith("}"):
            return False
        try:
            json.loads(arguments)
        except (ValueError, RecursionError):
            return False
        return True

    def whole(self) -> dict[str, Any]:
        return {"id": self.identity, "function": {"name": str(self._name), "arguments": str(self._arguments)}}
