"""The format of a spool file: framed, checksummed records, of which one that is damaged costs no other.

    file    = magic, progress, frame ...
    frame   = sync mark, length, CRC-32 of the payload, payload
    payload = "G", number, length of the resource's fields, these, the scope's fields    a group of spans
            | "S", number of its group, the bytes of one OTLP span                       a span

Progress is the place from which spans are still to be sent. Nothing in it is executed when it is read: no pickle.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmtrace.exporters.encoded import EncodedSpan, Group

MAGIC: Final = b"LLTSPL1\n"
_SYNC: Final = b"\xf5LT\x01"
_head: Final = struct.Struct("<4sII")
_group: Final = struct.Struct("<cHI")
_span: Final = struct.Struct("<cH")
_progress: Final = struct.Struct("<Q")
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


def header(progress: int = BEGIN) -> bytes:
    """The beginning of a file."""
    return MAGIC + progress_bytes(progress)


def progress_bytes(progress: int) -> bytes:
    """What is written at `PROGRESS_AT`."""
    return _progress.pack(progress)


def group_frame(number: int, group: Group) -> bytes:
    """A resource and a scope, for the spans behind it."""
    return _frame(_group.pack(b"G", number, len(group.resource)) + group.resource + group.scope)


def span_frame(group: int, data: bytes) -> bytes:
    """A span."""
    return _frame(_span.pack(b"S", group) + data)


def _frame(payload: bytes) -> bytes:
    return _head.pack(_SYNC, len(payload), zlib.crc32(payload)) + payload


def read(data: bytes, *, by_rule: bool) -> Iterator[Found]:
    """The spans of a file that are still to be sent, in their order, and one mark for each damaged place."""
    if data[: len(MAGIC)] != MAGIC or len(data) < BEGIN:
        yield Found(0, None)
        return
    (begin,) = _progress.unpack_from(data, PROGRESS_AT)
    groups: dict[int, Group] = {}
    at = BEGIN
    while at < len(data):
        payload = _payload(data, at)
        if payload is None:
            yield Found(at, None)
            at = _next(data, at + 1)
            continue
        if payload[:1] == b"G":
            _, number, length = _group.unpack_from(payload)
            groups[number] = Group(payload[_group.size : _group.size + length], payload[_group.size + length :])
        elif at >= begin:
            _, number = _span.unpack_from(payload)
            group = groups.get(number)
            yield Found(at, None if group is None else EncodedSpan(payload[_span.size :], group, by_rule))
        at += _head.size + len(payload)


def _payload(data: bytes, at: int) -> bytes | None:
    if at + _head.size > len(data):
        return None
    sync, length, checksum = _head.unpack_from(data, at)
    payload = data[at + _head.size : at + _head.size + length]
    sound = sync == _SYNC and len(payload) == length >= _span.size and zlib.crc32(payload) == checksum
    return payload if sound and (payload[:1] == b"S" or (payload[:1] == b"G" and length >= _group.size)) else None


def _next(data: bytes, at: int) -> int:
    """The next place at which a sound frame begins, or the end."""
    while (at := data.find(_SYNC, at)) >= 0:
        if _payload(data, at) is not None:
            return at
        at += 1
    return len(data)
