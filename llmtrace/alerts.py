"""`tag_alert`: a severity hint on a span, which travels to the router whatever the sampling.

The tag is an event on the span (the wire form stands in `llmtrace.semconv.alert`); the span's attributes carry its most
severe tag, and the topmost span of the trace in this process carries the trace's worst severity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import get_current_span

from llmtrace import _scope
from llmtrace._guard import flattening, say_once
from llmtrace._span import Span
from llmtrace._values.serialize import to_text
from llmtrace.semconv import alert
from llmtrace.semconv.alert import AlertTag, Severity

_MOST_SEGMENTS: Final = 64


def tag_alert(
    severity: str,
    *,
    reason: str | None = None,
    key: str | None = None,
    team: str | None = None,
    priority: str | None = None,
    runbook_url: str | None = None,
    regulated: bool = False,
    segment: Mapping[str, Any] | None = None,
    span: ApiSpan | None = None,
) -> None:
    """Say that somebody should know about this span.

    Args:
        severity: critical, error, warning or info. Any other word is taken as error, and said once in the log: a hint
            that somebody wrote must not be lost for a typing mistake.
        reason: what happened, for the person who reads it. Yours: redacted, not removed.
        key: what the alert is about; the same key again is the same alert. Default: the span's kind and name.
        team: who owns it.
        priority: the team's own scale, e.g. P1.
        runbook_url: what to do about it.
        regulated: always opens a ticket and never resolves by itself.
        segment: who is affected, e.g. ``{"tier": "premium"}``.
        span: the span to tag; default: the current one.
    """
    with flattening("tagging an alert"):
        target = get_current_span(_scope.here()) if span is None else span
        if not target.is_recording():
            return
        tag = AlertTag(
            _severity(severity),
            reason=_text(reason),
            key=_text(key),
            team=_text(team),
            priority=_text(priority),
            runbook_url=_text(runbook_url),
            regulated=bool(regulated),
            segment=MappingProxyType({to_text(name): to_text(value) for name, value in _few(segment)}),
        )
        put_tag(target, tag)


def _few(segment: Mapping[str, Any] | None) -> Iterator[tuple[Any, Any]]:
    """The first segments of a mapping that may have no end."""
    return islice((segment or {}).items(), _MOST_SEGMENTS)


def put_tag(span: ApiSpan, tag: AlertTag) -> None:
    """Write a tag on a span: as an event, on the span where it is the worst so far, and on the trace's root.

    The same key again is the same alert: the more severe tag stays.
    """
    attributes = tag.to_attributes()
    if isinstance(span, Span) and (present := _same_alert(span, tag.key)) is not None:
        if not tag.severity.is_worse_than((present.attributes or {}).get(alert.SEVERITY)):
            return
        span.drop_event(present)
    span.add_event(alert.EVENT_NAME, attributes)
    if tag.severity.is_worse_than(_attribute(span, alert.SEVERITY)):
        if isinstance(span, Span):
            span.drop_attributes(
                alert.PREFIX
            )  # of the milder tag nothing stays: its team would be told of the wrong one
        span.set_attributes(attributes)
    root = span.root if isinstance(span, Span) else span
    if tag.severity.is_worse_than(_attribute(root, alert.TRACE_SEVERITY)):
        root.set_attribute(alert.TRACE_SEVERITY, tag.severity.value)


def _same_alert(span: Span, key: str | None) -> Event | None:
    for event in span.events:
        if event.name == alert.EVENT_NAME and (event.attributes or {}).get(alert.KEY) == key:
            return event
    return None


def _attribute(span: ApiSpan, key: str) -> object:
    attributes = getattr(span, "attributes", None)
    return attributes.get(key) if isinstance(attributes, Mapping) else None


def _severity(word: object) -> Severity:
    text = to_text(word)
    try:
        return Severity(text.strip().lower())
    except ValueError:
        allowed = ", ".join(Severity)
        said = "llmtrace: unknown severity %.40r taken as error; allowed: %s"
        say_once(f"severity:{text:.40}", said, text, allowed)
        return Severity.ERROR


def _text(value: object) -> str | None:
    return None if value is None else to_text(value)
