"""What a person must read in any notification: what, how bad, model, service, environment, trace, runbook."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmtrace.router.model import LINK, Alert, Annotation, Notification, Phase

_LABELS: Final = ("service", "environment", "model", "prompt_version", "team", "priority", "regulated")
_MOST_ALERTS: Final = 10
_LINKS: Final = (
    ("trace", Annotation.TRACE_URL),
    ("runbook", Annotation.RUNBOOK_URL),
    ("source", Annotation.SOURCE_URL),
)


def title(notification: Notification) -> str:
    """One line: tier, severity, what, and where."""
    worst = notification.alerts[0]
    more = len(notification.alerts) - 1
    where = " in ".join(filter(None, (worst.name, worst.labels.get("service"))))
    said = worst.severity if notification.phase is Phase.FIRING else notification.phase
    return f"[{notification.tier}] {said.upper()} {where}{f' (and {more} more)' if more else ''}"


def facts(alert: Alert) -> Iterator[tuple[str, str]]:
    """Name and value, the most urgent first; what is not known is left out."""
    annotations = alert.annotations
    yield from _known([("what", annotations.get(Annotation.REASON) or alert.name), ("how bad", _how_bad(alert))])
    yield from _known((name.replace("_", " "), alert.labels.get(name)) for name in _LABELS)
    yield from sorted((name, value) for name, value in alert.labels.items() if name.startswith("segment_"))
    yield from _known(
        [
            ("span", annotations.get(Annotation.SPAN_NAME)),
            ("since", alert.starts_at.isoformat(timespec="seconds")),
            ("trace", annotations.get(Annotation.TRACE_URL) or annotations.get(Annotation.TRACE_ID)),
            ("changed", annotations.get(Annotation.CHANGES)),
            ("health", annotations.get(Annotation.HEALTH)),
            ("runbook", annotations.get(Annotation.RUNBOOK_URL)),
            ("source", annotations.get(Annotation.SOURCE_URL)),
        ]
    )


def text(notification: Notification, longest: int) -> str:
    """The facts of the first alerts as plain lines, a blank one between two alerts."""
    told = notification.alerts[:_MOST_ALERTS]
    lines = [f"{name}: {value}" for alert in told for name, value in (*facts(alert), ("", ""))]
    return "\n".join(line.strip(": ") for line in lines)[:longest]


def links(alert: Alert) -> Iterator[tuple[str, str]]:
    """What can be opened: name and address."""
    yield from (
        (name, url)
        for name, key in _LINKS
        if (url := alert.annotations.get(key, "")).startswith(("https://", "http://"))
    )
    yield from (
        (name.removeprefix(LINK), url)
        for name, url in alert.annotations.items()
        if name.startswith(LINK) and url.startswith(("https://", "http://"))
    )


def _known(pairs: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in pairs if value)


def _how_bad(alert: Alert) -> str:
    value, threshold = (alert.annotations.get(name) for name in (Annotation.VALUE, Annotation.THRESHOLD))
    count = alert.annotations.get(Annotation.COUNT, "1")
    parts = [alert.severity.value]
    parts += [f"value {value}"] if value else []
    parts += [f"threshold {threshold}"] if threshold else []
    parts += [f"{count} times"] if count != "1" else []
    return ", ".join(parts)
