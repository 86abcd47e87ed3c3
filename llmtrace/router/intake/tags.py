"""From a span with alert tags to alerts: labels say which condition it is, annotations where and how to look further.

Only slim attributes are read: whatever else a sender left on the span is content, and never gets past this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from llmtrace.router.config import Links
from llmtrace.router.intake.texts import LONGEST_ANNOTATION, LONGEST_LABEL, texts
from llmtrace.router.model import ALERTNAME, SEVERITY, Alert, Annotation
from llmtrace.semconv import alert as words
from llmtrace.semconv import trace
from llmtrace.semconv.alert import AlertTag

_MOST_SEGMENTS: Final = 32
_TRACE_ID_LENGTH: Final = 32
_IN_LABELS: Final = frozenset({trace.SPAN_KIND, trace.LLM_MODEL_NAME, trace.PROMPT_VERSION, words.TRACE_SEVERITY})
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)


@dataclass(frozen=True, slots=True)
class TaggedEvent:
    """A span event: its attributes, and when it was (None: not said)."""

    attributes: Mapping[str, object]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """What the router reads of a span, whatever the encoding. Ids are hex; the duration is in seconds."""

    trace_id: str
    span_id: str
    name: str
    status: str | None
    duration: float | None
    ended_at: datetime | None
    resource: Mapping[str, object]
    attributes: Mapping[str, object]
    tags: tuple[TaggedEvent, ...]


def alerts_of(span: TaggedSpan, links: Links, now: datetime) -> list[Alert]:
    """One alert for each key, by its most severe tag; none for a span without tags.

    Raises:
        ValueError: where a tag has no severity, or one that is none of the four.
    """
    worst: dict[str, tuple[AlertTag, datetime]] = {}
    for tag, at in _tags(span, now):
        name = tag.key or _default_name(span)
        if name not in worst or tag.severity.rank < worst[name][0].severity.rank:
            worst[name] = (tag, at)
    return [Alert(_labels(span, name, tag), _annotations(span, tag, links), at) for name, (tag, at) in worst.items()]


def _tags(span: TaggedSpan, now: datetime) -> Iterator[tuple[AlertTag, datetime]]:
    """Those of the events, then the one that the attributes carry: the same as one of them, unless events were lost."""
    for event in span.tags:
        yield _read(event.attributes), event.at or span.ended_at or now
    if words.SEVERITY in span.attributes:
        yield _read(span.attributes), span.ended_at or now


def _read(attributes: Mapping[str, object]) -> AlertTag:
    try:
        return AlertTag.from_attributes(attributes)
    except ValueError as error:
        allowed = ", ".join(words.Severity)
        raise ValueError(f"{words.SEVERITY} is missing or none of {allowed}") from error


def _default_name(span: TaggedSpan) -> str:
    kind = span.attributes.get(trace.SPAN_KIND)
    return f"{kind}-{span.name}" if kind else span.name


def _labels(span: TaggedSpan, name: str, tag: AlertTag) -> dict[str, str]:
    resource, attributes = span.resource, span.attributes
    labels = {
        ALERTNAME: name,
        SEVERITY: tag.severity.value,
        "service": resource.get(trace.SERVICE_NAME),
        "environment": resource.get(trace.ENVIRONMENT) or resource.get(trace.ENVIRONMENT_LEGACY),
        "team": tag.team,
        "priority": tag.priority,
        "model": attributes.get(trace.LLM_MODEL_NAME),
        "prompt_version": attributes.get(trace.PROMPT_VERSION),
        "kind": attributes.get(trace.SPAN_KIND),
        "source": tag.source,
        "regulated": "true" if tag.regulated else None,
        **{f"segment_{_NOT_IN_NAMES.sub('_', key)}": tag.segment[key] for key in sorted(tag.segment)[:_MOST_SEGMENTS]},
    }
    return texts(labels.items(), LONGEST_LABEL)


def _annotations(span: TaggedSpan, tag: AlertTag, links: Links) -> dict[str, str]:
    annotations: dict[str, object] = {
        Annotation.REASON: tag.reason,
        Annotation.RUNBOOK_URL: tag.runbook_url,
        Annotation.COUNT: tag.count,
        Annotation.TRACE_ID: span.trace_id,
        Annotation.SPAN_ID: span.span_id,
        Annotation.SPAN_NAME: span.name,
        Annotation.SPAN_STATUS: span.status,
        Annotation.DURATION: None if span.duration is None else f"{span.duration:.3f}",
        Annotation.TRACE_URL: links.trace_url(span.trace_id, span.span_id)
        if len(span.trace_id) == _TRACE_ID_LENGTH
        else None,
        trace.SERVICE_VERSION: span.resource.get(trace.SERVICE_VERSION),
    }
    details = {key: value for key, value in span.attributes.items() if _is_detail(key)}
    return texts([*annotations.items(), *details.items()], LONGEST_ANNOTATION)


def _is_detail(key: str) -> bool:
    """Slim, and not told already by a label or an annotation of its own."""
    return words.is_slim_key(key) and key not in _IN_LABELS and not key.startswith(words.EVENT_NAME + ".")
