"""The spool: what cannot be delivered now waits on disk, survives the process, and is adopted by the next one.

At least once: what was sent, but not marked as sent when the process died, is sent again; backends know it by its ids.
Nothing here raises: what the disk refuses stays in memory, and is said once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from llmtrace._guard import say_once
from llmtrace._stats import Loss
from llmtrace.exporters.spool.bounds import Bounds as Bounds
from llmtrace.exporters.spool.files import Files
from llmtrace.exporters.spool.folder import Folder, Owner, file_name, is_of_rule, is_spool_file, owner_of
from llmtrace.exporters.spool.frames import PROGRESS_AT, progress_bytes, read
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.spool.segment import MOST_BYTES as SEGMENT_BYTES
from llmtrace.exporters.spool.segment import TOGETHER, Segment
from llmtrace.exporters.spool.shelf import Shelf
from llmtrace.exporters.tally import Tally

LOOK_EVERY: Final = 5.0
"""Seconds between two looks at what other processes have left."""
OPEN_FOR: Final = 60.0
"""Seconds for which spans are appended to one file: the age of a file is the age of its spans."""
BROKEN_FOR: Final = 10.0
"""Seconds for which a disk that refused something is not asked again."""


class DiskSpool:
    """The spool of one backend, as one process has it. Thread-safe."""

    def __init__(
        self,
        path: Path,
        tally: Tally,
        bounds: Bounds,
        *,
        write_ahead: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is made on disk before something is to be written.

        Args:
            path: the folder, of this backend, project and service.
            tally: counts what is spooled, replayed and lost.
            bounds: how much, and for how long.
            write_ahead: whether every span is written before it is sent.
            now: seconds since the epoch.
        """
        self.write_ahead = write_ahead
        self._path = path
        self._tally = tally
        self._bounds = bounds
        self._now = now
        self._renew()

    def _renew(self) -> None:
        # Reentrant: a span may end inside the garbage collector, which may run while this very lock is held.
        self._lock = threading.RLock()
        self._folder: Folder | None = None
        self._files = Files()
        self._owner: Owner | None = None
        self._shelf = Shelf()
        self._others_bytes = 0
        self._made = 0
        self._looked_at = float("-inf")
        self._broken_until = float("-inf")

    @property
    def on_disk_only(self) -> int:
        """Spans that wait here and nowhere else; files that nobody has looked into count as one."""
        with self._lock:
            return len(self._shelf) + self._files.on_disk_only

    @property
    def loadable(self) -> int:
        """Those of them that `load` would give."""
        with self._lock:
            return self.on_disk_only - self._shelf.kept_back

    @property
    def oldest(self) -> float | None:
        """Seconds since the oldest file in which something waits was made."""
        with self._lock:
            made = [segment.made_at for segment in self._files if segment.undone]
            return time.monotonic() - min(made) if made else None

    def is_left(self) -> bool:
        """Whether an earlier process may have left something. Makes nothing."""
        try:
            with os.scandir(self._path) as entries:
                return any(is_spool_file(entry.name) for entry in entries)
        except OSError:
            return False

    # What comes in, and what becomes of it.

    def append(self, parcels: Iterable[Parcel]) -> bool:
        """Write those that are not there yet; False where the disk does not take them all."""
        with self._lock:
            lines: dict[bool, list[Parcel]] = {True: [], False: []}
            for parcel in parcels:
                if parcel.is_unwritten():
                    lines[parcel.span.by_rule].append(parcel)
            written = [self._append(line) for line in lines.values() if line]
            return all(written)

    def _append(self, parcels: list[Parcel]) -> bool:
        """The same with parcels of one class, as many in one go as belong into a file."""
        if time.monotonic() < self._broken_until:
            return False
        at, takes_all = 0, True
        try:
            while at < len(parcels):
                taken = self._write(parcels[at : at + TOGETHER])
                takes_all = takes_all and taken > 0
                at += taken or 1
        except OSError as error:
            self._broke(error)
            return False
        return takes_all

    def _write(self, parcels: list[Parcel]) -> int:
        """The first ones of these; how many. None: the first is larger than all that may be on disk."""
        segment = self._writable(parcels[0].span.by_rule)
        sizes = [parcel.span.size for parcel in parcels]
        number = segment.room_for(sizes)
        while number and not self._make_room(sum(sizes[:number]), segment):
            number //= 2
        if not number:
            return 0
        taken = segment.append([parcel.span for parcel in parcels[:number]])
        for index, parcel in enumerate(parcels[:taken], len(segment.places) - taken):
            parcel.segment, parcel.index = segment, index
        self._tally.add("spooled", taken)
        return taken

    def forget(self, parcels: Iterable[Parcel]) -> None:
        """The memory no longer holds these; each is to be read again before it is sent."""
        with self._lock:
            for parcel in parcels:
                if parcel.segment is not None:
                    parcel.segment.in_memory.discard(parcel.index)

    def finish(self, parcels: Iterable[Parcel]) -> None:
        """These were delivered, or given up."""
        with self._lock:
            moved: dict[Segment, int] = {}
            for parcel in parcels:
                parcel.is_done = True
                if parcel.segment is not None:
                    place = parcel.segment.finish(parcel.index)
                    if place is not None:
                        moved[parcel.segment] = place
            for segment, place in moved.items():
                self._mark(segment, place)

    def _mark(self, segment: Segment, place: int) -> None:
        if segment.undone == 0:
            self._seal(segment)
        elif segment in self._files and self._folder is not None:
            with suppress(OSError):
                self._folder.write_at(segment.name, PROGRESS_AT, progress_bytes(place), segment.fd)

    # What goes out again.

    def load(self, most_spans: int, most_bytes: int) -> list[Parcel]:
        """The next spans that wait only here: what a rule kept first, in it the oldest."""
        with self._lock:
            self._read_more(most_spans - self._shelf.next_ones, most_bytes)
            taken = self._shelf.take(most_spans, most_bytes)
            self._tally.add("replayed", len(taken))
            return taken

    def unload(self, parcels: Iterable[Parcel], *, first: bool = True) -> None:
        """Take back what could not be sent: it is the next to be loaded, or comes behind what was read already."""
        with self._lock:
            (self._shelf.put_first if first else self._shelf.put)(parcels)

    def set_aside(self, parcels: list[Parcel]) -> list[Parcel]:
        """Take what is to wait for a while, and behind all others; returns what the disk does not take."""
        if not parcels:
            return []
        self.append(parcels)
        with self._lock:
            self._shelf.put_aside(parcel for parcel in parcels if parcel.segment is not None)
        return [parcel for parcel in parcels if parcel.segment is None]

    def _read_more(self, spans: int, most_bytes: int) -> None:
        """So many: of 10,000 files with a span each, a request must not carry one."""
        enough = self._shelf.next_ones + spans
        for segment in self._files.to_read() if spans > 0 else ():
            if self._files.is_open(segment):
                if self._shelf.next_ones:
                    continue
                self._seal(segment)
            self._read(segment)
            most_bytes -= segment.size
            if self._shelf.next_ones >= enough or most_bytes <= 0:
                return

    def _read(self, segment: Segment) -> None:
        try:
            found = list(read(self._home().read(segment.name), by_rule=segment.by_rule))
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                self._gone([segment])
            if not segment.is_gone:
                self._lost(segment, Loss.SPOOL_ERROR, f"{segment.name} cannot be read ({type(error).__name__})")
            return
        damaged = [frame for frame in found if frame.span is None]
        if damaged:
            said = f"the spool's {segment.name} is damaged in {len(damaged)} places; the rest is used"
            self._tally.say("damaged", said)
        if not segment.is_read:
            self._tally.lose(Loss.SPOOL_ERROR, sum(frame.lost for frame in damaged))
            segment.is_read = True
            segment.places = [frame.at for frame in found if frame.span is not None]
            self._tally.add("adopted", len(segment.places))
        now = time.monotonic()
        self._shelf.put([Parcel(span, now, segment, number) for number, span in segment.taken_from_disk(found)])
        if missing := segment.on_disk_only:  # of our own file: what we wrote is no longer there
            segment.done.update(set(range(len(segment.places))) - segment.in_memory)
            self._tally.lose(Loss.SPOOL_ERROR, missing)
        if segment.undone == 0:
            self._remove(segment)

    # The files.

    def look(self) -> None:
        """From time to time: adopt what dead processes left, give up what is too old."""
        with self._lock:
            if time.monotonic() - self._looked_at < LOOK_EVERY or not self._path.is_dir():
                return
            self._looked_at = time.monotonic()
            try:
                self._adopt()
            except OSError as error:
                self._broke(error)
            for segment in self._files:
                waits = segment.on_disk_only or any(parcel.segment is segment for parcel in self._shelf)
                if waits and time.monotonic() - segment.made_at > self._bounds.most_age:
                    self._lost(segment, Loss.EXPIRED, f"gave up spans of {segment.name}: too old")

    def _adopt(self) -> None:
        """What dead processes left becomes ours by its very name: one lock of ours is enough for all of it."""
        files = self._there()
        left: dict[str, list[str]] = {owner: [] for owner in self._home().locks()}
        for name in sorted(files.keys() - {segment.name for segment in self._files}):
            left.setdefault(owner_of(name), []).append(name)
        self._others_bytes = 0
        for owner, names in left.items():
            is_ours = self._owner is not None and owner == self._owner.name
            given = None if is_ours else self._home().inherit(owner, names, self._new_name)
            if given is None:
                self._others_bytes += sum(files[name][0] for name in names)
                continue
            for name, ours in given.items():
                made_at = time.monotonic() - (self._now() - files[name][1])
                self._files.add(Segment(ours, is_of_rule(ours), made_at, size=files[name][0], is_read=False))

    def _there(self) -> dict[str, tuple[int, float]]:
        """The files in the folder. Those of ours that somebody removed are lost, but for what is in memory too."""
        files = self._home().sizes()
        self._gone([segment for segment in self._files if segment.name not in files])
        return files

    def _gone(self, segments: list[Segment]) -> None:
        lost = 0
        for segment in segments:
            if not segment.is_gone:
                lost += segment.on_disk_only
                segment.is_gone = True
                self._files.remove(segment)
        if lost:
            self._tally.lose(Loss.SPOOL_ERROR, lost)
            self._tally.say("gone", f"had spans in files of the spool that somebody removed: {lost} lost")

    def _home(self) -> Folder:
        if self._folder is not None and not self._folder.is_at(self._path):
            self._gone(list(self._files))
            self._let_go()
        if self._folder is None:
            self._folder = Folder(self._path)
        return self._folder

    def _new_name(self, by_rule: bool) -> str:
        self._owner = self._owner or self._home().own()
        self._made += 1
        return file_name(self._owner, self._made, by_rule=by_rule)

    def _writable(self, by_rule: bool) -> Segment:
        segment = self._files.open_for(by_rule=by_rule)
        if segment is not None and (segment.is_full or time.monotonic() - segment.made_at > OPEN_FOR):
            self._seal(segment)
            segment = None
        if segment is None:
            home, name = self._home(), self._new_name(by_rule)
            most_bytes = min(SEGMENT_BYTES, self._bounds.most_bytes // 8)
            segment = Segment(name, by_rule, time.monotonic(), home.create(name), most_bytes)
            self._files.add(segment)
        return segment

    def _seal(self, segment: Segment) -> None:
        self._files.seal(segment)
        if segment.undone == 0:
            self._remove(segment)

    def _make_room(self, size: int, writing: Segment) -> bool:
        """Give up the oldest files of the lower class, then the oldest ones, until there is room."""
        while self._others_bytes + self._files.bytes + size > self._bounds.most_bytes:
            oldest = self._files.to_give_up(writing)
            if oldest is None:
                return False
            self._lost(oldest, Loss.SPOOL_FULL, "has more waiting than the spool may hold: the oldest go")
        return True

    def _lost(self, segment: Segment, why: Loss, said: str) -> None:
        """Give a file up. What of it is in memory too can still be sent."""
        number = segment.on_disk_only
        if not segment.is_read:
            with suppress(OSError):
                found = read(self._home().read(segment.name), by_rule=False)
                number = sum(frame.lost or frame.span is not None for frame in found)
        self._tally.lose(why, number + self._shelf.drop(segment))
        self._tally.say(why.value, said)
        self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        if segment not in self._files or self._folder is None:
            return
        self._files.remove(segment)
        with suppress(OSError):
            self._folder.remove(segment.name)
        if not self._files and self._owner is not None:
            owner, self._owner = self._owner, None
            with suppress(OSError):
                self._folder.release(owner, is_empty=True)

    def _broke(self, error: OSError) -> None:
        self._broken_until = time.monotonic() + BROKEN_FOR
        for segment in self._files.open_ones:
            self._seal(segment)
        say_once(
            f"spool:{self._path}:{error.errno}",
            "llmtrace: the spool %s cannot be used (%s); spans wait in memory only",
            self._path,
            error.strerror or type(error).__name__,
        )

    def _let_go(self) -> None:
        """Close what is open on disk, and leave what waits there to the next process."""
        for segment in self._files.open_ones:
            self._seal(segment)
        home, owner, self._folder, self._owner = self._folder, self._owner, None, None
        if home is None:
            return
        if owner is not None:
            with suppress(OSError):
                home.release(owner, is_empty=not self._files)
        self._files = Files()
        home.close()

    def retry(self) -> None:
        """Before the end: what the disk refused, or what somebody removed from it, is written once more."""
        with self._lock:
            self._broken_until = float("-inf")
            if self._folder is not None:
                with suppress(OSError):
                    self._there()
            self.append(self._shelf)

    def close(self) -> int:
        """Let go of everything; returns how many spans wait for the next process."""
        with self._lock:
            self._tally.lose(Loss.SPOOL_ERROR, sum(parcel.is_unwritten() for parcel in self._shelf))
            left = self._files.undone
            self._let_go()
            self._shelf = Shelf()
            return left

    def after_fork_in_child(self) -> None:
        """The files, and the locks on them, belong to the parent: close our copies without a word to the kernel."""
        for held in (*self._files.open_ones, self._owner):
            if held is not None and held.fd is not None:
                with suppress(OSError):
                    os.close(held.fd)
        if self._folder is not None:
            with suppress(OSError):
                self._folder.close()
        self._renew()
