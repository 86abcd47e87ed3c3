"""A streamed message of Anthropic, put together from its events; those that the SDK's helper adds change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, entries, fields, kept, text
from llmtrace.recorders.answer import place_of
from llmtrace.recorders.text import Pieces, Room, parsed

_MESSAGE_START: Final = "message_start"
_ERROR: Final = "error"
_MESSAGE_DELTA: Final = "message_delta"
_BLOCK_START: Final = "content_block_start"
_BLOCK_DELTA: Final = "content_block_delta"
EVENTS: Final = frozenset(
    {_MESSAGE_START, _MESSAGE_DELTA, "message_stop", _BLOCK_START, _BLOCK_DELTA, "content_block_stop", "ping"}
)
_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
    "redacted_delta": "data",
}
"""Type of a delta -> the field that grows, of the delta and of its block; the last one is Bedrock's."""


_UNTYPED: Final = (("thinking", "thinking"), ("data", "redacted_thinking"))
"""Field of a block that does not say what it is, as Bedrock's do not -> its type."""


class MessageAccumulator:
    """Puts a streamed message together."""

    def __init__(self, attributes: Callable[[object], Attributes]) -> None:
        """Begin.

        Args:
            attributes: says what a whole answer says.
        """
        self._attributes = attributes
        self._room = Room()
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a tool call."""
        event = fields(chunk)
        kind = text(event.get("type"))
        if kind == _BLOCK_DELTA:
            return self._block(event).add(fields(event.get("delta")))
        if kind == _BLOCK_START:
            self._block(event).begin(event.get("content_block"))
        elif kind == _MESSAGE_START:
            message = fields(event.get("message"))
            self._message = {name: message.get(name) for name in ("id", "model", "role")}
            self._add_usage(message)
        elif kind == _ERROR:
            self._message |= {"error": event.get("error"), "stop_reason": _ERROR}
        elif kind == _MESSAGE_DELTA:
            reason = fields(event.get("delta")).get("stop_reason")
            if reason is not None:
                self._message["stop_reason"] = reason
            self._add_usage(event)
        return False

    def _block(self, event: Fields) -> _Block:
        index = place_of(event.get("index"), max(self._blocks, default=0))
        found = self._blocks.get(index)
        if found is None:
            found = _Block(self._room)
            if self._room.part():
                self._blocks[index] = found
        return found

    def _add_usage(self, source: Fields) -> None:
        """Counts of a later event replace those of an earlier one; it need not repeat all of them."""
        self._usage.update(kept(source.get("usage")))

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        blocks = [block.whole() for _, block in sorted(self._blocks.items())]
        return self._attributes({**self._message, "content": blocks, "usage": self._usage or None})


class _Block:
    """One block of a message's content."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._base: dict[str, Any] = {}
        self._grown: dict[str, Pieces] = {}

    def begin(self, block: object) -> None:
        self._base = kept(block)

    def add(self, delta: Fields) -> bool:
        citation = delta.get("citation")
        if citation is not None and self._room.part():
            self._base["citations"] = [*entries(self._base.get("citations")), citation]
            return False
        name = _DELTAS.get(text(delta.get("type")) or "")
        words = text(delta.get(name)) if name is not None else None
        if name is None or words is None:
            return False
        self._grown.setdefault(name, Pieces(self._room)).add(words)
        return name not in ("signature", "data")

    def whole(self) -> dict[str, Any]:
        grown = {name: str(pieces) for name, pieces in self._grown.items()}
        arguments = grown.pop("partial_json", None)
        block = {**self._base, **{name: (text(self._base.get(name)) or "") + words for name, words in grown.items()}}
        if arguments is not None:
            block["input"] = parsed(arguments)
        if "type" not in block:
            block["type"] = next((kind for field, kind in _UNTYPED if field in block), "text")
        return block
