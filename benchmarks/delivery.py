"""What arrives under faults, and what sending costs, beside the raw SDK in the same run.

Each fault row is a process that makes spans, a real server that misbehaves in the middle, and for llmtrace the next
process of the same service. What counts is a distinct span that got a 2xx.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from benchmarks.rows import Row

TITLE = "Delivery: spans that arrive under faults, and the CPU of the process for one span"
HERE = Path(__file__).parent
PYTHON = sys.executable
SOAK = float(os.environ.get("LLMTRACE_SOAK_SECONDS", "600"))
ROUNDS = 5
NEXT = 2
"""Spans that the next process makes itself."""


class Sink:
    """The server, in a process of its own, on a port that stays."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.start()

    def start(self) -> None:
        """Begin to listen."""
        command = [PYTHON, str(HERE / "sink.py"), str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Be gone: connections are refused."""
        self._process.kill()
        self._process.wait()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def fault(self, **fault: Any) -> None:
        """How to answer from now on."""
        httpx.put(self.url, content=json.dumps(fault), trust_env=False)

    def names(self) -> set[str]:
        """The names of the spans that got a 2xx."""
        return set(httpx.get(f"{self.url}/names", trust_env=False, timeout=120).json()["names"])

    def arrived(self) -> int:
        """Distinct spans that got a 2xx."""
        return int(httpx.get(self.url, trust_env=False, timeout=120).json()["distinct"])


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens while so many spans are made."""

    title: str
    spans: int
    rate: int
    size: int
    happens: Callable[[Sink], None]
    """Called when the process has begun; returns when the fault is over."""
    linger: float = 0.0


def answers(seconds: float, **fault: Any) -> Callable[[Sink], None]:
    """The server answers like this for a while, two seconds after the beginning."""

    def happens(sink: Sink) -> None:
        time.sleep(2.5)
        sink.fault(**fault)
        time.sleep(seconds)
        sink.fault()

    return happens


def is_down(seconds: float) -> Callable[[Sink], None]:
    """Nobody listens for a while, two seconds after the beginning, and what was connected is cut."""

    def happens(sink: Sink) -> None:
        time.sleep(2.5)
        sink.fault(down=seconds)
        time.sleep(seconds + 0.5)

    return happens


CALM = Fault("no fault", 10_000, 1_000, 500, lambda _: None)
FAULTS = (
    Fault("burst, unthrottled, 20,000 x 500 B", 20_000, 0, 500, lambda _: None),
    Fault("burst, unthrottled, 10,000 x 10 kB", 10_000, 0, 10_000, lambda _: None),
    Fault("down for 10 s of 20 s, 500 B", 20_000, 1_000, 500, is_down(10)),
    Fault("down for 10 s of 20 s, 500 B, living on", 20_000, 1_000, 500, is_down(10), 15.0),
    Fault("down for 10 s of 20 s, 10 kB", 20_000, 1_000, 10_000, is_down(10)),
    Fault("hang for 5 s", 10_000, 1_000, 500, answers(5, hang=60)),
    Fault("503, Retry-After 2, for 5 s", 10_000, 1_000, 500, answers(5, status=503, headers={"retry-after": "2"})),
    Fault("503, Retry-After 30, for 5 s", 10_000, 1_000, 500, answers(5, status=503, headers={"retry-after": "30"})),
    Fault("429 for 5 s", 10_000, 1_000, 500, answers(5, status=429)),
    Fault("500 for 5 s", 10_000, 1_000, 500, answers(5, status=500)),
    Fault("400 to everything for 5 s", 10_000, 1_000, 500, answers(5, status=400)),
    Fault("413 above 1 MB, 400 x 10 kB", 400, 0, 10_000, lambda sink: sink.fault(most_bytes=1_000_000)),
)


@contextmanager
def sinks() -> Iterator[Sink]:
    """A server that is gone afterwards."""
    sink = Sink()
    try:
        yield sink
    finally:
        sink.stop()


def begin(peer: str, sink: Sink, state: str, *numbers: float | str) -> subprocess.Popen[str]:
    """A process that makes spans."""
    command = [PYTHON, "-P", str(HERE / "faulty.py"), peer, sink.url, *map(str, numbers)]
    env = {**os.environ, "XDG_STATE_HOME": state}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)


