"""Joining an application's own SDK provider: its settings count, its exporters get what they always got.

Its resource, ids and sampler are ours too. Our spans run through its processors where its sampler keeps them; where the
sampler drops them they are recorded for us alone. Its own spans stay SDK spans.
"""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from llmtrace._guard import say_once
from llmtrace._relay import Relay

_relays: WeakKeyDictionary[sdk.TracerProvider, Relay] = WeakKeyDictionary()


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
        relay = _relays[provider] = Relay()
        provider.add_span_processor(relay)
    return relay
