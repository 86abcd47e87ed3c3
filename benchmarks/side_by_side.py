"""llmtrace and its peers, each against the raw SDK in the same rounds, with the same unit of work; and the plot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.environments import HOME, python_of, requirements_of
from benchmarks.plot import bars
from benchmarks.rounds import compare
from benchmarks.rows import Row

TITLE = "One recorded LLM span beside the peers, CPU of the caller's thread"
PYTHON = Path(sys.executable)
PEERS = {
    "openinference": "llm",
    "langfuse": "llm",
    "logfire": "llm",
    "traceloop": "llm",
    "langsmith": "llm",
    "mlflow": "pair",
    "util_genai": "llm",
}
"""File in `peers/` -> its case."""


def measure() -> Iterator[Row]:
    """Each peer in its own environment."""
    ratios = {}
    for peer, case in {"ours": "llm", **PEERS}.items():
        python = PYTHON if peer == "ours" else python_of(peer)
        figure = compare((python, peer, case), (PYTHON, "raw", case))
        name = "llmtrace" if peer == "ours" else requirements_of(peer)[0]
        ratios[name] = figure.ratio
        shown = f"{name} / raw SDK" + (", an agent's and an LLM's span" if case == "pair" else "")
        yield Row(shown, figure.ratio, detail=f"{figure.cost:.1f} µs / {figure.baseline:.1f} µs")
    chart = HOME / "side_by_side.svg"
    chart.parent.mkdir(parents=True, exist_ok=True)
    chart.write_text(bars(TITLE + "; the raw SDK is 1", ratios, mark=1.0))
    print(f"benchmarks: the plot is in {chart}", file=sys.stderr)
