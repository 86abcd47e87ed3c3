"""What is said of a fault in a log: its kind and its place. Not its text, which may quote what a sender wrote."""

from __future__ import annotations

import traceback
from pathlib import PurePath
from typing import Final

_STEPS: Final = 8


def where(fault: BaseException) -> str:
    """Kind and place of a fault."""
    return f"{type(fault).__name__}{_places(fault, 1)}"


def way(fault: BaseException | None) -> str:
    """How it came to a fault, the last step first."""
    return "" if fault is None else f" (failed{_places(fault, _STEPS)})"


def told(fault: BaseException) -> str:
    """Kind and place of a fault, and how it came to it."""
    return where(fault) + way(fault)


def _places(fault: BaseException, most: int) -> str:
    steps = traceback.extract_tb(fault.__traceback__, limit=-most)
    return "".join(f" in {step.name} ({PurePath(step.filename).name}:{step.lineno})" for step in reversed(steps))
