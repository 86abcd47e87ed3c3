"""Joining an application's own SDK provider: its settings count, its exporters get what they always got.

Its resource, ids and sampler are ours too. Our spans run through its processors where its sampler keeps them; where the
sampler drops them they are recorded for us alone. Its own spans stay SDK spans.
"""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from llmtrace import _scope
from llmtrace._double import Loan, doubled_by
from llmtrace._guard import guarded, say_once
from llmtrace._relay import Relay

_relays: WeakKeyDictionary[sdk.TracerProvider, Relay] = WeakKeyDictionary()
_MOST_LOANS = 10_000
"""Spans of third parties under way at a time; of more than that each is exported, as one that is never ended stays."""


class _JoinedRelay(Relay):
    """Keeps from llmtrace, not from the application, a third party's span of a model call that is ours already."""

    def __init__(self) -> None:
        super().__init__()
        self._loans: dict[int, Loan] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Look whether this is a call of ours."""
        with guarded("joining a span"):
            scope = span.instrumentation_scope
            if self.target is not None and scope is not None and span.attributes:
                context = _scope.here() if parent_context is None else parent_context
                ours = doubled_by(context, scope.name, span.attributes)
                if ours is not None and len(self._loans) < _MOST_LOANS:
                    self._loans[span.context.span_id] = Loan(ours)
        super().on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand on the span; of one that is ours already, its attributes to ours."""
        loan = self._loans.pop(span.context.span_id, None) if self._loans and span.context else None
        if loan is None:
            super().on_end(span)
        else:
            loan.attributes.update(span.attributes or {})


class JoinedProvider:
    """An application's provider, as our tracers see it."""

    def __init__(self, provider: sdk.TracerProvider) -> None:
        self.provider = provider
        self.enabled = False
        self.own_processor = _relay_in(provider)

    @property
    def resource(self) -> Resource:
        """The application's."""
        return self.provider.resource

    @property
    def sampler(self) -> Sampler:
        """The application's."""
        return self.provider.sampler

    @property
    def id_generator(self) -> IdGenerator:
        """The application's."""
        return self.provider.id_generator

    @property
    def processor(self) -> SpanProcessor:
        """All of the application's processors, with ours among them."""
        return self.provider._active_span_processor  # noqa: SLF001 - no public way to run a span through them

    def arm(self, processor: SpanProcessor) -> None:
        """Begin to take spans, and say once what cannot be seen from here."""
        self.own_processor.target = processor
        self.enabled = True
        if self.sampler is not ALWAYS_ON:
            say_once(
                "joined:sampler",
                "llmtrace: joined the application's TracerProvider; its sampler (%s) may drop the "
                "application's own spans unseen: call init_tracing() before the provider is made to see them all",
                type(self.sampler).__name__,
                level=logging.INFO,
            )

    def disarm(self) -> None:
        """Take nothing more."""
        self.enabled = False
        self.own_processor.target = None


def _relay_in(provider: sdk.TracerProvider) -> Relay:
    """The one relay of ours in that provider, put there the first time."""
    relay = _relays.get(provider)
    if relay is None:
        relay = _relays[provider] = _JoinedRelay()
        provider.add_span_processor(relay)
    return relay
