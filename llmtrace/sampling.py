"""Which traces are kept, as plain data: the presets by name."""

from __future__ import annotations

from enum import StrEnum


class Preset(StrEnum):
    """The named presets of this version."""

    DEVELOPMENT = "development"
    """Keep every trace."""
    COLLECTOR = "collector"
    """Send every trace, and leave the decision to an OpenTelemetry Collector."""
    OFF = "off"
    """Record nothing."""
