"""What is set aside: an alert that nothing can be decided of must not keep all others from being told.

It is told all the same, without its particulars: by its own labels where those are not the fault, else by the name of
whoever sent it. What was wrong stands in the audit trail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar

from llmtrace.router.model import SEVERITY, SOURCE, Alert, Annotation, Status
from llmtrace.router.store.inbox import Entry
from llmtrace.router.store.unreadable import stand_in

MOST: Final = 20
"""At fault, in one look; then the others are found by the next one."""

T = TypeVar("T")

Trial = Callable[[Sequence[Entry]], Exception | None]
"""Decides entries, tells them and undoes it all again; what went wrong."""


def culprits(items: Sequence[T], trial: Callable[[Sequence[T]], Exception | None]) -> Iterator[tuple[T, Exception]]:
    """Those that cannot be done with, found by halving: of a thousand one takes twenty trials."""
    fault = trial(items) if items else None
    if fault is None:
        return
    if len(items) == 1:
        yield items[0], fault
        return
    yield from culprits(items[: len(items) // 2], trial)
    yield from culprits(items[len(items) // 2 :], trial)


class Aside:
    """Remembers which alerts of the inbox are replaced, and by what, until they are decided."""

    def __init__(self) -> None:
        self._instead: dict[tuple[int, int], tuple[Alert, str]] = {}

    def look(self, entries: Sequence[Entry], trial: Trial, now: datetime) -> list[str]:
        """Find those that cannot be decided; a fault that meets every alert is none of theirs. Says what was wrong."""
        found = []
        places = [(entry, at) for entry in entries for at in range(len(entry.alerts))]
        for (entry, at), fault in islice(culprits(places, lambda some: trial(_entries(some))), MOST):
            alert = entry.alerts[at]
            problem = f"{alert.name!r} of {alert.labels.get(SOURCE, '?')!r}: {type(fault).__name__}"
            instead = first_that_works(stand_ins(alert, problem, now), trial, now)
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


def works(alert: Alert, trial: Trial, now: datetime) -> bool:
    """Whether it can be decided and told."""
    return trial([Entry(0, now, [alert], 1)]) is None


def first_that_works(alerts: Iterator[Alert], trial: Trial, now: datetime) -> Alert | None:
    """Of those that may be told instead."""
    return next((each for each in alerts if works(each, trial, now)), None)


def stand_ins(alert: Alert, problem: str, now: datetime) -> Iterator[Alert]:
    """The best first."""
    told = {Annotation.REASON.value: f"the router cannot read what else this alert says ({problem})"}
    yield Alert(dict(alert.labels), told, now, alert.status, now if alert.status is Status.RESOLVED else None)
    yield nameless(alert.labels.get(SEVERITY, ""), problem, now)


def nameless(severity: str, problem: str, now: datetime) -> Alert:
    """What is told where not even labels can be."""
    told = f"an alert came that the router cannot decide, and is told as this one: {problem}"
    return stand_in({SEVERITY: severity}, told, now)


def _entries(places: Sequence[tuple[Entry, int]]) -> list[Entry]:
    """Entries of these alerts only."""
    found: dict[int, list[Alert]] = {}
    for entry, at in places:
        found.setdefault(entry.id, []).append(entry.alerts[at])
    whole = {entry.id: entry for entry, _ in places}
    return [replace(whole[number], alerts=alerts) for number, alerts in found.items()]
