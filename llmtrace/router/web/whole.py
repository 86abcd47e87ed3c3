"""A request that has come whole, read in one look: only the most ordinary form of a POST, all else is for a parser.

Senders say the same head again and again, so what it means is remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from llmtrace.router.web.answer import Headers

LONGEST: Final = 64 * 1024
"""Bytes of a request."""
_LONGEST_HEAD: Final = 4_096
_END: Final = b"\r\n\r\n"
_FIRST: Final = re.compile(rb"POST (/[A-Za-z0-9/_.-]*) HTTP/1\.1")
_LINE: Final = re.compile(rb"([A-Za-z0-9-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_LENGTH: Final = re.compile("[0-9]{1,6}")
_NOT_ORDINARY: Final = frozenset({"transfer-encoding", "expect", "upgrade", "te", "trailer", "http2-settings"})


@dataclass(frozen=True, slots=True)
class Whole:
    """A POST with all of its body."""

    path: str
    headers: Headers
    body: bytes


def read(data: bytes) -> Whole | None:
    """The one request that these bytes are; None where they are anything else."""
    if len(data) > LONGEST or not data.startswith(b"POST "):
        return None
    head, end, body = data.partition(_END)
    found = _read_head(head) if end and len(head) <= _LONGEST_HEAD else None
    if found is None or found[2] != len(body):
        return None
    return Whole(found[0], found[1], body)


@lru_cache(256)
def _read_head(head: bytes) -> tuple[str, Headers, int] | None:
    first, *lines = head.split(b"\r\n")
    start, said = _FIRST.fullmatch(first), [_LINE.fullmatch(line) for line in lines]
    if start is None or None in said:
        return None
    pairs = [(each[1].decode().lower(), each[2].decode()) for each in said if each is not None]
    headers = dict(pairs)
    is_plain = len(headers) == len(pairs) and not _NOT_ORDINARY & headers.keys() and "host" in headers
    if not is_plain or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = headers.get("content-length", "")
    return (start[1].decode(), headers, int(length)) if _LENGTH.fullmatch(length) else None
