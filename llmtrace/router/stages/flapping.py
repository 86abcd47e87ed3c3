"""Flapping: an alert that ends and begins again too often is told once it fires steadily. Never a regulated one. Pure.

Its ends are told where its beginnings were, so that what was told last is how it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from llmtrace.router.config.settings import Flapping
from llmtrace.router.model import Candidate, Hold, Reason, Status, Turn
from llmtrace.router.ports import Recall

HOLDER: Final = "flapping"


def damp(candidate: Candidate, flapping: Flapping, recall: Recall) -> Candidate:
    """Hold back an alert that began more often than ``begins`` times ``within`` so long, until it is ``steady``."""
    alert, state, now = candidate.alert, candidate.state, candidate.now
    is_new_here = state is None or (state.status is Status.FIRING and state.told_at is not None)
    # An event has no states that it could change.
    if not flapping.begins or is_new_here or alert.is_regulated or alert.ends_at is None:
        return candidate
    turns = recall.turns(candidate.route, alert.fingerprint, now - flapping.within)
    if _beginnings_before(turns) < flapping.begins:
        return candidate
    until = _began(turns, now) + flapping.steady
    return candidate if until <= now else replace(candidate, reason=Reason.FLAPPING, hold=Hold(HOLDER, until))


def _beginnings_before(turns: Sequence[Turn]) -> int:
    """How often it began, without the present time."""
    fires = [turn.status is Status.FIRING for turn in turns]
    began = sum(now and not before for before, now in pairwise((False, *fires)))
    return began - fires[-1] if fires else 0


def _began(turns: Sequence[Turn], now: datetime) -> datetime:
    """When it began to fire after its last end."""
    began = now
    for turn in reversed(turns):
        if turn.status is Status.RESOLVED:
            break
        began = min(began, turn.at)
    return began
