"""A text -> its beginning, within a limit and marked; what was JSON is JSON again. Reads no more than the limit."""

from __future__ import annotations

import json
import re
from typing import Final

from llmtrace._values.serialize import MARK_TRUNCATED

_TOKEN: Final = re.compile(
    r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<open>"[^"\\]*(?:\\.[^"\\]*)*\\?\Z)|(?P<bracket>[{}\[\]])', re.DOTALL
)
_HALF_ESCAPE: Final = re.compile(
    r"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?\\(?:u[0-9a-fA-F]{0,3})?\Z|\\u[dD][89abAB][0-9a-fA-F]{2}\Z"
)
_HALF_SCALAR: Final = re.compile(r"[\w.+-]+\Z")
_CLOSING: Final = {"{": "}", "[": "]"}
_TRIES: Final = 4
_SPARE: Final = 16


def cut(text: str, limit: int, original: int) -> str:
    """At most `limit` characters: the beginning, closed if it is the beginning of JSON, and a mark with `original`.

    Args:
        text: the text, or its beginning.
        limit: characters at most.
        original: the characters of the whole text.
    """
    mark = MARK_TRUNCATED.format(original)
    if text.lstrip()[:1] in ("{", "[", '"'):
        closed = _closed_within(text, limit, mark)
        if closed is not None:
            return closed
    return text[: max(limit - len(mark), 0)] + mark[: max(limit, 0)]


def _closed_within(text: str, limit: int, mark: str) -> str | None:
    room = limit - len(mark) - _SPARE
    for _ in range(_TRIES):
        if room <= 0:
            return None
        closed = _closed(text[:room], mark)
        if closed is None or len(closed) <= limit:
            return closed
        room -= len(closed) - limit
    return None


def _closed(text: str, mark: str) -> str | None:
    """The JSON that begins like this, ended; None where it is no beginning of JSON."""
    stack: list[str] = []
    last = None
    for found in _TOKEN.finditer(text):
        last = found
        bracket = found["bracket"]
        if bracket in _CLOSING:
            stack.append(bracket)
        elif bracket and (not stack or _CLOSING[stack.pop()] != bracket):
            return None
    end = "".join(_CLOSING[bracket] for bracket in reversed(stack))
    if last is not None and last["open"] is not None:
        # A value that was cut; if it is a key, the next try leaves it out.
        whole = text[: _end_of_characters(text)]
        if _is_json(f'{whole}{mark}"{end}'):
            return f'{whole}{mark}"{end}'
        text = text[: last.start()]
    return _ended(text, stack, end, mark) if stack else None


def _end_of_characters(text: str) -> int:
    """Where the last whole character of a string ends: half an escape is no character."""
    found = _HALF_ESCAPE.search(text, max(0, len(text) - 12))
    if found is None:
        return len(text)
    backslashes = len(text[: found.start() + 1]) - len(text[: found.start() + 1].rstrip("\\"))
    return found.start() if backslashes % 2 else len(text)


def _ended(text: str, stack: list[str], end: str, mark: str) -> str | None:
    """What was cut between two strings: a number cut in half or a key without its value is left out."""
    text = _HALF_SCALAR.sub("", text).rstrip()
    entry = f'"{mark}":null' if stack[-1] == "{" else f'"{mark}"'
    for whole in (text, _without_last_string(text)):
        begun = whole.rstrip().removesuffix(",")
        closed = f"{begun}{'' if begun.endswith(('{', '[')) else ','}{entry}{end}"
        if _is_json(closed):
            return closed
    return None


def _without_last_string(text: str) -> str:
    starts = [found.start() for found in _TOKEN.finditer(text) if found["string"]]
    return text[: starts[-1]] if starts else text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
