"""What a request costs behind the middleware, beside OpenTelemetry's and asgi-correlation-id, in one run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.rounds import ROUNDS, Worker
from benchmarks.rows import Row

TITLE = "Middleware, CPU of one request more than without it"
CASES = ("bare", "ours", "opentelemetry", "correlation-id")


def measure() -> Iterator[Row]:
    """All four applications alternate round by round; what the bare one costs is taken off."""
    python = Path(sys.executable)
    with ExitStack() as stack:
        workers = {case: stack.enter_context(Worker((python, "asgi", case))) for case in CASES}
        rounds = [{case: worker.round() for case, worker in workers.items()} for _ in range(ROUNDS)]
    extra = {case: median(figures[case] - figures["bare"] for figures in rounds) for case in CASES}
    ratio = median(
        (figures["ours"] - figures["bare"]) / (figures["opentelemetry"] - figures["bare"]) for figures in rounds
    )
    detail = f"{extra['ours']:.1f} µs / {extra['opentelemetry']:.1f} µs"
    yield Row("TraceIdMiddleware / OpenTelemetry's ASGI middleware, one span each", ratio, 0.5, detail=detail)
    yield Row("asgi-correlation-id, which makes no span", extra["correlation-id"], unit="µs")
