"""What stands in the pipeline's queue beside spans."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from llmtrace._record import SpanRecord


class Order:
    """Something for the worker to do in its turn."""


class Mark(Order):
    """A place in the queue: passed when the worker has done all that stood before it."""

    def __init__(self, is_last: bool) -> None:
        self.is_last = is_last
        self.passed = threading.Event()


@dataclass(frozen=True, slots=True)
class Attend(Order):
    """Something that the tail wants to look at, the hints and metrics not."""

    item: object


@dataclass(frozen=True, slots=True)
class Keep(Order):
    """The app asks for a trace."""

    trace_id: int


@dataclass(frozen=True, slots=True)
class Measure(Order):
    """Something is to be measured that is no span: a score."""

    record: SpanRecord
