"""How large a span is: a cheap look that is enough for nearly every one, and the bytes of single values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmtrace._record import SpanRecord
from llmtrace.processors.bounds import Limits
from llmtrace.semconv import trace as keys

PER_ATTRIBUTE: Final = 24
"""Bytes around a key and its value on the wire."""
_SCALAR: Final = 8
ENTRY: Final = 2
"""Bytes around an entry of a list."""
LONGEST_NAME: Final = 1_024
LONGEST_KEY: Final = 256
"""Characters."""


def left_by(record: SpanRecord, limits: Limits) -> int:
    """A cheap look: the bytes that a small span leaves, at least; below zero where one has to look closer."""
    if not limits.are_ours:
        return -1
    if len(record.events) > limits.events or len(record.links) > limits.events or len(record.name) > LONGEST_NAME:
        return -1
    description = record.status.description or ""
    if len(description) > limits.text:
        return -1
    left = limits.span - 4 * len(description) - _weight(record.attributes, limits)
    for event in record.events:
        left -= _weight(event.attributes or {}, limits)
    for link in record.links:
        left -= _weight(link.attributes or {}, limits)
    return left


def _weight(group: Mapping[str, Any], limits: Limits) -> int:
    """Bytes at most, a character having up to four; endless where one has to look closer."""
    if len(group) > limits.attributes:
        return _ENDLESS
    asked = tuple(group)
    weight = _weights.get(asked)
    if weight is None:
        weight = _weight_of(asked)
    size = 0
    for value in group.values():
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind in FIXED:
            size += _SCALAR
        else:
            size += size_of(value)
    if size > limits.text and max(map(size_of, group.values())) > limits.text:
        return _ENDLESS
    return weight + 4 * size


_weights: dict[tuple[str, ...], int] = {}
"""What the keys of a group weigh, all together: the spans of a service have few different ones."""
_MOST_WEIGHTS: Final = 256
_MOST_WEIGHED: Final = 512
_ENDLESS: Final = 1 << 62


def _weight_of(asked: tuple[str, ...]) -> int:
    names = "".join(asked)  # one search in all of them costs less than one look at each
    if keys.TRUNCATED_PREFIX in names or (len(names) > LONGEST_KEY and max(map(len, asked)) > LONGEST_KEY):
        weight = _ENDLESS
    else:
        weight = 4 * len(names) + PER_ATTRIBUTE * len(asked)
    if len(asked) <= _MOST_WEIGHED:
        if len(_weights) >= _MOST_WEIGHTS:
            _weights.clear()
        _weights[asked] = weight
    return weight


FIXED: Final = frozenset({bool, int, float})
"""Types whose values have one size."""


def size_of(value: object) -> int:
    """Bytes at most, by structure, of a value that is no plain str."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        return sum(size_of(key) + size_of(item) + ENTRY for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(size_of(item) + ENTRY for item in value)
    return _SCALAR


def bytes_of(text: str) -> int:
    """Bytes of a text on the wire."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
