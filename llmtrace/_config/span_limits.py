"""OpenTelemetry's span limits from the environment: what a span may hold, in place of llmtrace's own limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from llmtrace.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class SpanLimits:
    """What the environment asks for; None: llmtrace's own limit.

    Attributes:
        text: characters of one attribute.
        attributes: attributes of a span.
        events: events of a span.
        links: links of a span.
        event_attributes: attributes of an event.
        link_attributes: attributes of a link.
    """

    text: int | None = None
    attributes: int | None = None
    events: int | None = None
    links: int | None = None
    event_attributes: int | None = None
    link_attributes: int | None = None


_VARIABLES: Final = {
    "text": ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
    "attributes": ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
    "events": ("OTEL_SPAN_EVENT_COUNT_LIMIT",),
    "links": ("OTEL_SPAN_LINK_COUNT_LIMIT",),
    "event_attributes": ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
    "link_attributes": ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
}
"""Field -> the variables that set it, the first one wins."""


def span_limits(env: Mapping[str, str]) -> SpanLimits:
    """Read the variables.

    Raises:
        ConfigurationError: for a value that is no count.
    """
    return SpanLimits(**{field: _first(env, names) for field, names in _VARIABLES.items()})


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        text = env.get(name, "").strip()
        if text:
            if not (text.isascii() and text.isdecimal() and len(text) < _LONGEST):
                msg = f"{name}={text!r:.80} is no count; allowed: a whole number from 0"
                raise ConfigurationError(msg)
            return int(text)
    return None


_LONGEST: Final = 16
