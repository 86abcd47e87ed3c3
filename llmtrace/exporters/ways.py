"""What stands around the pipeline: the steps that it takes with each span, and the ways that spans go from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from llmtrace._guard import swallowed
from llmtrace._record import Seen, SpanRecord

Step = Callable[[SpanRecord], SpanRecord | None]
"""Takes a record and hands on a new one; None: the span ends here."""


def through(step: Step, records: Iterable[SpanRecord]) -> list[SpanRecord]:
    """What a step makes of each of these records; where it fails, that one is lost and the others are not."""
    made = []
    for record in records:
        try:
            new = step(record)
        except BaseException as error:  # noqa: BLE001 - `guarded`, without the cost of a block for each span
            swallowed("working on a span", error)
        else:
            if new is not None:
                made.append(new)
    return made


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

    def offer(self, records: Sequence[SpanRecord]) -> None:
        """Take records without blocking."""


class Alerts(Way, Protocol):
    """Where tagged spans go, some of which wait there for a time."""

    def start(self) -> None:
        """As a sink does."""

    def offer(self, record: SpanRecord) -> None:
        """Take a record without blocking."""

    def tick(self) -> float | None:
        """Send what has waited long enough; returns the seconds until it wants to be asked again, None: not at all."""
