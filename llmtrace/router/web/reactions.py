"""Reactions: what a person did in PagerDuty, Opsgenie or Splunk On-Call, read from their webhooks.

What a program did there, ours included, is no reaction. A new tool is a function and a line in ``TOOLS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from llmtrace.router.model import Act

_CLOCKS_DIFFER: Final = timedelta(seconds=30)
_PERSONS: Final = ("user_reference", "user")
_PROGRAMS: Final = ("", "SYSTEM", "llmtrace")
_LONGEST: Final = 200
_LATEST: Final = 100_000_000_000
"""Seconds, in the year 5138: what is more counts a smaller unit."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Who did what to the group with this key, and when, by the tool's clock or a little later."""

    act: Act
    key: str
    who: str
    at: datetime


def pagerduty(data: Any, now: datetime) -> Reaction | None:
    """PagerDuty's webhook, version 3."""
    event = _mapping(_mapping(data).get("event"))
    act = {"incident.acknowledged": Act.ACKNOWLEDGE, "incident.resolved": Act.RESOLVE}.get(str(event.get("event_type")))
    agent, subject = _mapping(event.get("agent")), _mapping(event.get("data"))
    if act is None or agent.get("type") not in _PERSONS:
        return None
    return Reaction(act, _text(subject.get("incident_key")), _who(agent.get("summary")), _written(event, now))


def opsgenie(data: Any, now: datetime) -> Reaction | None:
    """The outgoing webhook of Opsgenie and of Jira Service Management."""
    event = _mapping(data)
    act = {"Acknowledge": Act.ACKNOWLEDGE, "Close": Act.RESOLVE}.get(str(event.get("action")))
    alert, source = _mapping(event.get("alert")), _mapping(event.get("source"))
    if act is None or str(source.get("type")).lower() == "api":
        return None
    return Reaction(act, _text(alert.get("alias")), _who(alert.get("username")), _counted(alert.get("updatedAt"), now))


def splunk_oncall(data: Any, now: datetime) -> Reaction | None:
    """Splunk On-Call's custom outgoing webhook with the payload that it proposes: all variables, by name."""
    said = _mapping(data)
    phase = str(said.get("STATE.CURRENT_ALERT_PHASE"))
    act = {"ACKED": Act.ACKNOWLEDGE, "RESOLVED": Act.RESOLVE}.get(phase)
    by, at = (
        ("STATE.ACK_USER", "STATE.ACK_TIMESTAMP") if phase == "ACKED" else ("STATE.RESOLVED_BY", "STATE.RESOLVED_AT")
    )
    who = _text(said.get(by))
    if act is None or who in _PROGRAMS:
        return None
    key = _text(said.get("STATE.ENTITY_ID") or said.get("ALERT.entity_id"))
    return Reaction(act, key, _who(who), _counted(said.get(at) or said.get("STATE.LAST_TIMESTAMP"), now))


TOOLS: Final[Mapping[str, tuple[str, Callable[[Any, datetime], Reaction | None]]]] = MappingProxyType(
    {
        "pagerduty": ("PagerDuty", pagerduty),
        "opsgenie": ("Opsgenie", opsgenie),
        "splunk_oncall": ("Splunk On-Call", splunk_oncall),
    }
)
"""Intake -> what people call the tool, and how its webhook is read."""


def _written(event: Mapping[str, Any], now: datetime) -> datetime:
    """When; its clock and ours may differ a little."""
    try:
        at = datetime.fromisoformat(str(event.get("occurred_at")))
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) + _CLOCKS_DIFFER
    except (ValueError, OverflowError):
        return now


def _counted(value: Any, now: datetime) -> datetime:
    """Seconds since 1970, or thousandths, millionths or billionths of them: all four occur."""
    try:
        seconds = float(value)
        for _ in range(3):
            seconds /= 1_000 if seconds > _LATEST else 1
        return datetime.fromtimestamp(seconds, UTC) + _CLOCKS_DIFFER if seconds > 0 else now
    except (TypeError, ValueError, OverflowError, OSError):
        return now


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _who(value: Any) -> str:
    return _text(value) or "somebody"
