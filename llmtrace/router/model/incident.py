"""An incident: the life of a group of alerts from its first message until all are over, and its escalation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from llmtrace.router.model.policy import Escalation


class IncidentState(StrEnum):
    """How far an incident is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Act(StrEnum):
    """What a person does to an incident."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Step:
    """An escalation that is due: its number from 1, who is told, and when the next one is (None: it was the last)."""

    number: int
    receivers: tuple[str, ...]
    next_at: datetime | None


def first_at(steps: Sequence[Escalation], opened_at: datetime) -> datetime | None:
    """When an incident that has these steps before it escalates, unless somebody acknowledges it."""
    return opened_at + steps[0].after if steps else None


@dataclass(frozen=True, slots=True)
class Incident:
    """What the router remembers of one. ``steps`` is the policy that it started with, whatever the file says now."""

    id: int
    state: IncidentState
    opened_at: datetime
    steps: tuple[Escalation, ...]
    step: int
    """How many steps were taken."""
    receivers: tuple[str, ...]
    """Who was told so far, and therefore hears how it goes on."""

    def step_due(self, now: datetime) -> Step | None:
        """The oldest step that is due and was not taken; None where there is none, or where somebody cares already."""
        if self.state is not IncidentState.OPEN or self.step >= len(self.steps):
            return None
        due = self.steps[self.step]
        if now < self.opened_at + due.after:
            return None
        return Step(self.step + 1, due.receivers, first_at(self.steps[self.step + 1 :], self.opened_at))
