"""Rehearsal: rules are tried on a virtual clock, by the engine that serves them, before they wake anybody."""

from __future__ import annotations

from llmtrace.router.rehearsal.compare import Verdict, judge
from llmtrace.router.rehearsal.run import Decided, Rehearsed, Told, rehearse

__all__ = ["Decided", "Rehearsed", "Told", "Verdict", "judge", "rehearse"]
