"""The clock: the one place in the router that asks for the time."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's wall clock, in UTC: due times must mean the same after a restart."""

    def now(self) -> datetime:
        """The present, aware of its zone."""
        return datetime.now(UTC)
