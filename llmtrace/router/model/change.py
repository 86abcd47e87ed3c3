"""A change: somebody deployed, or changed a configuration or a prompt. What an alert's reader asks for first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Change:
    """``service`` and ``environment`` say whom it concerns; empty: everybody."""

    kind: str
    """Such as ``deploy``, ``config`` or ``prompt``."""
    at: datetime
    title: str = ""
    service: str = ""
    environment: str = ""
    version: str = ""
    by: str = ""
    url: str = ""
