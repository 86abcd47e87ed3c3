"""The seam between the pipeline and the verdict on whole traces: what the one asks of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace._keeping import Standing
from llmtrace._record import Seen, SpanRecord


class Tail(Protocol):
    """The verdict on whole traces. What is not called on the app's thread is called by the worker alone."""

    @property
    def started(self) -> Callable[..., None]:
        """The method that is told of each span that begins, as `on_start`; on the app's thread."""

    def lost(self, span: ReadableSpan) -> None:
        """A span that began will not come to `take`: the hand-off was full; on the app's thread."""

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when a trace begins after `may_doze` has said yes."""

    def foresee(self, span: ReadableSpan) -> None:
        """A span ended that a rule may want: what it calls next is told already; on the app's thread."""

    def is_plain(self, span: ReadableSpan) -> bool:
        """Whether one look says that nobody will ask for it; on the app's thread."""

    def on_item(self, hand_on: Callable[[ReadableSpan, object], None]) -> None:
        """Have `end` hand on what it has for `attend`, after the span that has just ended; else it returns it."""

    @property
    def end(self) -> Callable[[ReadableSpan], object | None]:
        """Takes an ended span that nobody else looks at; returns what `attend` has to see; on the app's thread."""

    def attend(self, item: Any) -> Iterable[SpanRecord]:
        """What `end` has returned; returns what is decided now and kept."""

    def take(self, span: ReadableSpan, seen: Seen | None) -> Iterable[SpanRecord]:
        """An ended span, and what was added to it where something was; returns what is decided now and kept."""

    def foresee_keep(self, trace_id: int) -> None:
        """The app asks for this trace: the same; on the app's thread."""

    def keep(self, trace_id: int) -> Iterable[SpanRecord]:
        """The app asks for this trace; returns what is kept of it by now."""

    def may_doze(self) -> bool:
        """Whether nothing is open, so that time alone decides nothing."""

    def standing(self, trace_id: int) -> Standing:
        """What became of a trace; asked from any thread."""

    def tick(self) -> Iterable[SpanRecord]:
        """Time has passed; returns what is decided by it and kept."""

    def close(self) -> Iterable[SpanRecord]:
        """The end: decide everything, returns what is kept."""

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent process."""
