"""The inbox: what is in it comes out once, in order; whoever waits for a commit hears what became of his alerts."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, make_alert
from waiting import wait_until

from llmtrace.router.model import Alert, Status
from llmtrace.router.ports import StoreError
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.store.inbox import MOST_IN_ENTRY, Inbox
from llmtrace.router.store.sqlite import SqliteRows


def test_what_waits_is_committed_together():
    """While one commit runs, all that come in share the next one."""
    commits, release, woken = [], threading.Event(), []

    def write(alerts):
        commits.append(len(alerts))
        release.wait(10)

    async def scenario():
        with GroupCommit(write, lambda: woken.append(True)) as inbox:
            first = asyncio.create_task(inbox.accept([make_alert()]))
            await asyncio.to_thread(wait_until, lambda: commits, "the first commit runs")
            others = [asyncio.create_task(inbox.accept([make_alert(), make_alert()])) for _ in range(20)]
            await asyncio.sleep(0)
            assert not first.done()
            release.set()
            await asyncio.gather(first, *others)

    asyncio.run(scenario())
    assert commits == [1, 40]
    assert len(woken) == 2


def test_a_failed_commit_reaches_everyone_who_waits_for_it_and_nobody_else():
    """Each request of that commit fails with a StoreError; the next one is taken as if nothing had been."""
    failures = [StoreError("disk full")]
    woken = []

    def write(_alerts):
        if failures:
            raise failures.pop()

    async def scenario():
        inbox = GroupCommit(write, lambda: woken.append(True))
        waiting = [asyncio.create_task(inbox.accept([make_alert()])) for _ in range(3)]
        await asyncio.sleep(0)
        with inbox:
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result) for result in results] == [StoreError] * 3
            assert not woken
            await inbox.accept([make_alert()])

    asyncio.run(scenario())
    assert woken == [True]


def test_alerts_that_cannot_be_written_are_a_fault_of_their_own_request():
    """Whatever it is in them: those that came in the same moment are kept."""
    kept = []

    def write(alerts):
        if any(alert.name == "poison" for alert in alerts):
            raise ValueError
        kept.extend(alert.name for alert in alerts)

    async def scenario():
        with GroupCommit(write, lambda: None) as inbox:
            return await asyncio.gather(
                *(inbox.accept([make_alert(alertname=name)]) for name in ("a", "poison", "b")), return_exceptions=True
            )

    results = asyncio.run(scenario())
    assert [type(result) for result in results] == [type(None), StoreError, type(None)]
    assert kept == ["a", "b"]


def test_a_request_that_goes_away_harms_nobody():
    """The connection of one waiter breaks; the others are answered."""
    release = threading.Event()

    async def scenario():
        with GroupCommit(lambda _alerts: release.wait(10), lambda: None) as inbox:
            leaving, staying = (asyncio.create_task(inbox.accept([make_alert()])) for _ in range(2))
            await asyncio.sleep(0.01)
            leaving.cancel()
            release.set()
            await staying
            assert leaving.cancelled() or await asyncio.wait([leaving])

    asyncio.run(scenario())


def test_nothing_to_keep_needs_no_commit():
    """Requests without alerts do not touch the disk."""

    def write(_alerts):
        raise AssertionError

    asyncio.run(GroupCommit(write, lambda: None).accept([]))


def test_a_quick_disk_is_not_left_to_a_thread():
    """Near and quick, the next commit is made in the event loop itself; after a slow one it is not."""
    threads, delays = [], [0.0, 0.03, 0.0]

    def write(_alerts):
        threads.append(threading.current_thread() is threading.main_thread())
        threading.Event().wait(delays.pop(0))

    async def scenario():
        with GroupCommit(write, lambda: None, near=True) as inbox:
            for _ in range(3):
                await inbox.accept([make_alert()])

    asyncio.run(scenario())
    assert threads == [False, True, False]


@pytest.fixture
def rows(tmp_path):
    """An empty inbox's file."""
    opened = SqliteRows(tmp_path / "inbox")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def memory():
    """An inbox that no disk slows down."""
    with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108 - a file in memory, private
        opened = SqliteRows(Path(folder) / "inbox")
        yield opened
        opened.close()


