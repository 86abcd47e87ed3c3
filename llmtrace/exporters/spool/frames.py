"""The format of a spool file: framed, checksummed records, of which one that is damaged costs no other.

    file    = magic, progress, frame ...
    frame   = sync mark, length, CRC-32 of the payload, payload
    payload = "G", number, length of the resource's fields, these, the scope's fields    a group of spans
            | "S", number of its group, its own number, the bytes of one OTLP span       a span

Progress is the place from which spans are still to be sent, and its CRC-32. A group stands in the file more than once,
as none of its spans can do without it; spans are numbered, so that it is known how many of them are gone. Nothing in a
file is executed when it is read: no pickle.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmtrace.exporters.encoded import EncodedSpan, Group

MAGIC: Final = b"LLTSPL2\n"
_SYNC: Final = b"\xf5LT\x01"
_head: Final = struct.Struct("<4sII")
_group: Final = struct.Struct("<cHI")
_span: Final = struct.Struct("<cHI")
_progress: Final = struct.Struct("<QI")
_place: Final = struct.Struct("<Q")
PROGRESS_AT: Final = len(MAGIC)
BEGIN: Final = PROGRESS_AT + _progress.size
MOST_GROUPS: Final = 65_535
"""Groups in one file."""


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a place of a file."""

    at: int
    span: EncodedSpan | None
    """None: something damaged."""
    lost: int = 0
    """Spans that were lost with it."""


def header(progress: int = BEGIN) -> bytes:
    """The beginning of a file."""
    return MAGIC + progress_bytes(progress)


def progress_bytes(progress: int) -> bytes:
    """What is written at `PROGRESS_AT`."""
    return _progress.pack(progress, zlib.crc32(_place.pack(progress)))


def group_frame(number: int, group: Group) -> bytes:
    """A resource and a scope, for the spans behind it."""
    return _frame(_group.pack(b"G", number, len(group.resource)) + group.resource + group.scope)


def span_start(group: int, number: int, data: bytes) -> bytes:
    """What stands before the bytes of a span, so that these need not be copied."""
    start = _span.pack(b"S", group, number)
    return _head.pack(_SYNC, len(start) + len(data), zlib.crc32(data, zlib.crc32(start))) + start


def _frame(payload: bytes) -> bytes:
    return _head.pack(_SYNC, len(payload), zlib.crc32(payload)) + payload


def read(data: bytes, *, by_rule: bool) -> Iterator[Found]:
    """The spans of a file that are still to be sent, in their order, and one mark for each damaged place."""
    begin, frames = _begin(data), dict(_frames(data))
    groups = dict(_group_of(payload) for payload in frames.values() if payload is not None and payload[:1] == b"G")
    damaged_at: int | None = 0 if not any(at >= begin for at in frames) else None
    expected = 0
    for at, payload in frames.items():
        if payload is None:
            damaged_at = at
        elif payload[:1] == b"S":
            _, of_group, number = _span.unpack_from(payload)
            if at >= begin:
                if damaged_at is not None:
                    yield Found(damaged_at, None, max(0, number - expected))
                group = groups.get(of_group)
                span = EncodedSpan(payload[_span.size :], group, by_rule) if group is not None else None
                yield Found(at, span, int(span is None))
            damaged_at, expected = None, number + 1
    if damaged_at is not None:
        yield Found(damaged_at, None, 1)  # what stood at the end, of which nobody knows how much it was


def _begin(data: bytes) -> int:
    """Where to begin; what is damaged says: with what was sent already."""
    place, checksum = _progress.unpack_from(data, PROGRESS_AT) if len(data) >= BEGIN else (0, 0)
    return place if zlib.crc32(_place.pack(place)) == checksum else 0


def _group_of(payload: bytes) -> tuple[int, Group]:
    _, number, length = _group.unpack_from(payload)
    return number, Group(payload[_group.size : _group.size + length], payload[_group.size + length :])


def _frames(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Each frame's place and payload; of a damaged place None."""
    at = BEGIN if data[: len(MAGIC)] == MAGIC and len(data) >= BEGIN else _next(data, 0)
    while at < len(data):
        payload = _payload(data, at)
        yield at, payload
        at = _next(data, at + 1) if payload is None else at + _head.size + len(payload)


def _payload(data: bytes, at: int) -> bytes | None:
    if at + _head.size > len(data):
        return None
    sync, length, checksum = _head.unpack_from(data, at)
    payload = data[at + _head.size : at + _head.size + length]
    sound = sync == _SYNC and len(payload) == length >= _span.size and zlib.crc32(payload) == checksum
    return payload if sound and payload[:1] in (b"S", b"G") else None


def _next(data: bytes, at: int) -> int:
    """The next place at which a sound frame begins, or the end."""
    while (at := data.find(_SYNC, at)) >= 0:
        if _payload(data, at) is not None:
            return at
        at += 1
    return len(data)
