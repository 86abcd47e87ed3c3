"""The files of a spool that this process has: which is open, which is read next, which is given up first."""

from __future__ import annotations

from collections.abc import Iterator

from llmtrace.exporters.spool.segment import Segment


class Files:
    """Guarded by the lock of the spool."""

    def __init__(self) -> None:
        self._all: list[Segment] = []
        self._open: dict[bool, Segment] = {}

    def __iter__(self) -> Iterator[Segment]:
        return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, segment: object) -> bool:
        return segment in self._all

    @property
    def on_disk_only(self) -> int:
        """Spans that stand in them and nowhere else; files that nobody has looked into count as one."""
        return sum(segment.on_disk_only for segment in self._all)

    @property
    def undone(self) -> int:
        """Spans that are still to be sent."""
        return sum(segment.undone for segment in self._all)

    @property
    def bytes(self) -> int:
        """What they take on disk."""
        return sum(segment.size for segment in self._all)

    @property
    def open_ones(self) -> list[Segment]:
        """At most one of each class."""
        return list(self._open.values())

    def open_for(self, *, by_rule: bool) -> Segment | None:
        """The one that spans of this class are written to."""
        return self._open.get(by_rule)

    def is_open(self, segment: Segment) -> bool:
        """Whether spans may still be written to it."""
        return self._open.get(segment.by_rule) is segment

    def add(self, segment: Segment) -> None:
        """A file more; open where it can be written to."""
        self._all.append(segment)
        if segment.fd is not None:
            self._open[segment.by_rule] = segment

    def seal(self, segment: Segment) -> None:
        """Nothing more is written to it."""
        segment.seal()
        if self.is_open(segment):
            del self._open[segment.by_rule]

    def remove(self, segment: Segment) -> None:
        """A file less."""
        self.seal(segment)
        self._all.remove(segment)

    def to_read(self) -> list[Segment]:
        """Those in which spans wait, in their order: what a rule kept first, in it the oldest."""
        waiting = [segment for segment in self._all if segment.on_disk_only]
        return sorted(waiting, key=lambda segment: (not segment.by_rule, segment.made_at, segment.name))

    def to_give_up(self, writing: Segment) -> Segment | None:
        """The oldest of the lower class, for what is `writing`; no class for a lower one."""
        found = [segment for segment in self._all if segment is not writing and segment.undone]
        if not writing.by_rule:
            found = [segment for segment in found if not segment.by_rule]
        return min(found, key=lambda segment: (segment.by_rule, segment.made_at, segment.name), default=None)
