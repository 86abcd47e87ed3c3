"""Group commit: what comes in while a commit is made or prepared is committed together, with one wait for the disk.

On a quick disk of this machine the commit is made right in the event loop: a thread would cost more time in hand-overs
than the disk does. Where the last commit took long, or the database is elsewhere, a thread makes it, and nothing else
waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Final, Self

from llmtrace.router.model import Alert
from llmtrace.router.ports import StoreError

QUICK: Final = 0.02
"""Seconds; a commit that took no longer leads to the next one in the event loop."""

_Waiting = tuple[Sequence[Alert], "asyncio.Future[None]"]


class GroupCommit:
    """The way into the inbox of one event loop, open while the ``with`` block runs.

    ``write`` blocks until the alerts are on disk; ``accepted`` is told after it. ``near``: the disk is this machine's.
    """

    def __init__(
        self, write: Callable[[Sequence[Alert]], None], accepted: Callable[[], None], *, near: bool = False
    ) -> None:
        self._write = write
        self._accepted = accepted
        self._near = near
        self._quick = False
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._thread = ThreadPoolExecutor(1, "llmtrace-inbox")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """A commit under way is made first."""
        self._thread.shutdown()

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """Return once the alerts are on disk.

        Raises:
            StoreError: they are not; nothing of this call was kept.
        """
        if not alerts:
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((alerts, done))
        if not self._busy:
            self._busy = True
            # One more turn of the loop: what has arrived on other connections by now comes along.
            loop.call_soon(loop.call_soon, self._commit, loop)
        await done

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        together, self._waiting = self._waiting, []
        if self._near and self._quick:
            self._settle(loop, together, self._written(together))
            return
        writing = loop.run_in_executor(self._thread, self._written, together)
        writing.add_done_callback(lambda written: self._settle(loop, together, written.result()))

    def _written(self, together: Sequence[_Waiting]) -> StoreError | None:
        began = perf_counter()
        try:
            self._write([alert for alerts, _ in together for alert in alerts])
        except Exception as error:  # noqa: BLE001 - whatever it was, the requests that wait must hear of it
            return error if isinstance(error, StoreError) else StoreError(type(error).__name__)
        finally:
            self._quick = perf_counter() - began <= QUICK
        return None

    def _settle(self, loop: asyncio.AbstractEventLoop, together: Sequence[_Waiting], error: StoreError | None) -> None:
        for _, done in together:
            if done.done():  # the request was cancelled meanwhile
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        if error is None:
            self._accepted()
        self._busy = bool(self._waiting)
        if self._busy:
            loop.call_soon(loop.call_soon, self._commit, loop)
