"""The spool: what it keeps, for whom, within which bounds, and what it survives."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmtrace.exporters.encoded import EncodedSpan, Group
from llmtrace.exporters.spool import Bounds, DiskSpool
from llmtrace.exporters.spool import segment as segments
from llmtrace.exporters.spool.folder import Folder
from llmtrace.exporters.spool.frames import BEGIN, Found, group_frame, header, read, span_start
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.spool.segment import Segment
from llmtrace.exporters.tally import Tally

pytest_plugins = ("core_fixtures",)

GROUP = Group(b"resource", b"scope")


def parcel(data: bytes = b"span", *, by_rule: bool = False, group: Group = GROUP) -> Parcel:
    """A span that waits; its bytes stand for those of an encoded one."""
    return Parcel(EncodedSpan(data, group, by_rule), time.monotonic())


def spool(path: Path, **arguments) -> DiskSpool:
    """A spool with the default bounds, or others."""
    now = arguments.pop("now", time.time)
    return DiskSpool(path, Tally("backend", "test"), Bounds(**arguments), now=now)


def everything(of: DiskSpool) -> list[bytes]:
    """All that waits only on disk, loaded."""
    found: list[bytes] = []
    while loaded := of.load(100, 1_000_000):
        found += [each.span.data for each in loaded]
    return found


def put(into: DiskSpool, *parcels: Parcel) -> None:
    """On disk, and out of memory."""
    assert into.append(parcels)
    into.forget(parcels)


def left_by_the_dead(path: Path, *names: str, **arguments) -> None:
    """As if a process had written these and ended."""
    dead = spool(path, **arguments)
    put(dead, *(parcel(name.encode()) for name in names))
    assert dead.close() == len(names)


def files(path: Path) -> list[Path]:
    """The files with spans."""
    return sorted(path.glob("*.spool"))


def test_nothing_is_on_disk_before_something_is_written(tmp_path):
    """A service whose backend is well leaves no trace on the disk, not even a folder."""
    made = spool(tmp_path / "spool")
    made.look()
    assert not made.is_left()
    assert made.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_read_back(tmp_path, counts):
    """Bytes, group and class come back, what a rule kept first, each in its order."""
    made = spool(tmp_path)
    other = Group(b"another resource", b"")
    put(made, parcel(b"a"), parcel(b"r", by_rule=True), parcel(b"b", group=other), parcel(b""))
    loaded = made.load(10, 1_000)
    loaded += made.load(10, 1_000)
    assert [(each.span.data, each.span.group, each.span.by_rule) for each in loaded] == [
        (b"r", GROUP, True),
        (b"a", GROUP, False),
        (b"b", other, False),
        (b"", GROUP, False),
    ]
    made.finish(loaded)
    assert files(tmp_path) == []
    assert counts() == {"spooled": 4, "replayed": 4}


def test_only_its_owner_may_look_into_it(tmp_path):
    """The folder is 0700 and each file 0600, whatever the umask and whatever the folder was before."""
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        put(spool(tmp_path), parcel())
    finally:
        os.umask(before)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_link_is_not_followed(tmp_path, lenient, counts, caplog):
    """Neither as the folder nor as a file in it: a file of somebody else is neither read nor written."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert not spool(tmp_path / "link").append([parcel()])
    assert list((tmp_path / "target").iterdir()) == []
    secret = tmp_path / "secret"
    secret.write_bytes(header() + group_frame(0, GROUP) + span_start(0, 0, b"secret") + b"secret")
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "1-0123456789ab.00000001.c.spool").symlink_to(secret)
    made = spool(folder)
    made.look()
    assert everything(made) == []
    assert secret.exists()
    assert counts()["lost.spool_error"] >= 1


def test_what_is_in_memory_is_not_read_again(tmp_path):
    """A copy on disk is not sent a second time while the span itself is on its way."""
    made = spool(tmp_path)
    flying, waiting = parcel(b"flying"), parcel(b"waiting")
    assert made.append([flying, waiting])
    assert made.on_disk_only == 0
    made.forget([waiting])
    assert made.on_disk_only == 1
    assert everything(made) == [b"waiting"]
    made.finish([flying])
    assert files(tmp_path) != []


def test_a_span_that_was_answered_meanwhile_is_not_written(tmp_path):
    """The answer may come while the copy is being made."""
    made, done = spool(tmp_path), parcel()
    made.finish([done])
    assert made.append([done])
    assert files(tmp_path) == []


def test_the_next_process_adopts_what_a_dead_one_left(tmp_path, counts):
    """Everything, once, and the files are gone when it is delivered."""
    left_by_the_dead(tmp_path, "a", "b", "c")
    heir = spool(tmp_path)
    assert heir.is_left()
    heir.look()
    loaded = heir.load(10, 1_000)
    assert [each.span.data for each in loaded] == [b"a", b"b", b"c"]
    heir.finish(loaded)
    assert list(tmp_path.iterdir()) == []
    assert counts()["adopted"] == 3


