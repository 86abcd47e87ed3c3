"""One peer that really sends: a round is 5,000 recorded spans and a flush; prints the CPU of the process for one span.

Run by path, as `worker.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

UNITS = 5_000
Peer = tuple[Callable[[], None], Callable[[], None]]
"""Record one span; send all."""


def raw(url: str) -> Peer:
    """The SDK with its own batch processor and exporter; the queue is long enough for all."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - one peer only
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from peers.raw import MESSAGES, record  # noqa: PLC0415

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), max_queue_size=60_000))
    tracer = provider.get_tracer("bench")
    return lambda: record(tracer, MESSAGES), lambda: provider.force_flush(60_000) and None


def ours(url: str, *, redaction: bool) -> Peer:
    """Our own, with its defaults."""
    from peers.ours import MESSAGES, record  # noqa: PLC0415

    import llmtrace  # noqa: PLC0415 - one peer only

    llmtrace.init_tracing("bench", endpoint=url, redaction=redaction)
    return lambda: record(MESSAGES), lambda: llmtrace.flush(60) and None


def main(peer: str, url: str) -> None:
    """Print "ready", then one figure a round: CPU microseconds of this process for one span."""
    sys.path[:0] = [str(Path(__file__).parent)]
    record, send = raw(url) if peer == "raw" else ours(url, redaction=peer != "ours-unredacted")
    for _ in range(500):
        record()
    send()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.process_time()
        for _ in range(UNITS):
            record()
        send()
        print((time.process_time() - started) / UNITS * 1e6, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
