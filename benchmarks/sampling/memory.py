"""What the tail costs in memory in the worst cases: growth of this process, and spans held afterwards. Prints JSON.

Run by path: ``memory.py traces|spans|open NUMBER``: so many one-span traces, one trace of so many spans, or so many
roots that never end.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

import llmtrace
from llmtrace import SamplingPolicy
from llmtrace._span import Span

MEGABYTE = 2**20
PAGE = 4096
TEXT = "x" * 1_000


def resident() -> float:
    """Megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MEGABYTE


class Meter:
    """Remembers the most."""

    def __init__(self) -> None:
        self.floor = self.most = resident()

    def look(self) -> None:
        """Look now."""
        self.most = max(self.most, resident())


def traces(number: int, meter: Meter) -> str:
    """So many traces of one span."""
    tracer = llmtrace.get_tracer()
    for count in range(number):
        tracer.start_span("one", Context(), attributes={"text": f"{TEXT}{count}"}).end()
        if not count % 10_000:
            meter.look()
    return f"{number:,} traces of one span"


def spans(number: int, meter: Meter) -> str:
    """One trace of so many spans."""
    tracer = llmtrace.get_tracer()
    root = tracer.start_span("root", Context())
    context = set_span_in_context(root)
    for count in range(number):
        tracer.start_span("child", context, attributes={"text": f"{TEXT}{count}"}).end()
        if not count % 10_000:
            meter.look()
    root.end()
    return f"one trace of {number:,} spans"


def never_ending(number: int, meter: Meter) -> str:
    """So many roots that never end, each with a child that has; the app drops them all."""
    tracer = llmtrace.get_tracer()
    for count in range(number):
        root = tracer.start_span("root", Context())
        tracer.start_span("child", set_span_in_context(root), attributes={"text": f"{TEXT}{count}"}).end()
    meter.look()
    time.sleep(5)  # beyond their greatest age
    return f"{number:,} roots that never end"


CASES: dict[str, Any] = {"traces": traces, "spans": spans, "open": never_ending}


def main(case: str, number: int) -> dict[str, Any]:
    """Run one case."""
    policy = SamplingPolicy(ratio=0.0, slow=None, max_age=3.0, grave_spans=1_024)
    llmtrace.init_tracing("memory", endpoint="http://127.0.0.1:9", spool=False, sampling=policy)
    llmtrace.get_tracer().start_span("first", Context()).end()
    llmtrace.flush(5)
    meter = Meter()
    what = CASES[case](number, meter)
    llmtrace.flush(60)
    meter.look()
    time.sleep(1.5)
    gc.collect()
    held = sum(type(found) is Span for found in gc.get_objects())
    return {"what": what, "most": meter.most - meter.floor, "held": held}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
