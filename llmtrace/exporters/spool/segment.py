"""One file of the spool: which of its spans are in memory too, which are done, and which only stand there."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from llmtrace.exporters.encoded import EncodedSpan, Group
from llmtrace.exporters.spool.frames import BEGIN, MOST_GROUPS, group_frame, header, span_frame

MOST_BYTES: Final = 4 * 1024 * 1024
"""A file gets no more spans beyond this; so much is read into memory at once."""
MOST_SPANS: Final = 4_096


@dataclass(slots=True, eq=False)
class Segment:
    """What this process knows of a file of its own, or of one that it adopted."""

    name: str
    by_rule: bool
    made_at: float
    """By time.monotonic(): a clock that somebody sets makes no span older."""
    fd: int | None = None
    """Open as long as spans are appended."""
    most_bytes: int = MOST_BYTES
    size: int = 0
    places: list[int] = field(default_factory=list)
    """Where each span begins; of an adopted file known when it was read."""
    in_memory: set[int] = field(default_factory=set)
    """Spans that wait in memory or are on their way: they need not be read."""
    done: set[int] = field(default_factory=set)
    finished: int = 0
    """Spans at the beginning that are done without a gap."""
    is_read: bool = True
    """False: adopted, and not yet looked into."""
    is_gone: bool = False
    """Somebody removed it."""
    _groups: dict[Group, tuple[int, int]] = field(default_factory=dict)
    """The number of each, and how many spans of it are in the file."""

    @property
    def on_disk_only(self) -> int:
        """Spans that must be read to be sent; at least one of a file that nobody has looked into."""
        return len(self.places) - len(self.in_memory) - len(self.done) if self.is_read else 1

    @property
    def undone(self) -> int:
        """Spans that are not done."""
        return len(self.places) - len(self.done) if self.is_read else 1

    @property
    def is_full(self) -> bool:
        """Whether the next span belongs into another file."""
        return self.size >= self.most_bytes or len(self.places) >= MOST_SPANS or len(self._groups) >= MOST_GROUPS

    def append(self, span: EncodedSpan) -> int:
        """Write a span behind the others, and return which one it is.

        Raises:
            OSError: from the disk; the file is then as before.
        """
        number, spans = self._groups.get(span.group, (len(self._groups), 0))
        data = header() if self.size == 0 else b""
        if spans & (spans - 1) == 0:  # again before its second span, the third, the fifth, the ninth ...
            data += group_frame(number, span.group)
        place = self.size + len(data)
        data += span_frame(number, len(self.places), span.data)
        self._write(data)
        self._groups[span.group] = number, spans + 1
        self.places.append(place)
        index = len(self.places) - 1
        self.in_memory.add(index)
        return index

    def _write(self, data: bytes) -> None:
        if self.fd is None:
            raise OSError(0, "sealed", self.name)
        try:
            written = os.write(self.fd, data)
            while written < len(data):
                written += os.write(self.fd, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self.fd, self.size)
            raise
        self.size += len(data)

    def seal(self) -> None:
        """Append nothing more."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
            self._groups.clear()

    def finish(self, index: int) -> int | None:
        """A span is done. Returns the place up to which all are, where it has moved."""
        self.in_memory.discard(index)
        self.done.add(index)
        before = self.finished
        while self.finished in self.done:
            self.finished += 1
        if self.finished == before:
            return None
        return self.places[self.finished] if self.finished < len(self.places) else max(self.size, BEGIN)
