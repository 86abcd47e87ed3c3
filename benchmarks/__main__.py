"""`make bench`, or ``python -m benchmarks [suite ...]``: measure, print each row as it is done, name what is over.

A suite is a module with a ``TITLE`` and a function ``measure() -> Iterable[Row]``, and a line in `SUITES`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from benchmarks.rows import table

SUITES = {
    "recording": "benchmarks.recording",
    "starting": "benchmarks.starting",
    "side-by-side": "benchmarks.side_by_side",
    "worst": "benchmarks.worst",
    "middleware": "benchmarks.middleware",
    "metrics": "benchmarks.metrics",
    "delivery": "benchmarks.delivery",
    "sampling": "benchmarks.sampling",
    "router": "benchmarks.router.figures",
}
"""Name on the command line -> module; run in this order."""


def main(*asked: str) -> int:
    """Run the suites that were asked for, or all; 1 where a row is over its limit, 2 for an unknown suite."""
    unknown = [name for name in asked if name not in SUITES]
    if unknown:
        print(f"benchmarks: no suite {', '.join(unknown)}; there are: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    over = []
    for name in asked or SUITES:
        suite = import_module(SUITES[name])
        print(f"\n{table(suite.TITLE, ())}", flush=True)
        for row in suite.measure():
            print(row, flush=True)  # at once: a suite may take half an hour
            over += [row.figure] if row.is_over else []
    for figure in over:
        print(f"over its limit: {figure}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
