"""The pipeline of `spool="write-ahead"`: each span is redacted, encoded and on disk before its ``end()`` returns.

The app pays for it: this is the only mode in which a span's end does more than one append to a queue.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace._guard import guarded
from llmtrace.exporters.pipeline import Pipeline


class WriteAheadPipeline(Pipeline):
    """Works on the thread on which a span ends; the worker is left with what becomes due by time."""

    def _renew(self) -> None:
        super()._renew()
        self._turn = threading.Lock()
        self._whose: int | None = None

    def on_end(self, span: ReadableSpan, item: Any = None) -> None:
        """Work on an ended span. One thread at a time: the others wait for their turn."""
        # A span may end inside the garbage collector, which may run while this very thread works: that one is for the
        # worker.
        if self._closed or self._whose == threading.get_ident():
            super().on_end(span, item)
            return
        with self._my_turn(), guarded("working on a span"):
            self._prepare()
            self._work(span)
            self._hand_on()
        self._ensure_worker()

    def _drain(self) -> None:
        with self._my_turn():
            super()._drain()

    def _tick(self) -> float | None:
        with self._my_turn():
            return super()._tick()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        with self._turn:
            self._whose = threading.get_ident()
            try:
                yield
            finally:
                self._whose = None
