"""An event that an interrupt cannot break, for one thread that waits; who rings may be the app's main thread.

`threading.Event` is written in Python, and so has a place, after its lock was taken and before anything would give it
back, where Ctrl-C can strike. Then nobody gets that lock any more, and the next one who rings waits for ever: seen once
in some runs on a busy machine, as a service that did not end. Here the lock itself is the event, and C takes it.
"""

from __future__ import annotations

import threading


class Bell:
    """Rung or not; the lock is held while it is not."""

    __slots__ = ("_silence",)

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """Wake whoever waits. Never blocks."""
        try:
            self._silence.release()
        except RuntimeError:  # it rings already
            return

    @property
    def rings(self) -> bool:
        """Whether it was rung since `hush`."""
        return not self._silence.locked()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is rung; False where the seconds were over first. It goes on ringing."""
        was_rung = self._silence.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        if was_rung:
            self.ring()
        return was_rung

    def hush(self) -> None:
        """Let it be rung again. Of the thread that waits."""
        self._silence.acquire(blocking=False)
