"""What recording costs the caller's thread, beside the raw SDK: the limits that `make bench` holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import compare
from benchmarks.rows import Row

TITLE = "Recording, CPU of the caller's thread"
PYTHON = Path(sys.executable)
LIMITS = (
    ("one recorded LLM span / raw SDK, hand-written, same attributes", "llm", ("raw", "llm"), 0.30),
    ("same at 100 messages / raw SDK with its attribute limit lifted", "llm-100", ("raw", "llm-100"), 0.25),
    ("decorated tool call / raw SDK span with the same two attributes", "tool", ("raw", "tool"), 0.60),
    ("tracing off / raw SDK unsampled, attributes built", "off", ("raw", "off"), 0.15),
    ("not initialised / raw SDK unsampled, attributes built", "not-initialised", ("raw", "off"), 0.15),
    ("one LLM span inside using(...) with 4 values / without", "using", ("ours", "llm"), 1.25),
)
"""Title, our case, the baseline's peer and case, the most that the ratio may be."""


def measure() -> Iterator[Row]:
    """Each row by two processes that alternate."""
    for title, case, (peer, base), limit in LIMITS:
        figure = compare((PYTHON, "ours", case), (PYTHON, peer, base))
        yield Row(title, figure.ratio, limit, detail=f"{figure.cost:.1f} µs / {figure.baseline:.1f} µs")
    figure = compare((PYTHON, "ours", "llm"), (PYTHON, "raw", "llm"), "p99")
    detail = f"{figure.cost:.0f} µs / {figure.baseline:.0f} µs"
    yield Row("8 threads recording, p99 of an LLM span by the clock / raw SDK", figure.ratio, 1.0, detail=detail)
