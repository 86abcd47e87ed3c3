"""Where spans go besides the main backend, and where they wait: plain values for `init_tracing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Final

OPENINFERENCE: Final = "openinference"
GEN_AI: Final = "gen_ai"
"""OpenTelemetry's GenAI attributes, beside OpenInference's."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One more OTLP/HTTP backend, with a queue and a spool of its own: that it is away touches no other.

    Attributes:
        endpoint: a base URL or a full one.
        headers: sent with every request to it, and to no other backend.
        conventions: in which words it gets the spans, beside those that the main backend gets.
        name: for log lines and counters; by default its host.
    """

    endpoint: str
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    conventions: Sequence[str] = ("openinference",)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Spool:
    """Where spans wait that cannot be delivered now.

    Attributes:
        folder: None: ``$XDG_STATE_HOME/llmtrace/spool``. Each backend has a folder of its own in it.
        write_ahead: every span is redacted, encoded and written before its ``end()`` returns.
        max_bytes: of the files of one backend.
        max_age: seconds after which spans are given up.
    """

    folder: str | PathLike[str] | None = None
    write_ahead: bool = False
    max_bytes: int = 256 * 1024 * 1024
    max_age: float = 24 * 3600.0
