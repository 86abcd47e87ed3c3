"""Who is told when the app asks for a trace: the tail of the tracing that runs, if it has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass
class _Keeping:
    """The listener in use."""

    tell: Callable[[int], None] | None = None


keeping: Final = _Keeping()
"""What `init_tracing` sets and `shutdown` clears; called with a trace id."""
