"""Runs the `llmtrace` command with a wall clock that a file moves: `moved_clock.py FILE router serve ...`.

The router asks the time in one place, its Clock. Only that is replaced; timers, sockets, database and process are real.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmtrace.router import clock


class MovedClock:
    """The machine's time and the seconds that stand in the file."""

    def __init__(self) -> None:
        self._file = Path(sys.argv[1])

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text()))


if __name__ == "__main__":
    clock.SystemClock = MovedClock  # before anything imports it by name

    from llmtrace.cli import main

    sys.exit(main(sys.argv[2:]))
