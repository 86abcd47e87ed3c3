"""How soon a process is ready: whole processes, by the clock, one of each in turn."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.environments import HOME
from benchmarks.rows import Row

TITLE = "Start, wall clock of a whole process"
ROUNDS = 15
NOWHERE = "http://127.0.0.1:9/v1/traces"
LEAVE = "import os; os._exit(0)"
"""The end of the process is not measured: the raw SDK would wait for the backend that is not there."""
OURS = f"""
import llmtrace
llmtrace.init_tracing("bench", endpoint={NOWHERE!r})
with llmtrace.llm_span("gpt-4o-mini", [{{"role": "user", "content": "Hi"}}]) as span:
    span.record_output("Hello")
{LEAVE}
"""
RAW = f"""
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider(resource=Resource.create({{"service.name": "bench"}}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint={NOWHERE!r})))
trace.set_tracer_provider(provider)
with trace.get_tracer("bench").start_as_current_span("llm.chat") as span:
    span.set_attributes({{"llm.model_name": "gpt-4o-mini"}})
{LEAVE}
"""
LIMITS = (
    ("import, init_tracing, first span ended / raw SDK with OTLP exporter", OURS, RAW, 1.1),
    (
        "import llmtrace / import opentelemetry.trace",
        f"import llmtrace; {LEAVE}",
        f"import opentelemetry.trace; {LEAVE}",
        1.3,
    ),
)


# As an installed package has it: compiled once, here by the first run of each. Not next to the sources.
_ENVIRONMENT = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(HOME / "pycache")}


def measure() -> Iterator[Row]:
    """The ratio is the median of the rounds' ratios."""
    for title, ours, base, limit in LIMITS:
        _seconds(ours), _seconds(base)
        pairs = [(_seconds(ours), _seconds(base)) for _ in range(ROUNDS)]
        cost, against = median(cost for cost, _ in pairs), median(against for _, against in pairs)
        ratio = median(cost / against for cost, against in pairs)
        yield Row(title, ratio, limit, detail=f"{cost * 1e3:.0f} ms / {against * 1e3:.0f} ms")


def _seconds(script: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", script], check=True, env=_ENVIRONMENT)
    return time.perf_counter() - started