def test_what_was_delivered_is_not_adopted(tmp_path):
    """The file remembers how far it was delivered; at most what was answered last is sent again."""
    dead = spool(tmp_path)
    put(dead, *(parcel(bytes([number])) for number in range(50)))
    dead.finish(dead.load(20, 1_000))
    assert dead.close() == 30
    heir = spool(tmp_path)
    heir.look()
    assert everything(heir) == [bytes([number]) for number in range(20, 50)]


def test_two_processes_on_one_folder_keep_their_own(tmp_path):
    """What a living process has is not touched; once it is dead it is adopted."""
    code = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_spool import parcel, put, spool
living = spool(Path(sys.argv[1]))
put(living, parcel(b"of the living"))
print("ready", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=env, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        mine = spool(tmp_path)
        put(mine, parcel(b"mine"))
        mine.look()
        assert everything(mine) == [b"mine"]
        process.kill()
        process.wait()
    mine._looked_at = float("-inf")
    mine.look()
    assert everything(mine) == [b"of the living"]


def test_of_two_heirs_one_inherits(tmp_path):
    """What one process has adopted, another one does not see."""
    left_by_the_dead(tmp_path, "a")
    first, second = spool(tmp_path), spool(tmp_path)
    first.look()
    second.look()
    assert (everything(first), everything(second)) == ([b"a"], [])


def test_the_bound_costs_the_oldest_of_the_lower_class(tmp_path, counts, lenient):
    """Beyond it the oldest file of what chance kept goes, and what a rule kept stays while there is any other."""
    made = spool(tmp_path, most_bytes=1024 * 1024)
    put(made, *(parcel(b"r%d" % number + bytes(10_000), by_rule=True) for number in range(10)))
    for number in range(200):
        put(made, parcel(b"%03d" % number + bytes(10_000)))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1024 * 1024
    found = everything(made)
    assert len([data for data in found if data[:1] == b"r"]) == 10
    numbers = [int(data[:3]) for data in found if data[:1] != b"r"]
    assert numbers == list(range(200 - len(numbers), 200))
    assert counts()["lost.spool_full"] == 200 - len(numbers)
    assert len(numbers) > 60


def test_what_is_too_old_is_given_up(tmp_path, counts, lenient):
    """At the age that was set, counted by its spans."""
    clock = [1_000_000.0]
    left_by_the_dead(tmp_path, "a", "b")
    for path in files(tmp_path):
        os.utime(path, (1_000_000.0, 1_000_000.0))
    heir = spool(tmp_path, most_age=100.0, now=lambda: clock[0])
    clock[0] += 101
    heir.look()
    assert everything(heir) == []
    assert counts()["lost.expired"] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [1, 7, 19, 30])
def test_a_truncated_file_gives_what_is_whole(tmp_path, counts, lenient, caplog, cut):
    """The end of a file is missing: the spans before it arrive, and the damage is counted and said."""
    left_by_the_dead(tmp_path, "first", "second", "third")
    (path,) = files(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    heir = spool(tmp_path)
    heir.look()
    assert everything(heir)[:1] == [b"first"]
    assert counts()["lost.spool_error"] == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 10_000, header(), header(2**63)])
def test_a_file_that_is_none_of_ours_does_no_harm(tmp_path, lenient, content):
    """Whatever stands under one of our names: nothing comes out of it, and the others are read."""
    left_by_the_dead(tmp_path, "sound")
    (tmp_path / "1-0123456789ab.00000001.c.spool").write_bytes(content)
    (tmp_path / "README").write_text("not ours")
    heir = spool(tmp_path)
    heir.look()
    assert everything(heir) == [b"sound"]
    assert (tmp_path / "README").exists()


spans = st.lists(st.binary(max_size=60), min_size=1, max_size=12)


def file_of(spans: list[bytes]) -> tuple[bytes, list[range]]:
    """A file, as it is written, and the places of each span."""
    fd = os.memfd_create("spool")
    made = Segment("name", by_rule=False, made_at=0.0, fd=fd)
    for data in spans:
        made.append([EncodedSpan(data, GROUP, by_rule=False)])
    content = os.pread(fd, made.size, 0)
    made.seal()
    sizes = [len(span_start(0, 0, data) + data) for data in spans]
    return content, [range(at, at + size) for at, size in zip(made.places, sizes, strict=True)]


def read_back(content: bytes) -> tuple[list[bytes], int]:
    """The spans in it, and how many are said to be lost."""
    found = list(read(content, by_rule=False))
    return [frame.span.data for frame in found if frame.span is not None], sum(frame.lost for frame in found)


