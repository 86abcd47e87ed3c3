"""Group commit: whoever waits hears exactly what became of his own alerts, and waiters share a commit."""

from __future__ import annotations

import asyncio
import threading

import pytest
from router_values import make_alert
from waiting import wait_until

from llmtrace.router.ports import StoreError
from llmtrace.router.store.inbox import GroupCommit


def test_what_waits_is_committed_together():
    """While one commit runs, all that come in share the next one."""
    commits, release, woken = [], threading.Event(), []

    def write(alerts):
        commits.append(len(alerts))
        release.wait(10)

    async def scenario():
        inbox = GroupCommit(write, lambda: woken.append(True))
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


@pytest.mark.parametrize("error", [StoreError("disk full"), ValueError("a fault of ours")])
def test_a_failed_commit_reaches_everyone_who_waits_for_it_and_nobody_else(error):
    """Each request of that commit fails with a StoreError; the next one is taken as if nothing had been."""
    failures = [error]
    woken = []

    def write(_alerts):
        if failures:
            raise failures.pop()

    async def scenario():
        inbox = GroupCommit(write, lambda: woken.append(True))
        results = await asyncio.gather(*(inbox.accept([make_alert()]) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [StoreError] * 3
        assert not woken
        await inbox.accept([make_alert()])

    asyncio.run(scenario())
    assert woken == [True]


def test_a_request_that_goes_away_harms_nobody():
    """The connection of one waiter breaks; the others are answered."""
    release = threading.Event()

    async def scenario():
        inbox = GroupCommit(lambda _alerts: release.wait(10), lambda: None)
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
