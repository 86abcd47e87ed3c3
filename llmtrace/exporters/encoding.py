"""Encodes each span once, and hands the bytes to every backend that wants them in this form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmtrace._record import SpanRecord
from llmtrace.exporters.delivery import Delivery
from llmtrace.exporters.otlp import Encoder
from llmtrace.exporters.ways import Step, through


class Encoding:
    """A sink in front of the deliveries."""

    def __init__(self, deliveries: Sequence[Delivery], make_step: Callable[[], Step] | None = None) -> None:
        """Wire the parts.

        Args:
            deliveries: each gets the same bytes.
            make_step: makes what these backends want done to a span that the others do not; called on the worker.
        """
        self._deliveries = deliveries
        self._encoder = Encoder()
        self._make_step = make_step
        self._step: Step | None = None

    def start(self) -> None:
        """Begin to send what an earlier process has left."""
        for delivery in self._deliveries:
            delivery.start()

    def offer(self, records: Sequence[SpanRecord]) -> None:
        """Encode records, and offer the bytes to each delivery."""
        if self._make_step is not None:
            self._step = self._step or self._make_step()
            records = through(self._step, records)
        spans = [span for span in map(self._encoder.encode, records) if span is not None]
        for delivery in self._deliveries:
            delivery.offer(spans)

    def flush(self, deadline: float) -> bool:
        """Flush each delivery."""
        for delivery in self._deliveries:
            delivery.hurry()
        done = [delivery.flush(deadline) for delivery in self._deliveries]
        return all(done)

    def close(self, deadline: float) -> bool:
        """Close each delivery."""
        for delivery in self._deliveries:
            delivery.hurry()
        done = [delivery.close(deadline) for delivery in self._deliveries]
        return all(done)

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent process."""
        for delivery in self._deliveries:
            delivery.after_fork_in_child()
