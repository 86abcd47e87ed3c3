"""A service that makes spans in a process of its own, for the tests of what survives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from waiting import wait_until

PROGRAM = """
import json, logging, os, sys, time
import llmtrace

given = json.loads(sys.argv[1])
logging.basicConfig(format="%(message)s", level=logging.INFO)
llmtrace.init_tracing("fault-service", endpoint=given["url"], **given["settings"])

def say(what):
    os.write(1, f"{what}\\n".encode())

def make(prefix, count, rate=0.0, size=100):
    began, text = time.perf_counter(), "x" * size
    for number in range(count):
        with llmtrace.chain_span(f"{prefix}{number}", input=text):
            pass
        say(f"made {number + 1} {time.time()}")
        if rate:
            time.sleep(max(0.0, began + (number + 1) / rate - time.perf_counter()))

"""
"""What each service begins with; the test adds what it does."""


class Service:
    """The process, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], said: Path, logged: Path) -> None:
        self.process = process
        self._said = said
        self._logged = logged

    @property
    def made(self) -> int:
        """How many spans it says to have ended."""
        words = [line.split() for line in self._said.read_text().splitlines() if line.startswith("made ")]
        return int(words[-1][1]) if words else 0

    @property
    def ended(self) -> list[float]:
        """When each of them had ended, in seconds since the epoch."""
        return [float(line.split()[2]) for line in self._said.read_text().splitlines() if line.startswith("made ")]

    @property
    def said(self) -> list[str]:
        """The rest of what it says."""
        return [line for line in self._said.read_text().splitlines() if not line.startswith("made ")]

    @property
    def log(self) -> list[str]:
        """What it logged."""
        return self._logged.read_text().splitlines()

    def wait_until_made(self, count: int) -> None:
        """Wait until it has ended so many spans."""
        wait_until(lambda: self.made >= count or self.process.poll() is not None, f"{count} spans made", 60)

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end, and return its status."""
        return self.process.wait(timeout)


class Services:
    """Starts services that share a state folder, one after the other or side by side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[Service] = []

    def start(self, url: str, code: str, **settings: Any) -> Service:
        """Start a service that does `code`, with `make` and `say` at hand."""
        number = len(self._started)
        said, logged = self.folder / f"said-{number}", self.folder / f"logged-{number}"
        program = PROGRAM + textwrap.dedent(code)
        given = json.dumps({"url": url, "settings": settings})
        env = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state"), "PYTHONWARNINGS": "error"}
        with said.open("wb") as out, logged.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", program, given], stdout=out, stderr=err, env=env, start_new_session=True
            )
        service = Service(process, said, logged)
        self._started.append(service)
        return service

    def run(self, url: str, code: str, **settings: Any) -> Service:
        """The same, and wait for its end."""
        service = self.start(url, code, **settings)
        assert service.wait() == 0, service.log
        return service

    def next(self, url: str) -> Service:
        """The next process of the same service: it makes no span of its own, and sends what it finds."""
        return self.run(url, "say(llmtrace.flush(30))")

    @property
    def spooled(self) -> list[Path]:
        """The files in the spool."""
        return [path for path in (self.folder / "state").rglob("*") if path.is_file()]

    def end(self) -> None:
        """Leave no process behind."""
        for service in self._started:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait(10)


@contextmanager
def services_in(folder: Path) -> Iterator[Services]:
    """Services whose processes are gone afterwards."""
    running = Services(folder)
    try:
        yield running
    finally:
        running.end()


def seconds(action: Any) -> float:
    """How long something takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began