@given(spans, st.data())
def test_damage_costs_only_what_it_hits(of_file, data):
    """A byte changed anywhere, in the header too: every other span is read, and the one that it hit is counted."""
    written, places = file_of(of_file)
    damaged = bytearray(written)
    at = data.draw(st.integers(0, len(written) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    hit = [index for index, place in enumerate(places) if at in place]
    if len(of_file) == 1 and at >= BEGIN:
        hit = [0]  # the second copy of what a span needs stands before the second span
    found, lost = read_back(bytes(damaged))
    assert found == [span for index, span in enumerate(of_file) if index not in hit]
    assert lost == len(hit)


@given(spans, st.data())
def test_of_a_hole_it_is_known_how_many_spans_it_cost(of_file, data):
    """Anything between two spans that can be read: what stood there is counted span by span."""
    written, places = file_of([b"first", *of_file, b"last"])
    first, last = data.draw(st.tuples(st.integers(1, len(of_file)), st.integers(1, len(of_file))).map(sorted))
    damaged = bytearray(written)
    damaged[places[first].start : places[last].stop] = bytes(places[last].stop - places[first].start)
    found, lost = read_back(bytes(damaged))
    assert found == [b"first", *of_file[: first - 1], *of_file[last:], b"last"]
    assert lost == last - first + 1


@settings(max_examples=100)
@given(spans, st.data())
def test_a_file_that_is_cut_anywhere_gives_its_beginning(of_file, data):
    """As a process leaves it that dies in the middle of a write."""
    written, _ = file_of(of_file)
    cut = data.draw(st.integers(0, len(written)))
    found, lost = read_back(written[:cut])
    assert found == of_file[: len(found)]
    assert lost <= len(of_file) - len(found)


@pytest.mark.parametrize("before", [b"x", b"\xff" * 500])
def test_what_stands_before_a_file_or_behind_it_costs_nothing(before):
    """Somebody wrote into it: the spans are found."""
    written, _ = file_of([b"one", b"two"])
    assert read_back(before + written) == ([b"one", b"two"], 0)
    assert read_back(written + before)[0] == [b"one", b"two"]


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail(content):
    """Whatever stands in a file, it is read without an error and comes to an end."""
    list(read(content, by_rule=True))
    list(read(header() + content, by_rule=True))


def full_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """The disk takes so many bytes more, in part of a write too, as disks do."""
    write, left = os.write, [room]

    def limited(fd: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data[: left[0]])
        left[0] -= len(part)
        return write(fd, part)

    monkeypatch.setattr(segments.os, "write", limited)
    monkeypatch.setattr(segments.os, "writev", lambda fd, pieces: limited(fd, b"".join(pieces)))


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 3)), min_size=1, max_size=12), st.data())
def test_of_a_write_that_breaks_off_whole_spans_are_kept(of_file, data):
    """Wherever the disk stops, what it took as a whole is there once, the rest is not; with room again that follows."""
    spans = [EncodedSpan(content, Group(b"resource %d" % group, b"scope")) for content, group in of_file]
    made = Segment("name", by_rule=False, made_at=0.0, fd=os.memfd_create("spool"))
    taken = 0
    with pytest.MonkeyPatch.context() as patch:
        full_disk(patch, data.draw(st.integers(0, 200 * len(spans))))
        with suppress(OSError):
            while taken < len(spans):
                taken += made.append(spans[taken : taken + data.draw(st.integers(1, 5))])
    assert [frame.span for frame in frames_of(made)] == spans[:taken]
    if taken < len(spans):
        assert made.append(spans[taken:]) == len(spans) - taken
    assert [frame.span for frame in frames_of(made)] == spans
    assert [frame.at for frame in frames_of(made)] == made.places
    made.seal()


def frames_of(made: Segment) -> list[Found]:
    """What stands in a file; nothing else stands there."""
    assert os.fstat(made.fd).st_size == made.size
    return list(read(os.pread(made.fd, made.size, 0), by_rule=False)) if made.size else []


def test_a_full_disk_is_survived_and_said_once(tmp_path, monkeypatch, lenient, caplog):
    """What was written before is whole, what does not fit stays in memory, and there is one line."""
    made = spool(tmp_path)
    with monkeypatch.context() as patch:
        full_disk(patch, 600)
        parcels = [parcel(b"%02d" % number + bytes(98)) for number in range(20)]
        assert not made.append(parcels)
        assert not made.append(parcels)
    on_disk = [each for each in parcels if each.segment is not None]
    assert 0 < len(on_disk) < 20
    made.forget(on_disk)
    assert [data[:2] for data in everything(made)] == [b"%02d" % number for number in range(len(on_disk))]
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


