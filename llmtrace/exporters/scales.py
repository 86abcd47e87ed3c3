"""How heavy the spans are that wait for the worker, roughly: weighed where many wait, and there not each of them.

The app's thread weighs, as only it sees a span before the span takes up room. A few microseconds for one in sixteen is
what that costs while spans are light; where one is heavy, each is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace._record import held_by
from llmtrace.exporters.orders import Order

MOST_BYTES: Final = 128 * 1024 * 1024
FEW: Final = 32
"""So many may wait unweighed: more than gather while the worker keeps up with a usual service."""
_SHARE: Final = 16
"""One in so many is weighed, for all of these, while they are light."""
_HEAVY: Final = 64 * 1024
_LIGHT_FOR: Final = 32
"""Spans in sequence after which the next ones are believed to be light, too."""
_SPAN: Final = 1_000
"""Bytes of a span without its values."""
_VALUE: Final = 64
_MOST_LOOKS: Final = 64
"""Entries of one container that are looked at, for all of them."""
_DEEPEST: Final = 4


@dataclass(frozen=True, slots=True)
class Weighed(Order):
    """A span that counts as so many bytes, for itself and for others beside it, until the worker takes it."""

    span: ReadableSpan
    weight: int


class Scales:
    """What was put on, by any thread, and what was taken off, by the worker."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        # Two numbers, each only added to: CPython changes no thread within such a statement, so no lock is needed, in
        # which an interrupt or the garbage collector could strike.
        self._on = 0
        self._off = 0
        self._light = 0
        self._most = most_bytes

    @property
    def is_full(self) -> bool:
        """Whether no more should wait."""
        return self._on - self._off > self._most

    def put(self, span: ReadableSpan, waiting: int) -> ReadableSpan | Weighed:
        """A span is about to wait behind so many; returns what is to stand for it in the line."""
        is_sample = self._light >= _LIGHT_FOR
        if is_sample and waiting % _SHARE:
            return span
        weight = weight_of(span)
        if weight > _HEAVY:
            self._light = 0
        else:
            self._light += 1
            weight *= _SHARE if is_sample else 1
        self._on += weight
        return Weighed(span, weight)

    def take(self, weighed: Weighed) -> ReadableSpan:
        """The worker takes it from the line."""
        self._off += weighed.weight
        return weighed.span


def weight_of(span: ReadableSpan) -> int:
    """The bytes of a span, roughly."""
    try:
        weight = _SPAN + _within(held_by(span).values())
        for event in getattr(span, "_events", None) or ():
            weight += _SPAN + _within((event.attributes or {}).values())
    except Exception:  # noqa: BLE001 - a value of the app's that another thread changes meanwhile
        return _SPAN
    return weight


def _within(values: Any, depth: int = 0) -> int:
    weight = looked = 0
    for value in values:
        kind = value.__class__
        if kind is str or kind is bytes:
            weight += len(value)
        elif depth < _DEEPEST and (kind is dict or kind is list or kind is tuple):
            weight += _within(value.values() if kind is dict else value, depth + 1)
        looked += 1
        if depth and looked == _MOST_LOOKS:
            break
    return (weight + _VALUE * looked) * len(values) // (looked or 1)
