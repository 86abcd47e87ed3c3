"""Children of multiprocessing, and of Celery's billiard, end without atexit: their own finalizers call us instead.

A child of Celery's that has done as many tasks as it may runs none of those either: there its signal calls us.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

_PACKAGES: Final = ("multiprocessing", "billiard")
_LATE: Final = -100
"""The priority of our finalizer: after those of queues and pools, whose threads may still end spans."""


class _Key:
    """What the registry of finalizers holds weakly: it must outlive the registration."""


_key: Final = _Key()


def call_at_end_after_fork(function: Callable[[], object]) -> None:
    """In a process that was just forked: call this at its end, if it is one of those packages that ends it.

    Their bootstrap is yet to come: it clears all finalizers, and then runs what was registered to run after a fork.
    """
    for package in _PACKAGES:
        if f"{package}.process" in sys.modules:
            util: Any = import_module(f"{package}.util")  # billiard itself loads it in the child only
            util.register_after_fork(_key, lambda _, util=util: util.Finalize(None, function, exitpriority=_LATE))
    _call_at_end_of_celerys_child(function)


def call_at_end_of_child(function: Callable[[], object]) -> None:
    """In a child of theirs that is at work already: call this at its end."""
    for package in _PACKAGES:
        util: Any = sys.modules.get(f"{package}.util")
        process: Any = sys.modules.get(f"{package}.process")
        # Private, and the same name in both; the main process has an empty one.
        if util is not None and process is not None and getattr(process.current_process(), "_identity", None):
            util.Finalize(None, function, exitpriority=_LATE)
            _call_at_end_of_celerys_child(function)


def _call_at_end_of_celerys_child(function: Callable[[], object]) -> None:
    signals: Any = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(lambda **_: function(), weak=False, dispatch_uid=__name__)
