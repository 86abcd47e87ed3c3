"""Many threads that end traces without a pause: what was kept of them, and what the kept ones say of all. Prints JSON.

Run by path: ``fleet.py TRACES [storm]``. In a storm every trace is an error, a thousand a second: ten times the cap.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import StatusCode

import llmtrace
from llmtrace import SamplingPolicy
from llmtrace.semconv import trace as keys

THREADS = 32
CAP = 100.0
"""Traces a second that rules may keep."""
PACE = 1_000.0
"""Traces a second in the storm."""
LIMIT = 1.0
"""US dollars."""
SLOW = 0.5
"""Seconds; a slow trace waits so long."""
EACH = 0.003
"""The share of each kind of trace that matters; a tenth of it is slow."""


@dataclass
class Kept:
    """In place of the way to a backend: remembers the roots."""

    roots: list[tuple[str, float, float]] = field(default_factory=list)
    """What was special, the adjusted count, the cost."""

    def offer(self, records: Any) -> None:
        """Take records."""
        for record in records:
            if record.parent is None:
                said = record.attributes
                self.roots.append((record.name, said[keys.ADJUSTED_COUNT], said["cost"]))

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - a sink's signature
        """Nothing waits."""
        return True

    close = flush

    def after_fork_in_child(self) -> None:
        """Nothing to do."""


def one(kind: str, cost: float) -> None:
    """A trace of three spans."""
    with llmtrace.agent_span(kind) as agent:
        agent.set_attribute("cost", cost)
        with llmtrace.llm_span("m", "question") as span:
            span.record_output("answer")
            span.set_attribute(keys.LLM_COST_TOTAL, cost)
        with llmtrace.tool_span("tool", {}) as tool:
            if kind == "error":
                tool.set_status(StatusCode.ERROR)
        if kind == "alert":
            llmtrace.tag_alert("warning")
        elif kind == "forced":
            agent.keep()
        elif kind == "slow":
            time.sleep(SLOW)


def drawn(dice: random.Random, *, storm: bool) -> tuple[str, float]:
    """What a trace will be, and cost."""
    cost = dice.expovariate(100)
    if storm:
        return "error", cost
    kind = dice.choices(
        ["error", "alert", "forced", "cost", "slow", "boring"], [EACH] * 4 + [EACH / 10, 1 - 4.1 * EACH]
    )[0]
    return kind, LIMIT + cost if kind == "cost" else cost


def main(traces: int, *, storm: bool) -> dict[str, Any]:
    """Run them all."""
    policy = SamplingPolicy(rule_cap=CAP, slow=None) if storm else SamplingPolicy(rule_cap=CAP, cost=LIMIT, slow=SLOW)
    provider: Any = llmtrace.init_tracing("fleet", endpoint="http://127.0.0.1:9", spool=False, sampling=policy)
    pipeline, kept, were = provider._relay.target, Kept(), Counter[str]()  # noqa: SLF001 - a look inside
    pipeline._sinks = (kept,)  # noqa: SLF001
    costs: list[float] = []
    most = 0

    def work(thread: int) -> None:
        dice = random.Random(thread)  # noqa: S311 - a benchmark's dice
        for _ in range(traces // THREADS):
            kind, cost = drawn(dice, storm=storm)
            were[kind] += 1
            costs.append(cost)
            one(kind, cost)
            if storm:
                time.sleep(THREADS / PACE)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        most = max(most, pipeline._tail._buffer.spans)  # noqa: SLF001
        time.sleep(0.05)
    took = time.monotonic() - started
    llmtrace.flush(120)
    found = Counter(name for name, _, _ in kept.roots)
    return {
        "kept": {kind: (found[kind], were[kind]) for kind in sorted(were) if kind != "boring"},
        "estimates": estimates(kept.roots, len(costs), sum(costs), were["error"]),
        "all": len(kept.roots),
        "rate": traces / took,
        "cap": CAP,
        "most_buffered": most,
    }


def estimates(
    roots: list[tuple[str, float, float]], traces: int, cost: float, errors: int
) -> dict[str, tuple[float, float, float]]:
    """The estimate from the kept roots, the truth, and the standard deviation of the estimate."""
    counted = sum(count for _, count, _ in roots)
    deviation = sum(count * (count - 1) for _, count, _ in roots) ** 0.5
    spent = sum(count * cost for _, count, cost in roots)
    of_cost = sum(count * (count - 1) * cost**2 for _, count, cost in roots) ** 0.5
    wrong = sum(count for name, count, _ in roots if name == "error")
    rate, of_rate = wrong / counted, (wrong / counted) * deviation / counted
    return {
        "traces": (counted, traces, deviation),
        "cost": (spent, cost, of_cost),
        "error rate": (rate, errors / traces, of_rate or 1e-9),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), storm="storm" in sys.argv)))
