"""An alert: one occurrence of a condition, or word that the condition is over, whatever the source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from llmtrace.semconv.alert import Severity

ALERTNAME: Final = "alertname"
SEVERITY: Final = "severity"
SEVERITIES: Final = frozenset(each.value for each in Severity)
"""What that label says."""
REGULATED: Final = "regulated"
SOURCE: Final = "source"
UNNAMED: Final = "unnamed alert"


class Annotation(StrEnum):
    """The annotations that the router itself writes and reads; a sender may add others."""

    REASON = "reason"
    RUNBOOK_URL = "runbook_url"
    COUNT = "count"
    VALUE = "value"
    THRESHOLD = "threshold"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"
    TRACE_URL = "trace_url"
    SPAN_NAME = "span_name"
    SPAN_STATUS = "span_status"
    DURATION = "duration_seconds"
    SOURCE_URL = "source_url"
    CHANGES = "changes"
    HEALTH = "health"


LINK: Final = "link_"
"""With a name after it: an annotation that is a further link."""


class Status(StrEnum):
    """Whether a condition holds."""

    FIRING = "firing"
    RESOLVED = "resolved"


def fingerprint(labels: Mapping[str, str]) -> str:
    """The identity of an alert: 32 hex characters over its labels without the severity, whatever their order."""
    pairs = sorted((name, value) for name, value in labels.items() if name != SEVERITY and value)
    return digest(json.dumps(pairs))


def digest(text: str) -> str:
    """128 bits of SHA-256, as 32 hex characters."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Alert:
    """One occurrence of a condition. ``labels`` say which condition and hold ``severity``; ``annotations`` the rest."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    status: Status = Status.FIRING
    ends_at: datetime | None = None
    """Firing: when it is over unless its source says so again; None: an event, of which nobody will say that it is
    over. Resolved: when it was."""

    @property
    def name(self) -> str:
        """The ``alertname``. One without is legal, and must not be a line without text: there are who refuse those."""
        return self.labels.get(ALERTNAME) or UNNAMED

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return Severity(self.labels[SEVERITY])

    @property
    def is_regulated(self) -> bool:
        """Whether only a person may say that it is over."""
        return self.labels.get(REGULATED) == "true"

    @property
    def fingerprint(self) -> str:
        """The same for every occurrence of this condition, at any severity."""
        return fingerprint(self.labels)


def latest_of_each(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """One alert for each fingerprint: firing before the worst first.

    Of one that fires, its most severe occurrence (of equals the latest given); a later word that it is over, or that it
    fires again, replaces what was before.
    """
    latest: dict[str, Alert] = {}
    for alert in alerts:
        identity = alert.fingerprint
        known = latest.get(identity)
        if known is None or known.status is not alert.status or alert.severity.rank <= known.severity.rank:
            latest[identity] = alert
    return tuple(sorted(latest.values(), key=lambda alert: (alert.status is Status.RESOLVED, alert.severity.rank)))
