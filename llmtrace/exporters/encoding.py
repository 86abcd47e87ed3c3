"""Encodes each span once, and hands the bytes to every backend that wants them in this form."""

from __future__ import annotations

from collections.abc import Sequence

from llmtrace._record import SpanRecord
from llmtrace.exporters.delivery import Delivery
from llmtrace.exporters.otlp import Encoder


class Encoding:
    """A sink in front of the deliveries."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries
        self._encoder = Encoder()

    def start(self) -> None:
        """Begin to send what an earlier process has left."""
        for delivery in self._deliveries:
            delivery.start()

    def offer(self, record: SpanRecord) -> None:
        """Encode a record, and offer the bytes to each delivery."""
        span = self._encoder.encode(record)
        if span is not None:
            for delivery in self._deliveries:
                delivery.offer(span)

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