def test_a_disk_that_has_room_again_is_used_again(tmp_path, monkeypatch, lenient):
    """After a pause."""
    made = spool(tmp_path)
    with monkeypatch.context() as patch:
        full_disk(patch, 0)
        assert not made.append([parcel()])
    made._broken_until = 0.0
    assert made.append([parcel()])


@pytest.mark.parametrize("kind", ["a file", "under a file"])
def test_a_folder_that_cannot_be_is_survived_and_said_once(tmp_path, lenient, caplog, kind):
    """Nothing raises, and nothing is said twice."""
    (tmp_path / "file").write_text("in the way")
    made = spool(tmp_path / "file" if kind == "a file" else tmp_path / "file" / "spool")
    for _ in range(3):
        assert not made.append([parcel()])
        made._broken_until = 0.0
    made.look()
    assert made.close() == 0
    assert len(caplog.records) == 1


def test_a_read_only_folder_is_survived_and_said_once(tmp_path, monkeypatch, lenient, caplog):
    """As on a read-only file system (root may write where the mode forbids it, so the refusal is the kernel's)."""

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Folder, "create", refuse)
    made = spool(tmp_path)
    assert not made.append([parcel()])
    made._broken_until = 0.0
    assert not made.append([parcel()])
    assert len(caplog.records) == 1
    assert "Read-only" in caplog.text


def test_a_folder_that_somebody_removes_is_made_again(tmp_path, lenient, counts):
    """What stood in it is counted; what comes then is written."""
    made = spool(tmp_path / "spool")
    put(made, parcel(b"gone"))
    for path in (tmp_path / "spool").iterdir():
        path.unlink()
    (tmp_path / "spool").rmdir()
    assert everything(made) == []
    assert counts()["lost.spool_error"] == 1
    made.append([parcel(b"new")])
    made._broken_until = 0.0
    put(made, parcel(b"newer"))
    assert b"newer" in everything(made)


def test_what_somebody_removes_is_written_again_from_memory(tmp_path, lenient, counts):
    """A file that is gone costs what stood nowhere else; what is in memory too is there for the next process."""
    made = spool(tmp_path / "spool")
    waits, read_already = parcel(b"waits"), parcel(b"read already")
    assert made.append([waits])
    put(made, read_already)
    made.unload(made.load(1, 1_000))
    shutil.rmtree(tmp_path / "spool")
    (tmp_path / "spool").mkdir()
    made.retry()
    assert made.append([waits])
    assert made.close() == 2
    heir = spool(tmp_path / "spool")
    heir.look()
    assert sorted(everything(heir)) == [b"read already", b"waits"]
    assert counts().get("lost.spool_error", 0) == 0


def test_a_disk_that_refused_is_asked_once_more_at_the_end(tmp_path, monkeypatch, lenient):
    """The pause after a refusal is not kept when there will be no other chance."""
    made = spool(tmp_path)
    with monkeypatch.context() as patch:
        full_disk(patch, 0)
        assert not made.append([parcel()])
    assert not made.append([parcel()])
    made.retry()
    assert made.append([parcel()])


def test_however_many_have_died_one_lock_is_held_and_few_requests_are_made(tmp_path, counts):
    """An app must not run out of file descriptors because its predecessors died in an outage."""
    for number in range(60):
        left_by_the_dead(tmp_path, f"{number:02d}")
    heir = spool(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    heir.look()
    assert len(list(Path("/proc/self/fd").iterdir())) - before < 20
    assert sorted(each.span.data for each in heir.load(100, 10_000)) == [b"%02d" % number for number in range(60)]
    assert counts()["adopted"] == 60


def test_a_clock_that_is_set_makes_no_span_too_old(tmp_path):
    """Hours forward, hours back: what counts is the time that has passed."""
    clock = [1_000_000.0]
    made = spool(tmp_path, most_age=3600.0, now=lambda: clock[0])
    put(made, parcel(b"waits"))
    for step in (2 * 86_400.0, -4 * 86_400.0):
        clock[0] += step
        made._looked_at = float("-inf")
        made.look()
        assert made.oldest is not None
        assert 0 <= made.oldest < 600
    assert everything(made) == [b"waits"]


def test_a_forked_child_has_files_of_its_own(tmp_path):
    """The child writes beside its parent, takes nothing of it, and does not keep its lock."""
    made = spool(tmp_path)
    put(made, parcel(b"of the parent"))
    child = os.fork()
    if not child:
        made.after_fork_in_child()
        put(made, parcel(b"of the child"))
        made.look()
        os._exit(0 if everything(made) == [b"of the child"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert everything(made) == [b"of the parent"]
    made.look()
    assert everything(made) == [b"of the child"]
