"""How much a spool may hold, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spool may hold."""

    most_bytes: int = 256 * 1024 * 1024
    """Of the whole folder, whichever process wrote it."""
    most_age: float = 24 * 3600.0
    """Seconds after which spans are given up."""
