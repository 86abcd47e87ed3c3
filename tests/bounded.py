"""Break off what does not end, before it eats the time or the memory of the machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class TookTooLongError(KeyboardInterrupt):
    """A KeyboardInterrupt: one of the few that llmtrace's own nets must let pass."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TookTooLongError` in the main thread where the block runs longer."""

    def break_off(*_: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, break_off)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
