"""The processor that stays in a provider for good, while what stands behind it comes and goes with `init_tracing`.

OpenTelemetry offers no way to take a processor out of a provider again.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor


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
        nobody = SpanProcessor()  # its methods do nothing
        self.on_start = (target or nobody).on_start  # type: ignore[method-assign]
        self.on_end = (target or nobody).on_end  # type: ignore[method-assign]
