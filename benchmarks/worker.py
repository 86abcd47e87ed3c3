"""One peer, one case, in a process of its own: runs a round for each line on stdin and prints what a unit cost.

Run by path in the peer's own environment, so it imports nothing but the standard library and the peer's file.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

UNITS = 5_000
ROUND = 0.5
"""Seconds that a round takes at most, roughly: a slow peer does fewer units."""
THREADS = 8


def main(peer: str, case: str, how: str = "cost", most: str = "5000") -> None:
    """Print "ready", then one figure in microseconds a round.

    Args:
        peer: a file in `peers/`.
        case: one of its cases.
        how: "cost": this thread's CPU time of one unit; "p99": what 99 in 100 units take at most, by the clock, while
            eight threads do them.
        most: units of a round at most.
    """
    here = str(Path(__file__).parent)
    sys.path[:0] = [here]
    module = importlib.import_module(f"peers.{peer}")
    work = module.cases()[case]
    _cost(work, 500)
    units = max(200, min(int(most), int(ROUND * 1e6 / _cost(work, 100))))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(_cost(work, units) if how == "cost" else _p99(work), flush=True)


def _cost(work: Callable[[], None], units: int) -> float:
    started = time.thread_time()
    for _ in range(units):
        work()
    return (time.thread_time() - started) / units * 1e6


def _p99(work: Callable[[], None]) -> float:
    taken: list[int] = []
    begin = threading.Barrier(THREADS)

    def record() -> None:
        mine = []
        begin.wait()
        for _ in range(UNITS // THREADS):
            started = time.perf_counter_ns()
            work()
            mine.append(time.perf_counter_ns() - started)
        taken.extend(mine)

    threads = [threading.Thread(target=record) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(taken)[len(taken) * 99 // 100] / 1e3


if __name__ == "__main__":
    main(*sys.argv[1:5])
