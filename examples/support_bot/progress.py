"""What the demo says while it works: one line a step, with the seconds since its start."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console

_PATIENCE: Final = 5.0  # seconds of silence until it says that it is still waiting


class Progress:
    """Prints to a console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = self._spoke = time.monotonic()

    def say(self, line: str) -> None:
        """Print a line."""
        self._spoke = time.monotonic()
        self._console.print(f"[{self._spoke - self._start:5.1f} s] {line}", markup=False, style="dim")

    def wait(self, what: str) -> None:
        """Say what is being waited for, if nothing was said for a while. Call it as often as you like."""
        if time.monotonic() - self._spoke > _PATIENCE:
            self.say(f"still waiting for {what}")
