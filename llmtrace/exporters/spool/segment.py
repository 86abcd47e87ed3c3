"""One file of the spool: which of its spans are in memory too, which are done, and which only stand there."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from llmtrace.exporters.encoded import EncodedSpan, Group
from llmtrace.exporters.spool.frames import BEGIN, MOST_GROUPS, Found, group_frame, header, span_start

MOST_BYTES: Final = 4 * 1024 * 1024
"""A file gets no more spans beyond this; so much is read into memory at once."""
MOST_SPANS: Final = 4_096
TOGETHER: Final = 256
"""Spans in one write, which lets another thread have the interpreter, and waits until it gets it back. Each is up to
three pieces, of which a system takes 1,024 at once."""


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

    def room_for(self, sizes: Sequence[int]) -> int:
        """Of spans of these bytes, how many, from the first on, belong into this file and are written in one go."""
        most = min(len(sizes), TOGETHER, MOST_SPANS - len(self.places), MOST_GROUPS - len(self._groups))
        begin = self.size
        for number, size in enumerate(sizes[:most]):
            if begin >= self.most_bytes:
                return number
            begin += size
        return most

    def append(self, spans: Sequence[EncodedSpan]) -> int:
        """Write spans behind the others, in one go, and return how many of them the disk took.

        Raises:
            OSError: it took none; the file is then as before.
        """
        pieces: list[bytes] = []
        places, ends, end = [], [], self.size
        if not end:
            pieces.append(header())
            end = BEGIN
        for index, span in enumerate(spans, len(self.places)):
            data = span.data
            number, in_front = self._counted(span.group)
            start = span_start(number, index, data)
            if in_front:
                pieces.append(in_front)
                end += len(in_front)
            pieces += (start, data)
            places.append(end)
            end += len(start) + len(data)
            ends.append(end)
        taken = self._write(pieces, spans, ends)
        self.in_memory.update(range(len(self.places), len(self.places) + taken))
        self.places += places[:taken]
        return taken

    def _counted(self, group: Group) -> tuple[int, bytes]:
        """With one span more of it: the number of a group, and what is written before the span."""
        number, spans = self._groups.get(group, (len(self._groups), 0))
        self._groups[group] = number, spans + 1
        # Again before its second span, the third, the fifth, the ninth ...
        return number, group_frame(number, group) if spans & (spans - 1) == 0 else b""

    def _write(self, pieces: list[bytes], spans: Sequence[EncodedSpan], ends: list[int]) -> int:
        if self.fd is None:
            raise OSError(0, "sealed", self.name)
        size, written = ends[-1] - self.size, 0
        try:
            written = os.writev(self.fd, pieces)  # not joined: that would cost more than writing them
            while written < size:
                written += os.write(self.fd, b"".join(pieces)[written:])
        except OSError:
            taken = bisect_right(ends, self.size + written)
            self._take_back(spans[taken:], ends[taken - 1] if taken else self.size)
            if not taken:
                raise
            return taken
        self.size = ends[-1]
        return len(spans)

    def _take_back(self, spans: Sequence[EncodedSpan], end: int) -> None:
        """What the disk did not take, or not as a whole."""
        for span in reversed(spans):
            number, counted = self._groups.pop(span.group)
            if counted > 1:
                self._groups[span.group] = number, counted - 1
        self.size = end
        if self.fd is not None:
            with suppress(OSError):
                os.ftruncate(self.fd, end)
                os.lseek(self.fd, end, os.SEEK_SET)

    def taken_from_disk(self, found: Iterable[Found]) -> Iterator[tuple[int, EncodedSpan]]:
        """Of what was read from the file: the spans that waited only there, each with its number."""
        numbers = {place: number for number, place in enumerate(self.places)}
        for frame in found:
            number = numbers.get(frame.at)
            if frame.span is None or number is None or number in self.in_memory or number in self.done:
                continue
            self.in_memory.add(number)
            yield number, frame.span

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
