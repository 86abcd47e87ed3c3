"""What is set aside: an alert that nothing can be decided of must not keep all others from being told.

It is told all the same, without its particulars: by its own labels where those are not the fault, else by the name of
whoever sent it. What was wrong stands in the audit trail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from llmtrace.router.config.watch import OURSELVES
from llmtrace.router.model import ALERTNAME, SEVERITY, SOURCE, Alert, Annotation, Status
from llmtrace.router.store.inbox import Entry
from llmtrace.semconv.alert import Severity

UNDECIDABLE: Final = "alert-undecidable"
"""The name of what is told in the place of an alert whose labels are at fault."""
_SEVERITIES: Final = frozenset(each.value for each in Severity)

Trial = Callable[[Entry], Exception | None]
"""Decides an entry and undoes it again; what went wrong."""


class Aside:
    """Remembers which alerts of the inbox are replaced, and by what, until they are decided."""

    def __init__(self) -> None:
        self._instead: dict[tuple[int, int], tuple[Alert, str]] = {}

    def look(self, entries: Sequence[Entry], trial: Trial, now: datetime) -> list[str]:
        """Find those that cannot be decided; a fault that meets every alert is none of theirs. Says what was wrong."""
        found = []
        for entry in entries:
            for at, alert in enumerate(entry.alerts):
                fault = trial(_only(alert, entry))
                if fault is None:
                    continue
                problem = f"{alert.name!r} of {alert.labels.get(SOURCE, '?')!r}: {type(fault).__name__}"
                stand_ins = _stand_ins(alert, problem, now)
                instead = next((each for each in stand_ins if trial(_only(each, entry)) is None), None)
                if instead is not None:
                    self._instead[entry.id, at] = instead, problem
                    found.append(problem)
        return found

    def replaced(self, entry: Entry) -> tuple[Entry, list[str]]:
        """The entry as it can be decided, and what was wrong with it."""
        here = {at: found for (number, at), found in self._instead.items() if number == entry.id}
        if not here:
            return entry, []
        alerts = [here[at][0] if at in here else alert for at, alert in enumerate(entry.alerts)]
        return replace(entry, alerts=alerts), [problem for _, problem in here.values()]

    def decided(self, done: int) -> None:
        """Entries up to this one do not come again."""
        self._instead = {key: found for key, found in self._instead.items() if key[0] > done}


def _stand_ins(alert: Alert, problem: str, now: datetime) -> Iterator[Alert]:
    """The best first."""
    told = {Annotation.REASON.value: f"the router cannot read what else this alert says ({problem})"}
    yield Alert(dict(alert.labels), told, now, alert.status, now if alert.status is Status.RESOLVED else None)
    told = {Annotation.REASON.value: f"an alert came that the router cannot decide, and is told as this one: {problem}"}
    said = alert.labels.get(SEVERITY, "")
    severity = said if said in _SEVERITIES else Severity.ERROR.value
    yield Alert({ALERTNAME: UNDECIDABLE, SEVERITY: severity, SOURCE: OURSELVES}, told, now)


def _only(alert: Alert, entry: Entry) -> Entry:
    return replace(entry, alerts=[alert])
