"""llmtrace where it is at its slowest, so that nobody has to find out by himself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import Worker, compare
from benchmarks.rows import Row

TITLE = "Our worst rows, CPU of the caller's thread"
PYTHON = Path(sys.executable)
COMPARED = (
    ("an answer that is a bare text / raw SDK, the whole span", "text", "llm"),
    ("an answer that is the openai SDK's object / raw SDK with a dict", "sdk-object", "llm"),
    ("messages whose content is a list of parts / raw SDK with texts", "parts", "llm"),
    ("200 messages, half of them of tools / raw SDK with its attribute limit lifted", "200", "llm-200"),
    ("tool arguments with 100 nested rows / raw SDK with json.dumps", "nested", "nested"),
)
ALONE = (
    ("a stream of 500 chunks, the whole span", "stream", None),
    ("a message of 10 MB", "huge", 5_000.0),
    ("arguments with 5,000 objects whose repr raises", "hostile", 5_000.0),
)
"""Title, case, the most microseconds that the issue allows."""


def measure() -> Iterator[Row]:
    """Ratios where there is something to compare with, else what it costs."""
    for title, case, base in COMPARED:
        figure = compare((PYTHON, "unusual", case), (PYTHON, "raw", base), rounds=5)
        yield Row(title, figure.ratio, detail=f"{figure.cost:.1f} µs / {figure.baseline:.1f} µs")
    for title, case, limit in ALONE:
        with Worker((PYTHON, "unusual", case)) as worker:
            yield Row(title, min(worker.round() for _ in range(3)), limit, "µs")
