"""What Groq's compound systems ran for an answer, in `executed_tools` beside the message: calls, and what came of them.

Read as the built-in tools of OpenAI's Responses are: each is a tool call of the message, its result one of its parts.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.calls import put_call
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, kept, text
from llmtrace._attributes.media import data_url, put_image
from llmtrace._attributes.message_keys import MessageKeys
from llmtrace._attributes.parts import put_words
from llmtrace._values.serialize import to_json
from llmtrace.recorders.answer import place_of
from llmtrace.recorders.text import Room
from llmtrace.semconv import trace as keys

MOST_TOOLS: Final = 64
_LONGEST_NAME: Final = 64
_IN_WORDS: Final = "output"
_RESULTS: Final = ("search_results", "browser_results", "code_results")
"""What a tool gave back beside its output, which says the same in words."""


def put_executed(into: Attributes, named: MessageKeys, tools: object) -> list[Any]:
    """Flatten the tools that were run for one message; returns what they found, with addresses.

    Args:
        into: receives the attributes; has the rest of the message already.
        named: the message's keys.
        tools: what was run.
    """
    found: list[Any] = []
    call, part = _free(into, named.tools), _free(into, named.contents)
    for entry in each(entries(tools), MOST_TOOLS):
        tool = fields(entry)
        kind = text(tool.get("type")) or text(tool.get("name"))
        if kind is None:
            continue
        put_call(into, f"{named.tools}{call}.", tool.get("id"), kind, tool.get("arguments"))
        call += 1
        counted = keys.SERVER_TOOLS_PREFIX + kind[:_LONGEST_NAME]
        into[counted] = into.get(counted, 0) + 1
        part = _put_result(into, named.contents, part, kind, tool)
        found += entries(fields(tool.get("search_results")).get("results")) or entries(tool.get("browser_results"))
    return found


def _free(into: Attributes, prefix: str) -> int:
    """The first free place of a list."""
    places = [int(key.removeprefix(prefix).partition(".")[0]) for key in into if key.startswith(prefix)]
    return max(places, default=-1) + 1


def _put_result(into: Attributes, contents: str, place: int, kind: str, tool: Fields) -> int:
    results = {name: value for name in _RESULTS if (value := tool.get(name)) is not None}
    words = text(tool.get(_IN_WORDS)) or (to_json(results) if results else None)
    if words is not None:
        put_words(into, f"{contents}{place}.", f"{kind}_output", words)
        place += 1
    for result in each(entries(tool.get("code_results")), MOST_TOOLS):
        url = data_url("image/png", text(fields(result).get("png")))
        if url is not None:
            put_image(into, f"{contents}{place}.", url)
            place += 1
    return place


class Executed:
    """The tools of one streamed answer: each comes when it is called, and again with what it gave."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._tools: dict[int, dict[str, Any]] = {}

    def add(self, tools: object) -> bool:
        """Take the tools of a delta; True where there is one."""
        brought = False
        for position, tool in enumerate(each(entries(tools), MOST_TOOLS)):
            place = place_of(fields(tool).get("index"), position)
            if place in self._tools or self._room.part():
                self._tools.setdefault(place, {}).update(kept(tool))
                brought = True
        return brought

    def whole(self) -> list[dict[str, Any]] | None:
        """The tools so far, in their order; None where there is none."""
        return [tool for _, tool in sorted(self._tools.items())] or None
