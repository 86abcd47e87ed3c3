"""What the production preset keeps, and what it costs: the limits that the sampling issue sets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.rows import Row

TITLE: Final = "Keep what matters: the production preset"
HERE: Final = Path(__file__).parent
ROUNDS: Final = 7
CPU: Final = (
    ("caller's thread, one LLM span: production / development", "production", "development", 1.25),
    ("process CPU, a boring trace of 8 spans at 1 %: ours, metrics off / raw SDK", "boring", "raw", 0.8),
    ("the same with metrics on / raw SDK", "boring-metrics", "raw", 2.5),
)


def measure() -> Iterator[Row]:
    """CPU side by side, then what was kept of 100,000 traces, then memory."""
    with sink() as endpoint:
        for title, case, base, limit in CPU:
            with worker(case, endpoint) as ours, worker(base, endpoint) as theirs:
                pairs = [(turn(ours), turn(theirs)) for _ in range(ROUNDS)]
            ratio = median(cost / baseline for cost, baseline in pairs)
            detail = f"{median(cost for cost, _ in pairs):.1f} / {median(cost for _, cost in pairs):.1f} µs"
            yield Row(title, ratio, limit, detail=detail)
    yield from of_fleet(output("fleet.py", "100000"))
    yield from of_storm(output("fleet.py", "20000", "storm"))
    for what, most in (("traces", "1000000"), ("spans", "1000000"), ("open", "20000")):
        yield from of_memory(output("memory.py", what, most))


def of_fleet(found: dict[str, Any]) -> Iterator[Row]:
    """100,000 traces at 1 % in 32 threads, under the cap."""
    for reason, (kept, were) in found["kept"].items():
        yield Row(
            f"{reason}: traces kept of 100,000 in 32 threads",
            100 * kept / were,
            100,
            "%",
            f"{kept} of {were}",
            is_floor=True,
        )
    for figure, (estimate, truth, deviation) in found["estimates"].items():
        off = abs(estimate - truth) / deviation
        detail = f"{estimate:,.4g}, true {truth:,.4g}, standard deviation {deviation:,.3g}"
        yield Row(f"estimate of {figure}, deviations from the truth", off, 3, detail=detail)


def of_storm(found: dict[str, Any]) -> Iterator[Row]:
    """Every trace an error, far over the cap."""
    estimate, truth, deviation = found["estimates"]["traces"]
    times = found["rate"] / found["cap"]
    detail = f"{found['all']} kept; {estimate:,.0f}, true {truth:,.0f}, standard deviation {deviation:,.0f}"
    yield Row(
        f"{times:.0f} times over the cap: estimate, deviations from the truth",
        abs(estimate - truth) / deviation,
        3,
        detail=detail,
    )
    yield Row("spans in the buffer then, at most", found["most_buffered"], 50_000, "spans")


def of_memory(found: dict[str, Any]) -> Iterator[Row]:
    """What the process grew by, at most and afterwards."""
    yield Row(f"memory, {found['what']}: most", found["most"], 160, "MB", "budget 64 MB, and the interpreter's slack")
    yield Row(
        f"{found['what']}: held afterwards", found["held"], 1_100, "spans", "those that a late error may bring back"
    )


@contextmanager
def sink() -> Iterator[str]:
    """An OTLP server in a process of its own."""
    command = [sys.executable, str(HERE.parent / "sink.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(_line(process))}/v1/traces"
        finally:
            process.kill()


@contextmanager
def worker(case: str, endpoint: str) -> Iterator[subprocess.Popen[str]]:
    """A process that does one case, a round at a time."""
    command = [sys.executable, str(HERE / "traces.py"), case, endpoint]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if _line(process) != "ready":
                raise RuntimeError(f"{case} did not start")
            yield process
        finally:
            process.kill()


def turn(process: subprocess.Popen[str]) -> float:
    """One round."""
    assert process.stdin is not None  # noqa: S101 - it was asked for
    process.stdin.write("go\n")
    process.stdin.flush()
    return float(_line(process))


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    return process.stdout.readline().strip()


def output(script: str, *arguments: str) -> dict[str, Any]:
    """What a script of this folder prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], capture_output=True, text=True, check=True, timeout=900
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