def names(inbox: Inbox, after: int, most: int = 10_000) -> list[str]:
    """Of the alerts behind this entry."""
    return [alert.name for entry in inbox.read(after, most) for alert in entry.alerts]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
alerts = st.builds(
    Alert,
    labels=st.dictionaries(texts, texts, max_size=3).map(lambda labels: {**labels, "severity": "critical"}),
    annotations=st.dictionaries(texts, texts, max_size=3),
    starts_at=st.datetimes(timezones=st.just(NOON.tzinfo)),
    status=st.sampled_from(Status),
    ends_at=st.none() | st.datetimes(timezones=st.just(NOON.tzinfo)),
)


@given(st.lists(alerts, max_size=5))
def test_alerts_come_out_as_they_went_in(memory, given_alerts):
    """Every text and every time, to the microsecond."""
    inbox = Inbox(memory, 0)
    inbox.append(given_alerts, NOON)
    assert [alert for entry in inbox.read(0, 100) for alert in entry.alerts] == given_alerts
    memory.write(("DELETE FROM inbox WHERE id > ?", [(0,)]))


def test_entries_are_bounded_and_in_order(rows):
    """A large request becomes several entries; reading stops where enough was found and goes on behind it."""
    inbox = Inbox(rows, 0)
    sent = [make_alert(alertname=f"a{number}") for number in range(MOST_IN_ENTRY * 2 + 1)]
    inbox.append(sent, NOON)
    inbox.append(sent[:1], NOON + timedelta(seconds=1))
    first = list(inbox.read(0, 1))
    assert [(entry.id, len(entry.alerts)) for entry in first] == [(1, MOST_IN_ENTRY)]
    assert names(inbox, 1) == [alert.name for alert in (*sent[MOST_IN_ENTRY:], sent[0])]
    assert inbox.undecided == len(sent) + 1


def test_what_is_decided_never_comes_again(rows):
    """Whether it was taken out or not when the process died; new entries come behind all that were ever decided."""
    inbox = Inbox(rows, 0)
    for number in range(3):
        inbox.append([make_alert(alertname=f"a{number}")], NOON)
    inbox.decided(2, 2)
    again = Inbox(rows, 2)
    assert (names(again, 2), again.undecided) == (["a2"], 1)
    emptied = Inbox(rows, 7)
    emptied.append([make_alert(alertname="b")], NOON)
    assert [entry.id for entry in emptied.read(7, 10)] == [8]


def test_the_file_does_not_grow_with_what_is_decided(rows, tmp_path):
    """Hundreds of entries, each decided before the next ones come, leave a file of a few pages."""
    inbox = Inbox(rows, 0)
    alert = replace(make_alert(), annotations={"reason": "x" * 2_000})
    sizes = []
    for number in range(1, 901):
        inbox.append([alert], NOON)
        inbox.decided(number, 1)
        if number % 300 == 0:
            sizes.append((tmp_path / "inbox").stat().st_size)
    assert sizes[-1] == sizes[0]
    assert rows.read("SELECT count(*) FROM inbox", ())[0][0] <= 65


def test_what_arrives_while_a_commit_is_prepared_comes_along():
    """As long as each turn of the loop brings more; one answer that fails costs no other sender his."""
    commits, told = [], []

    def fails(_error):
        raise ValueError

    async def scenario():
        loop = asyncio.get_running_loop()
        with GroupCommit(lambda alerts: commits.append(len(alerts)), lambda: None, near=True) as inbox:
            inbox.put([], told.append)
            inbox.put([make_alert()], fails)
            for _ in range(5):
                await asyncio.sleep(0)
                inbox.put([make_alert()], told.append)
            done = loop.create_future()
            inbox.put([make_alert()], done.set_result)
            await done

    asyncio.run(scenario())
    assert commits == [7]
    assert told == [None] * 6
