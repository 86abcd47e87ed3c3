"""The demo's child processes: started with a log file each, watched, and all of them stopped in the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from examples.support_bot.progress import Progress

_ROOT = Path(__file__).parents[2]
_TAIL_LINES = 15
_NAMED = 3
_START_DEADLINE = 150.0  # seconds; Phoenix usually takes 8 to 25
_ARRIVAL_DEADLINE = 30.0  # seconds from the last answer until everything is stored
_GRACE = 15.0  # seconds; Phoenix takes up to 5 to store what it has accepted
_POLL = 0.1


class DemoError(Exception):
    """What was promised did not arrive. The message is one line; `log` is where to look, if anywhere."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log


def some(things: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(things) - _NAMED
    return "; ".join(things[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-_TAIL_LINES:])


class Child:
    """One process, in a session of its own: Ctrl-C reaches the demo alone, which then stops its children in order."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
                [sys.executable, "-m", *arguments],
                cwd=_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise `DemoError` if it has ended."""
        if (status := self._process.poll()) is not None:
            raise DemoError(f"{self.name} ended by itself (status {status})", self.log)

    def wait_for(self, pattern: str, progress: Progress) -> str:
        """Wait until its log matches, and return the pattern's first group."""
        end = time.monotonic() + _START_DEADLINE
        while not (match := re.search(pattern, self.log.read_text("utf-8", errors="replace"))):
            self.check()
            if time.monotonic() > end:
                raise DemoError(f"{self.name} did not start within {_START_DEADLINE:.0f} s", self.log)
            progress.wait(self.name)
            time.sleep(_POLL)
        progress.say(f"{self.name} is at {match[1]}")
        return match[1]

    def ask_to_stop(self) -> None:
        """Ask it to stop; returns at once."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Wait until it has stopped; after a while, by force."""
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Children:
    """Starts children, and stops them all at the end of the `with` block, the last one first."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._children: list[Child] = []

    def start(self, name: str, *arguments: str, **environment: str) -> Child:
        """Run `python -m` with these arguments, in the children's environment and these variables."""
        child = Child(name, arguments, {**self._environment, **environment}, self._folder / f"{name}.log")
        self._children.append(child)
        return child

    def end(self, name: str) -> None:
        """Stop one of them, on purpose."""
        for child in [child for child in self._children if child.name == name]:
            self._children.remove(child)
            child.ask_to_stop()
            child.stop()

    def check(self) -> None:
        """Raise `DemoError` if one of them has ended."""
        for child in self._children:
            child.check()

    def wait_until_none(self, missing: Callable[[], Sequence[str]], progress: Progress) -> None:
        """Ask again and again what is still missing, until nothing is."""
        end = time.monotonic() + _ARRIVAL_DEADLINE
        while lacking := missing():
            self.check()
            if time.monotonic() > end:
                raise DemoError(f"did not arrive within {_ARRIVAL_DEADLINE:.0f} s: {some(lacking)}")
            progress.wait(f"{len(lacking)} to arrive, first: {lacking[0]}")
            time.sleep(_POLL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            child.ask_to_stop()
        for child in self._children:
            child.stop()
