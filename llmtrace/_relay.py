"""The processor that stays in a provider for good, while what stands behind it comes and goes with `init_tracing`.

OpenTelemetry offers no way to take a processor out of a provider again.
"""

from __future__ import annotations

import sys
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from llmtrace._guard import say_once
from llmtrace._stats import Loss, stats


class Relay(SpanProcessor):
    """Hands each ended span to `target`; nobody behind it: nothing happens."""

    def __init__(self) -> None:
        self.target: SpanProcessor | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Tell the target."""
        if self.target is not None:
            self.target.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Tell the target."""
        if self.target is not None:
            self.target.on_end(span)

    def shutdown(self) -> None:
        """Tell the target."""
        if self.target is not None:
            self.target.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Tell the target."""
        return self.target is None or self.target.force_flush(timeout_millis)


class OwnRelay(Relay):
    """The same in a provider of our own, where the target's own methods are called for every span: it costs nothing."""

    @property
    def target(self) -> SpanProcessor | None:
        """Who stands behind."""
        return self._target

    @target.setter
    def target(self, target: SpanProcessor | None) -> None:
        self._target = target
        self.on_start = (target or _NOBODY).on_start  # type: ignore[method-assign]
        self.on_end = (target or _NOBODY).on_end  # type: ignore[method-assign]


class _Nobody(SpanProcessor):
    """Stands behind when tracing has ended: a span that began before that is lost, and not in silence.

    Unless the interpreter itself ends: what it then closes nobody meant to end.
    """

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - a processor's signature
        stats.lose(Loss.SHUTDOWN)
        if not sys.is_finalizing():
            say_once("relay:late", "llmtrace: a span that began before shutdown ended after it; such spans are lost")


_NOBODY: Final = _Nobody()
