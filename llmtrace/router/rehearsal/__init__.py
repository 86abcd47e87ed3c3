"""Rehearsal: rules are tried on a virtual clock, by the engine that serves them, before they wake anybody."""

from __future__ import annotations

from llmtrace.router.rehearsal.compare import Verdict, judge
from llmtrace.router.rehearsal.difference import Change, as_markdown, as_table, differences
from llmtrace.router.rehearsal.digests import Bundled
from llmtrace.router.rehearsal.run import Decided, Rehearsed, Told, rehearse

__all__ = [
    "Bundled",
    "Change",
    "Decided",
    "Rehearsed",
    "Told",
    "Verdict",
    "as_markdown",
    "as_table",
    "differences",
    "judge",
    "rehearse",
]
