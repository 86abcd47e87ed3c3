"""Which changes are told with an alert, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Final

from llmtrace.router.model import Alert, Change

MOST: Final = 3


def of_alert(alert: Alert, changes: Sequence[Change]) -> str:
    """The last ones that may concern it, the newest first; empty where there are none."""
    concerned = [change for change in changes if _concerns(change, alert)]
    return "; ".join(_words(change) for change in concerned[:MOST])


def _concerns(change: Change, alert: Alert) -> bool:
    service, environment = alert.labels.get("service", ""), alert.labels.get("environment", "")
    return change.service in ("", service) and (not environment or change.environment in ("", environment))


def _words(change: Change) -> str:
    where = " in ".join(filter(None, (change.service, change.environment)))
    said = [change.kind, change.version, change.title, f"({where})" if where else ""]
    said += [f"by {change.by}" if change.by else "", change.url]
    return f"{change.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC {' '.join(filter(None, said))}"
