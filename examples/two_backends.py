"""The same spans to two backends, each with its own queue: Phoenix, and any other that speaks OTLP/HTTP.

SECOND=https://api.example.org/v1/traces SECOND_KEY=... python -m examples.two_backends
"""

from __future__ import annotations

import os

import llmtrace


def main() -> None:
    """One call, sent twice; one of the two may be down."""
    second = llmtrace.Backend(
        os.environ.get("SECOND", "http://localhost:4318/v1/traces"),
        headers={"x-api-key": os.environ.get("SECOND_KEY", "none")},
        name="second",
    )
    llmtrace.init_tracing(service_name="two-backends", backends=[second])
    with llmtrace.llm_span("gpt-4o-mini", "Capital of France?") as span:
        span.record_output("Paris.")
    print("sent to both" if llmtrace.flush(10) else "one of them has not taken it yet")


if __name__ == "__main__":
    main()
