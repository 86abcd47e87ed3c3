"""The edge between telemetry and the app: an error of ours is counted and logged once, never raised into user code."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Final

from llmtrace._stats import Loss, stats
from llmtrace._values.spending import BUDGET, MOST_ENTRIES, spending

logger: Final = logging.getLogger("llmtrace")

_said: set[str] = set()
_strict = False


def set_strict(strict: bool) -> None:
    """Raise errors of ours instead of swallowing them: for llmtrace's own tests, so that a bug cannot hide."""
    global _strict  # noqa: PLW0603 - one switch for the process, set by the test session only
    _strict = strict


def say_once(key: str, message: str, *args: object, level: int = logging.WARNING) -> None:
    """Log `message` the first time that `key` is seen in this process."""
    if key not in _said:
        _said.add(key)
        logger.log(level, message, *args)


def forget_said() -> None:
    """Begin a new life after `shutdown`: what was said once may be said again."""
    _said.clear()


def swallowed(where: str, error: BaseException) -> None:
    """Count an error of ours and say it once per place and type, without its text, which may hold content.

    KeyboardInterrupt is raised again: it is the person at the terminal.
    """
    if _strict or isinstance(error, KeyboardInterrupt):
        raise error
    stats.lose(Loss.INTERNAL_ERROR)
    kind = type(error).__name__
    say_once(f"{where}:{kind}", "llmtrace: %s failed with %s; your call is not affected", where, kind)


class guarded:  # noqa: N801 - used as a statement: `with guarded("recording output"):`
    """Run telemetry code so that no exception of it reaches the app, not even a SystemExit that a user's repr raises.

    Only KeyboardInterrupt passes. Where each tenth of a microsecond counts, ``except BaseException`` and `swallowed` do
    the same.
    """

    __slots__ = ("_where",)

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if error is None or isinstance(error, KeyboardInterrupt):
            return False
        swallowed(self._where, error)
        return True


class flattening(guarded):  # noqa: N801 - used as `guarded` is
    """The same for what renders values of the app's: with one budget of time for all of them."""

    __slots__ = ()

    def __enter__(self) -> None:
        spending.left, spending.entries = BUDGET, MOST_ENTRIES

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        spending.left = None
        return error is not None and super().__exit__(kind, error, tb)
