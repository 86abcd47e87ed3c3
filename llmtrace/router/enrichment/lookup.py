"""Looking up: an alert gets the labels and annotations that it lacks, before it is decided, so that routes see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.settings import LookupRow
from llmtrace.router.matchers import all_match
from llmtrace.router.model import Alert
from llmtrace.router.ports import Committed, Inbox


def look_up(alert: Alert, rows: Sequence[LookupRow]) -> Alert:
    """The alert with what it lacks. What its sender says is never changed."""
    found = [row for row in rows if all_match(row.matchers, alert.labels, alert.annotations)]
    if not found:
        return alert
    labels, annotations = dict(alert.labels), dict(alert.annotations)
    for row in found:
        for name, value in row.labels.items():
            labels[name] = labels.get(name) or value
        for name, value in row.annotations.items():
            annotations[name] = annotations.get(name) or value
    return replace(alert, labels=labels, annotations=annotations)


class LookingUp:
    """An inbox that gives alerts what they lack before it passes them on."""

    def __init__(self, inbox: Inbox, config: RouterConfig) -> None:
        self._inbox = inbox
        self._rows = config.lookup

    def reconfigure(self, config: RouterConfig) -> None:
        """Other rules."""
        self._rows = config.lookup

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """Return once they are on disk."""
        await self._inbox.accept(self._found(alerts))

    def put(self, alerts: Sequence[Alert], committed: Committed) -> None:
        """The same without waiting: ``committed`` is told."""
        self._inbox.put(self._found(alerts), committed)

    def _found(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        return [look_up(alert, self._rows) for alert in alerts] if self._rows else alerts
