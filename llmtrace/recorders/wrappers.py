"""What an SDK wraps around an answer: raw responses and stream helpers. Nothing is read that was not read before.

A raw response (``with_raw_response``, or httpx's own) is recorded from the body that it has in memory: its ``parse()``
may run the app's code and is the app's to call. A stream helper is recorded from the snapshot that it keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from llmtrace._attributes.fields import fields, read, text
from llmtrace._values.storage import ABSENT, attribute, mro, qualname, top_module

NOT_READ: Final = object()
"""In place of an answer that is not there yet."""
_LONGEST_BODY: Final = 4_194_304
_SNAPSHOTS: Final = ("current_message_snapshot", "current_completion_snapshot")
_DEEPEST: Final = 3
_HTTP: Final = frozenset({"httpx", "httpx2"})


def unwrapped(answer: object) -> object:
    """The answer inside a wrapper; `NOT_READ` where it has not arrived; anything else as it is."""
    for name in _SNAPSHOTS:
        if attribute(type(answer), name) is not ABSENT:
            snapshot = read(answer, name)
            return NOT_READ if snapshot is None else snapshot
    response = read(answer, "http_response")
    if response is None:
        response = answer
    return _body(response) if _is_http(response) else answer


_PATHS: Final = (
    ("data", "output"),
    ("data", "chunk"),
    ("response", "body"),
    ("result", "message"),
    ("modelOutput",),
    ("raw",),
    ("raw_response",),
    ("_raw_response",),
    ("inner_content",),
    ("data",),
    ("response",),
    ("body",),
    ("result",),
    ("message",),
    ("output",),
)
"""Where one answer stands inside another: events of LangChain, batches of OpenAI, Anthropic and others, LlamaIndex,
Instructor."""
_CHUNK_PATHS: Final = (
    ("data", "chunk"),
    ("data",),
    ("raw",),
    ("raw_chunk",),
    ("chunk",),
    ("inner_content",),
    ("message",),
)


def inner_answers(answer: object) -> Iterator[object]:
    """What may be the real answer inside this one, the likeliest first; of a pair, what stands behind the other."""
    if type(answer) is tuple:
        return reversed(answer[:2])
    return _at(answer, _PATHS)


def inner_chunks(chunk: object) -> Iterator[object]:
    """What may be the real chunk inside this one."""
    if type(chunk) is tuple:
        return iter(_in_pair(chunk))
    return _at(chunk, _CHUNK_PATHS)


def _in_pair(pair: tuple[object, ...]) -> tuple[object, ...]:
    """LangGraph's chunk, with where it comes from behind it; before it the mode, as Azure's agents name an event."""
    for _ in range(_DEEPEST):
        is_named = len(pair) > 1 and (type(pair[0]) is str or type(pair[0]) is tuple)
        inner = pair[1:2] if is_named else pair[:1]
        if not inner or type(inner[0]) is not tuple:
            return inner
        pair = inner[0]
    return ()


def _at(outer: object, paths: tuple[tuple[str, ...], ...]) -> Iterator[object]:
    for path in paths:
        inner = outer
        for name in path:
            inner = fields(inner).get(name)
        if type(fields(inner)) is dict and inner is not None:  # not the child of a mock, which has every field
            yield inner


def _is_http(response: object) -> bool:
    """Whether this is a response of httpx or of its successor, by its real class: a mock answers to any name."""
    return any(qualname(base) == "Response" and top_module(base) in _HTTP for base in mro(type(response)))


def _body(response: object) -> object:
    content = read(response, "content") if read(response, "is_closed") is True else None
    if type(content) is not bytes or len(content) > _LONGEST_BODY:
        return NOT_READ
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return text(content.decode(errors="replace")) or NOT_READ