def end_of(process: subprocess.Popen[str]) -> dict[str, float]:
    """What it says, and how long its end took."""
    out, _ = process.communicate(timeout=300)
    said: dict[str, float] = json.loads(out)
    return {**said, "exit": time.time() - said["ended"]}


def under(fault: Fault, peer: str) -> tuple[int, dict[str, float]]:
    """How many spans arrive of one peer, and what the process saw."""
    with sinks() as sink, tempfile.TemporaryDirectory() as state:
        process = begin(peer, sink, state, fault.spans, fault.rate, fault.size, fault.linger)
        fault.happens(sink)
        said = end_of(process)
        sink.fault(**({"most_bytes": 1_000_000} if "413" in fault.title else {}))
        if peer == "ours":
            end_of(begin(peer, sink, state, NEXT, 0, 12, 3.0))
        return sink.arrived() - (NEXT if peer == "ours" else 0), said


def exit_rows() -> Iterator[Row]:
    """How long the end takes where nobody takes the spans."""
    for trouble in ("refuses", "hangs", "503"):
        for count in (100, 3_000):
            took = {}
            for peer in ("ours", "raw"):
                with sinks() as sink, tempfile.TemporaryDirectory() as state:
                    if trouble == "refuses":
                        sink.stop()
                    else:
                        sink.fault(**({"hang": 60} if trouble == "hangs" else {"status": 503}))
                    took[peer] = end_of(begin(peer, sink, state, count, 0, 500, 0.0))["exit"]
            yield Row(f"exit, {trouble}, {count} spans", took["ours"], 2.5, "s", f"raw SDK {took['raw']:.1f} s")


def age_of_the_oldest_lost(peer: str, *, is_up: bool) -> float:
    """Milliseconds before a SIGKILL at which the oldest of the spans had ended that never arrive; 0: all do."""
    with sinks() as sink, tempfile.TemporaryDirectory() as state:
        if not is_up:
            sink.stop()
        process = begin(peer, sink, state, "until-killed", 1_000)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=4)  # reads what it says, meanwhile
        killed = time.time()
        process.kill()
        said, _ = process.communicate()
        if not is_up:
            sink.start()
        if peer != "raw":
            end_of(begin(peer, sink, state, NEXT, 0, 12, 3.0))
        arrived = sink.names()
        ended = [line.split() for line in said.splitlines()]
        return 1_000 * max((killed - float(at) for number, at in ended if f"s{number}" not in arrived), default=0.0)


def kill_rows() -> Iterator[Row]:
    """What a SIGKILL costs at 1,000 spans a second."""
    for is_up in (True, False):
        where = "up" if is_up else "down"
        raw = age_of_the_oldest_lost("raw", is_up=is_up)
        for peer, mode, limit in (("ours-ahead", "write-ahead", 0), ("ours", "default mode", 200)):
            age = max(age_of_the_oldest_lost(peer, is_up=is_up) for _ in range(3))
            title = f"SIGKILL, backend {where}, {mode}: how long before it the oldest lost span had ended, worst of 3"
            yield Row(title, age, limit, "ms", f"raw SDK {raw:,.0f} ms")


