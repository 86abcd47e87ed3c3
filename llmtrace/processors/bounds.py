"""How large a span may become: llmtrace's own limits, and what OpenTelemetry's variables put in their place."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from llmtrace._config.span_limits import SpanLimits
from llmtrace._values.serialize import DEFAULT_TEXT_LIMIT
from llmtrace.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a span may become.

    Attributes:
        text: characters of one attribute; default 131,072, about 30,000 tokens.
        span: bytes of all attributes, events and links together; default 3,000,000, since many collectors refuse a
            message of more than 4 MB.
        attributes: attributes of a span, and of each event; default 10,000, about 2,500 messages.
        events: events of a span; default 1,000.
        links: links of a span; default as `events`.
        event_attributes: attributes of an event; default as `attributes`.
        link_attributes: attributes of a link; default as `attributes`.
        are_ours: False where OpenTelemetry's variables set them: they may ask for less than makes sense, and get it
            but for what gives a span its meaning.
    """

    text: int = DEFAULT_TEXT_LIMIT
    span: int = 3_000_000
    attributes: int = 10_000
    events: int = 1_000
    links: int | None = None
    event_attributes: int | None = None
    link_attributes: int | None = None
    are_ours: bool = True

    @classmethod
    def asked(cls, asked: SpanLimits) -> Limits:
        """Our limits, with what the environment asks for in their place."""
        given = {field.name: getattr(asked, field.name) for field in fields(asked)}
        given = {name: limit for name, limit in given.items() if limit is not None}
        return cls(**given, are_ours=not given)

    def __post_init__(self) -> None:
        """Refuse what leaves no room for the attributes that give a span its meaning."""
        for name, least in _LEAST.items():
            if self.are_ours and getattr(self, name) < least:
                raise ConfigurationError(f"limit {name}: {getattr(self, name)}; allowed: at least {least}")


_LEAST: Final = {"text": 1_024, "span": 65_536, "attributes": 128, "events": 16}
