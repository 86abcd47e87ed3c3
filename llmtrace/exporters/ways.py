"""What stands around the pipeline: the steps that it takes with each span, and the ways that spans go from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llmtrace._record import Seen, SpanRecord

Step = Callable[[SpanRecord], SpanRecord | None]
"""Takes a record and hands on a new one; None: the span ends here."""

Look = Callable[[Seen], Seen]
"""Looks at every ended span before the verdict, and may add to it: hints, the cost."""

Observer = Callable[[Seen], None]
"""Looks at every ended span before anything is dropped, and changes nothing: the metrics."""


class Way(Protocol):
    """Something behind the pipeline that ends, and forks, with it."""

    def flush(self, deadline: float) -> bool:
        """Hand on what was offered; False where time.monotonic() passed `deadline` first."""

    def close(self, deadline: float) -> bool:
        """Flush, and take nothing more."""

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent process."""


class Beside(Way, Protocol):
    """What takes no spans and is flushed and closed after the sinks, so that it can tell of them: the metrics."""

    def hurry(self) -> None:
        """The end begins: send what there is while the sinks close."""


class Sink(Way, Protocol):
    """Where finished records go."""

    def start(self) -> None:
        """Begin with what an earlier process has left, if there is any."""

    def offer(self, record: SpanRecord) -> None:
        """Take a record without blocking."""

    def hand_on(self) -> None:
        """No more records come for now: those that were offered may wait no longer for others."""


class Alerts(Sink, Protocol):
    """The sink of tagged spans, some of which wait there for a time."""

    def tick(self) -> float | None:
        """Send what has waited long enough; returns the seconds until it wants to be asked again, None: not at all."""