def cost_rows() -> Iterator[Row]:
    """The CPU of the process for one span, recorded, encoded and sent."""
    with sinks() as sink, tempfile.TemporaryDirectory() as state:
        env = {**os.environ, "XDG_STATE_HOME": state}
        workers = {}
        for peer in ("raw", "ours-unredacted", "ours", "raw-new", "ours-new"):
            command = [PYTHON, "-P", str(HERE / "sending_worker.py"), peer, sink.url]
            pipe = subprocess.PIPE
            workers[peer] = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env)
            workers[peer].stdout.readline()  # type: ignore[union-attr] # a pipe was asked for
        rounds: dict[str, list[float]] = {peer: [] for peer in workers}
        for _ in range(ROUNDS):
            for peer, worker in workers.items():
                worker.stdin.write("go\n")  # type: ignore[union-attr] # as above
                worker.stdin.flush()  # type: ignore[union-attr] # as above
                rounds[peer].append(float(worker.stdout.readline()))  # type: ignore[union-attr] # as above
        for worker in workers.values():
            worker.kill()
            worker.communicate()
    for peer, base, title, limit in (
        (
            "ours-unredacted",
            "raw",
            "CPU of the process for one LLM span / raw SDK with its exporter, redaction off",
            0.40,
        ),
        ("ours", "raw", "the same with the default redaction", 0.55),
        ("ours-new", "raw-new", "the same with the default redaction, of texts that never come twice", 0.55),
    ):
        ratio = median(mine / theirs for mine, theirs in zip(rounds[peer], rounds[base], strict=True))
        yield Row(title, ratio, limit, detail=f"{median(rounds[peer]):.0f} µs / {median(rounds[base]):.0f} µs")


RANDOM: tuple[dict[str, Any], ...] = (
    {},
    {"status": 503},
    {"status": 429, "headers": {"retry-after": "1"}},
    {"status": 500},
    {"status": 401},
    {"status": 400},
    {"status": 413},
    {"status": 307, "headers": {"location": "/elsewhere"}},
    {"hang": 2},
    {"hang": 0},
    {"down": 1},
)


def soak() -> Iterator[Row]:
    """A long run of random faults; in the end everything that was made is there."""
    with sinks() as sink, tempfile.TemporaryDirectory() as state:
        made = 0
        until = time.monotonic() + SOAK
        while time.monotonic() < until:
            count = random.randint(500, 5_000)  # noqa: S311 - which fault comes when
            process = begin("ours", sink, state, count, random.choice([0, 500, 2_000]), 500, 1.0)  # noqa: S311
            made += count
            while process.poll() is None:
                fault = random.choice(RANDOM)  # noqa: S311 - as above
                sink.fault(**fault)
                time.sleep(fault.get("down", 0) + random.uniform(0.2, 2.0))  # noqa: S311 - as above
            process.communicate()
        sink.fault()
        end_of(begin("ours", sink, state, NEXT, 0, 12, 10.0))
        lost = made + NEXT - sink.arrived()
        yield Row(f"{SOAK / 60:.0f} minutes of random faults: spans of {made:,} that are missing", lost, 0, "spans")


def measure() -> Iterator[Row]:
    """Each fault for both, the caller's delay in them, then exits, the cost, and the long run."""
    _, calm = under(CALM, "ours")
    p50, p99 = [0.0], [0.0]
    for fault in FAULTS:
        arrived, said = under(fault, "ours")
        base, base_said = under(fault, "raw")
        detail = f"raw SDK {base:,}; p50 {said['p50']:.0f} µs (raw {base_said['p50']:.0f}), p99 {said['p99']:.0f} µs"
        yield Row(fault.title, arrived, fault.spans, "spans", detail, is_floor=True)
        if (fault.rate, fault.size) == (CALM.rate, CALM.size):
            p50.append(said["p50"])
            p99.append(said["p99"])
    detail = f"{max(p50):.0f} µs / {calm['p50']:.0f} µs"
    yield Row("caller's p50 in the worst of these / without a fault", max(p50) / calm["p50"], 1.2, detail=detail)
    allowed = max(1.5 * calm["p99"], calm["p99"] + 1_000)
    yield Row("caller's p99 in the worst of these", max(p99), allowed, "µs", f"{calm['p99']:.0f} µs without a fault")
    yield from exit_rows()
    yield from kill_rows()
    yield from cost_rows()
    yield from soak()
