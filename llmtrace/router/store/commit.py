"""Group commit: what comes in while a commit is made or prepared is committed together, with one wait for the disk.

On a quick disk of this machine the commit is made right in the event loop: a thread would cost more time in hand-overs
than the disk does. Where the last commit took long, or the database is elsewhere, a thread makes it, and nothing else
waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Final, Self

from llmtrace.router.faults import told
from llmtrace.router.model import Alert
from llmtrace.router.ports import Committed, StoreError

QUICK: Final = 0.02
"""Seconds; a commit that took no longer leads to the next one in the event loop."""

ENOUGH: Final = 64
"""Requests in one commit, after which it does not wait for those that are just arriving."""

_log = logging.getLogger(__name__)

_Waiting = tuple[Sequence[Alert], Committed]


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
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.put(alerts, partial(_tell, done))
        await done

    def put(self, alerts: Sequence[Alert], committed: Committed) -> None:
        """The same without waiting: ``committed`` is told, from the event loop."""
        if not alerts:
            committed(None)
            return
        self._waiting.append((alerts, committed))
        if not self._busy:
            self._busy = True
            self._gather(asyncio.get_running_loop(), 0)

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        """Commit once a turn of the loop has brought nothing more: what arrives just now comes along."""
        if before < len(self._waiting) < ENOUGH:
            loop.call_soon(loop.call_soon, self._gather, loop, len(self._waiting))
        else:
            self._commit(loop)

    def _commit(self, loop: asyncio.AbstractEventLoop) -> None:
        together, self._waiting = self._waiting, []
        if self._near and self._quick:
            self._settle(loop, together, self._written(together))
            return
        writing = loop.run_in_executor(self._thread, self._written, together)
        writing.add_done_callback(lambda written: self._settle(loop, together, written.result()))

    def _written(self, together: Sequence[_Waiting]) -> Sequence[StoreError | None]:
        """What became of each; alerts that cannot be written at all are a fault of their own request only."""
        began = perf_counter()
        try:
            self._write([alert for alerts, _ in together for alert in alerts])
        except StoreError as error:
            return [error] * len(together)
        except Exception as error:  # noqa: BLE001 - whatever it was, the requests that wait must hear of it
            if len(together) == 1:
                return [StoreError(type(error).__name__)]
            return [each for one in together for each in self._written([one])]
        finally:
            self._quick = perf_counter() - began <= QUICK
        return [None] * len(together)

    def _settle(
        self, loop: asyncio.AbstractEventLoop, together: Sequence[_Waiting], errors: Sequence[StoreError | None]
    ) -> None:
        for (_, committed), error in zip(together, errors, strict=True):
            try:
                committed(error)
            except Exception as fault:  # noqa: BLE001 - one sender's fault must not cost the others their answers
                _log.error("an answer could not be given: %s", told(fault))
        if None in errors:
            self._accepted()
        self._busy = bool(self._waiting)
        if self._busy:
            self._gather(loop, 0)


def _tell(done: asyncio.Future[None], error: StoreError | None) -> None:
    if done.done():  # the request was cancelled meanwhile
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
