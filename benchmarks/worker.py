"""One peer, one case, in a process of its own: runs a round for each line on stdin and prints what a unit cost.

Run by path in the peer's own environment, so it imports nothing but the standard library and the peer's file.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

UNITS = 5_000


def main(peer: str, case: str) -> None:
    """Print "ready", then one figure a round: CPU microseconds of this thread for one unit of work."""
    here = str(Path(__file__).parent)
    sys.path[:0] = [here]
    module = importlib.import_module(f"peers.{peer}")
    work = module.cases()[case]
    for _ in range(500):
        work()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.thread_time()
        for _ in range(UNITS):
            work()
        print((time.thread_time() - started) / UNITS * 1e6, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
