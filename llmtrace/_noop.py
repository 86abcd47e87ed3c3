"""What stands in a span's place where nothing is recorded."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan


class NoopSpan(NonRecordingSpan):
    """What the context managers give where nothing is recorded: every method is there, none does anything."""

    def keep(self, reason: str | None = None) -> None:
        """Do nothing."""

    def record_output(self, value: Any) -> None:
        """Do nothing."""

    def record_documents(self, documents: Any) -> None:
        """Do nothing."""

    def record_guardrail(self, passed: bool | str, *, score: float | None = None, reason: str | None = None) -> None:
        """Do nothing."""

    def record_evaluation(
        self,
        score: float | None = None,
        label: str | None = None,
        explanation: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Do nothing."""

    def record_stream(self, stream: Any) -> Any:
        """The stream itself."""
        return stream


NOOP_SPAN: Final = NoopSpan(INVALID_SPAN_CONTEXT)
