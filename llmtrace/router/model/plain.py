"""A plain notification: what is told where the particulars cannot be: what, how bad, whose, and of which incident.

Nothing in here fails, whatever an alert holds: it is the last thing that is tried before somebody hears nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from llmtrace.router.model.alert import ALERTNAME, REGULATED, SEVERITIES, SEVERITY, SOURCE, Alert, Annotation
from llmtrace.router.model.decision import Group
from llmtrace.router.model.delivery import Notification
from llmtrace.semconv.alert import Severity

UNDECIDABLE: Final = "alert-undecidable"
"""The name of what is told in the place of an alert whose labels are at fault."""
_KEPT: Final = (ALERTNAME, SEVERITY, SOURCE, "service", "environment", "team", REGULATED)
_LONGEST: Final = 200


def plain(notification: Notification, problem: str) -> Notification:
    """The same message, of one alert that says no more than it must."""
    worst = next(iter(notification.alerts), None)
    told = {Annotation.REASON.value: f"the particulars cannot be told ({problem})"}
    alert = Alert(plain_labels(None), told, notification.created_at)
    if worst is not None:
        alert = replace(worst, labels=plain_labels(worst.labels), annotations=told)
    return replace(notification, alerts=(alert,), group=Group(notification.group.key, {}))


def plain_labels(labels: object) -> dict[str, str]:
    """Those that say what it is and who cares. What does not say how bad it is may be the worst."""
    found = labels if isinstance(labels, Mapping) else {}
    kept = {name: _clean(value) for name in _KEPT if isinstance(value := found.get(name), str) and value}
    if kept.get(SEVERITY) not in SEVERITIES:
        kept[SEVERITY] = Severity.CRITICAL.value
    return {ALERTNAME: UNDECIDABLE, **kept}


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_LONGEST])
