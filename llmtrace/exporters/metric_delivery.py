"""Sending the metrics of this process over OTLP/HTTP, once in an interval, from a thread of its own.

Nothing is queued and nothing tried again: every request carries the totals since the process began, so the next one
makes good for one that failed.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION,
)
from opentelemetry.context import (
    attach,
    set_value,
)
from opentelemetry.sdk.resources import Resource

from llmtrace._connection import Connection
from llmtrace._forks import importing
from llmtrace._guard import guarded, logger
from llmtrace._metering import MeterStore
from llmtrace._stats import stats
from llmtrace.exporters.answers import of_error
from llmtrace.exporters.destination import THREAD_PREFIX, Destination
from llmtrace.exporters.threads import begun

INSTANCE: Final = "service.instance.id"
"""Tells the processes of one service apart: their totals must not be taken for one another's."""


class MetricDelivery:
    """Sends what a store holds to one destination."""

    def __init__(
        self,
        store: MeterStore,
        destination: Destination,
        resource: Callable[[], Resource],
        *,
        interval: float = 60.0,
    ) -> None:
        """Make a delivery; `start` begins it.

        Args:
            store: what is measured.
            destination: where to.
            resource: who measures, redacted; called on the delivery's thread.
            interval: seconds between two requests.
        """
        self.store = store
        self._destination = destination
        self._resource = resource
        self._interval = interval
        self._is_child = False
        self._renew()

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted = self._done = 0
        self._is_closed = False
        self._is_taken = True

    def start(self) -> None:
        """Begin to send."""
        with self._changed:
            if self._thread is None and not self._is_closed:
                self._thread = begun(self._run, f"{THREAD_PREFIX}metrics")

    def flush(self, deadline: float) -> bool:
        """Send the totals now; False where they were not taken, or time.monotonic() passed `deadline` first."""
        with self._changed:
            if self._thread is None or self._is_closed:
                return True
            self._wanted += 1
            mine = self._wanted
            self._changed.notify_all()
            in_time = self._changed.wait_for(lambda: self._done >= mine, max(0.0, deadline - time.monotonic()))
            return in_time and self._is_taken

    def hurry(self) -> None:
        """Send the totals now, and wait for nothing."""
        with self._changed:
            self._wanted += 1
            self._changed.notify_all()

    def close(self, deadline: float) -> bool:
        """Send the last totals, which tell what became of the last spans, and end."""
        taken = self.flush(deadline)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        return taken

    def after_fork_in_child(self) -> None:
        """Totals and thread belong to the parent; the child counts from zero, as a process of its own."""
        self.store.renew()
        self._is_child = True
        self._renew()

    def _run(self) -> None:
        # Our own requests must not become spans of the app's HTTP instrumentation.
        attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        with importing:
            from llmtrace.exporters.metric_points import request  # noqa: PLC0415 - the SDK's metrics, 40 ms

            client = self._destination.client()
            resource = _with_instance(self._resource(), is_child=self._is_child)
        with client:
            while self._wait():
                wanted, taken = self._wanted, False
                with guarded("sending metrics"):
                    taken = self._send(client, request(self.store, resource))
                with self._changed:
                    self._done, self._is_taken = wanted, taken
                    self._changed.notify_all()

    def _wait(self) -> bool:
        """Until the interval is over or somebody wants the totals; False where the delivery is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted > self._done or self._is_closed, self._interval)
            return not self._is_closed

    def _send(self, client: Connection, body: bytes) -> bool:
        headers = {}
        if self._destination.compression == "gzip":
            body, headers = gzip.compress(body, compresslevel=1), {"content-encoding": "gzip"}
        try:
            reply = client.request("POST", self._destination.url, body, headers)
            said = "" if reply.is_success else f"HTTP {reply.status}"
        except Exception as error:  # noqa: BLE001 - whatever the network does, the next request carries the totals
            said = of_error(error).said
        stats.add("metrics.failed" if said else "metrics.sent")
        if said and self._is_taken:
            logger.warning(
                "llmtrace: %s does not take metrics (%s); a later request carries the same totals",
                self._destination.shown,
                said,
            )
        elif not said and not self._is_taken:
            logger.info("llmtrace: %s takes metrics again", self._destination.shown)
        return not said


def _with_instance(resource: Resource, *, is_child: bool) -> Resource:
    if INSTANCE in resource.attributes and not is_child:  # a forked child inherits its parent's
        return resource
    return Resource({**resource.attributes, INSTANCE: str(uuid4())}, resource.schema_url)
