"""What a recorder module offers: one answer shape, whole or in chunks."""

from __future__ import annotations

from typing import Protocol

from llmtrace._attributes import Attributes


class Accumulator(Protocol):
    """Puts one streamed answer together. Bounded: it keeps no chunk, only what the answer is made of."""

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought something of the answer itself (a token, a piece of a tool call)."""

    def attributes(self) -> Attributes:
        """What has arrived so far, in the form that the whole answer would have had."""


class Shape(Protocol):
    """A provider's answer shape. A module with these four functions is one."""

    def recognises(self, answer: object) -> bool:
        """Whether a whole answer has this shape."""

    def attributes(self, answer: object) -> Attributes:
        """What a whole answer says."""

    def recognises_chunk(self, chunk: object) -> bool:
        """Whether a chunk of a stream has this shape."""

    def accumulator(self) -> Accumulator:
        """A new accumulator for one stream."""
