"""The Python examples of a documentation page, to be run by the test that holds the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: str) -> list[str]:
    """The code of each Python example of a page under docs/, in order."""
    return _PYTHON.findall((DOCS / page).read_text(encoding="utf-8"))


def run_example(code: str, **given: Any) -> dict[str, Any]:
    """Run an example with the names that it leaves to the reader; returns all its names."""
    names: dict[str, Any] = {"__name__": "example", **given}
    exec(compile(code, "example", "exec"), names)  # noqa: S102 - our own documentation
    return names
