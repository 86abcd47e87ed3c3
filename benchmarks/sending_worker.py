"""One peer that really sends: a round is 5,000 recorded spans and a flush; prints the CPU of the process for one span.

Run by path, as `worker.py`. Of a peer with "-new" in its name no text comes twice; they are made before the clock runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNITS = 5_000
Messages = list[dict[str, Any]]
Peer = tuple[Callable[[Messages], None], Callable[[], None]]
"""Record one span; send all."""


def raw(url: str) -> Peer:
    """The SDK with its own batch processor and exporter; the queue is long enough for all."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - one peer only
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from peers.raw import record  # noqa: PLC0415

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces"), max_queue_size=60_000))
    tracer = provider.get_tracer("bench")
    return lambda messages: record(tracer, messages), lambda: provider.force_flush(60_000) and None


def ours(url: str, *, redaction: bool) -> Peer:
    """Our own, with its defaults."""
    from peers.ours import record  # noqa: PLC0415

    import llmtrace  # noqa: PLC0415 - one peer only

    llmtrace.init_tracing("bench", endpoint=url, redaction=redaction)
    return record, lambda: llmtrace.flush(60) and None


def texts(seed: int, *, new: bool) -> list[tuple[Messages, str]]:
    """What is recorded in one round."""
    from texts import conversations  # noqa: PLC0415 - beside this file
    from workload import MESSAGES, OUTPUT  # noqa: PLC0415 - as above

    return list(conversations(UNITS, seed)) if new else [(MESSAGES, OUTPUT["content"])] * UNITS


def main(peer: str, url: str) -> None:
    """Print "ready", then one figure a round: CPU microseconds of this process for one span."""
    sys.path[:0] = [str(Path(__file__).parent)]
    from workload import OUTPUT  # noqa: PLC0415 - beside this file

    name, is_new = peer.removesuffix("-new"), peer.endswith("-new")
    record, send = raw(url) if name == "raw" else ours(url, redaction=name != "ours-unredacted")
    for messages, _ in texts(0, new=is_new)[:500]:
        record(messages)
    send()
    print("ready", flush=True)
    for number, _ in enumerate(sys.stdin):
        said = texts(number + 1, new=is_new)
        started = time.process_time()
        for messages, answer in said:
            OUTPUT["content"] = answer
            record(messages)
        send()
        print((time.process_time() - started) / UNITS * 1e6, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
