"""Group commit: what comes in while a commit runs is committed together, with one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from llmtrace.router.model import Alert
from llmtrace.router.ports import StoreError

Waiting = tuple[Sequence[Alert], asyncio.Future[None]]


class GroupCommit:
    """The inbox of one event loop. ``write`` blocks until the alerts are on disk; ``accepted`` is told after it."""

    def __init__(self, write: Callable[[Sequence[Alert]], None], accepted: Callable[[], None]) -> None:
        self._write = write
        self._accepted = accepted
        self._waiting: list[Waiting] = []
        self._committing: asyncio.Task[None] | None = None

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """Return once the alerts are on disk.

        Raises:
            StoreError: they are not; nothing of this call was kept.
        """
        if not alerts:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((alerts, done))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_all())
        await done

    async def _commit_all(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._write, [alert for alerts, _ in together for alert in alerts])
            except Exception as error:  # noqa: BLE001 - whatever it was, the requests that wait must hear of it
                _settle(together, error if isinstance(error, StoreError) else StoreError(type(error).__name__))
            else:
                _settle(together, None)
                self._accepted()
        self._committing = None


def _settle(waiting: list[Waiting], error: StoreError | None) -> None:
    for _, done in waiting:
        if done.done():  # the request was cancelled meanwhile
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
