"""`make bench`: measure, print the table, and say which rows are over their limit."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.recording import Figure, compare

PYTHON = Path(sys.executable)
LIMITS = (
    ("one recorded LLM span / raw SDK, hand-written, same attributes", "llm", "llm", 0.30),
    ("same at 100 messages / raw SDK with its attribute limit lifted", "llm-100", "llm-100", 0.25),
    ("decorated tool call / raw SDK span with the same two attributes", "tool", "tool", 0.60),
    ("tracing off / raw SDK unsampled, attributes built", "off", "off", 0.15),
    ("not initialised / raw SDK unsampled, attributes built", "not-initialised", "not-initialised", 0.15),
)


def main() -> int:
    """Measure; 1 where a row is over its limit."""
    figures = [
        (title, limit, compare(PYTHON, "llmtrace", case, (PYTHON, "raw", base))) for title, case, base, limit in LIMITS
    ]
    using = compare(PYTHON, "llmtrace", "using", (PYTHON, "llmtrace", "llm"))
    figures.append(("one LLM span inside using(...) with 4 values / without", 1.25, using))
    print("| figure, caller's thread | µs | baseline µs | ratio | limit |\n|---|---|---|---|---|")
    for title, limit, figure in figures:
        print(_row(title, limit, figure))
    over = [title for title, limit, figure in figures if figure.ratio > limit]
    return 1 if over else 0


def _row(title: str, limit: float, figure: Figure) -> str:
    mark = "" if figure.ratio <= limit else " **over**"
    return f"| {title} | {figure.cost:.1f} | {figure.baseline:.1f} | {figure.ratio:.2f}{mark} | {limit:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
