"""Who is told when the app asks for a trace: the tail of the tracing that runs, if it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Standing(Enum):
    """What is known here of a trace."""

    UNKNOWN = "unknown"
    OPEN = "not decided yet"
    KEPT = "kept"
    RECENTLY_DROPPED = "dropped, and its spans are still at hand"
    DROPPED = "dropped"


@dataclass
class _Keeping:
    """The listener in use."""

    tell: Callable[[int], None] | None = None
    ask: Callable[[int], Standing] | None = None


keeping: Final = _Keeping()
"""What `init_tracing` sets and `shutdown` clears; called with a trace id."""
