"""Where code runs: a thread, and in it a task where there is one."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Place = tuple[int, weakref.ref[Any] | None]
"""A thread and a task, where there is one: the task weakly, so that no context keeps one alive."""


def place() -> Place:
    """This thread and this task."""
    task = _task()
    return threading.get_ident(), None if task is None else weakref.ref(task)


def is_gone(reader: Place) -> bool:
    """Whether the reader of a stream cannot come back, once the request that it read for is over.

    Its task is done, or is the one that ends the request just now; or it was a worker thread, which works for others
    now.
    """
    thread, task = reader
    if task is None:
        return thread != threading.get_ident()
    found = task()
    return found is None or found.done() or found is _task()


def is_here(where: Place) -> bool:
    """Whether that is this thread and this task."""
    thread, task = where
    return thread == threading.get_ident() and (None if task is None else task()) is _task()


def _task() -> asyncio.Task[Any] | None:
    # Who runs in a task has loaded asyncio; who has not need not pay for it.
    current_task = getattr(sys.modules.get("asyncio.tasks"), "current_task", None)
    try:
        return None if current_task is None else current_task()
    except RuntimeError:
        return None
