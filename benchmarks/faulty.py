"""A process that makes spans under a fault, for the suite "delivery": one peer, paced; it says how long each one took.

Run by path: peer, URL, spans, spans a second (0: unthrottled), bytes of payload, seconds to live on. Prints JSON; one
that is to be killed says of each span when it had ended, instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median, quantiles

Peer = tuple[Callable[[int, str], None], Callable[[], None]]


def raw(url: str) -> Peer:
    """The SDK with its own batch processor and exporter, as everybody sets them up."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - one peer only
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def make(number: int, text: str) -> None:
        with tracer.start_as_current_span(f"s{number}", attributes={"input.value": text}):
            pass

    return make, lambda: None


def ours(url: str, spool: str | bool = True) -> Peer:
    """Our own, with its defaults."""
    import llmtrace  # noqa: PLC0415 - one peer only

    llmtrace.init_tracing("bench", endpoint=url, spool=spool)

    def make(number: int, text: str) -> None:
        with llmtrace.chain_span(f"s{number}", input=text):
            pass

    return make, lambda: llmtrace.flush(0.0) and None


def ours_ahead(url: str) -> Peer:
    """Our own, in the mode in which a span is on disk when it has ended."""
    return ours(url, "write-ahead")


PEERS = {"raw": raw, "ours": ours, "ours-ahead": ours_ahead}


def until_killed(peer: str, url: str, rate: int) -> None:
    """Make spans, and print of each its number and when it had ended."""
    make, _ = PEERS[peer](url)
    text, began = "lorem ipsum " * 41, time.perf_counter()
    for number in count():
        make(number, text)
        os.write(1, f"{number} {time.time()}\n".encode())
        time.sleep(max(0.0, began + (number + 1) / rate - time.perf_counter()))


def main(peer: str, url: str, number_of_spans: int, rate: int, size: int, linger: float) -> None:
    """Make the spans; the process then ends by itself."""
    make, _ = PEERS[peer](url)
    text, took, began = "lorem ipsum " * (size // 12), [], time.perf_counter()
    for number in range(number_of_spans):
        start = time.perf_counter()
        make(number, text)
        took.append(time.perf_counter() - start)
        if rate:
            time.sleep(max(0.0, began + (number + 1) / rate - time.perf_counter()))
    time.sleep(linger)
    p99 = quantiles(took, n=100)[98]
    print(json.dumps({"p50": median(took) * 1e6, "p99": p99 * 1e6, "ended": time.time()}), flush=True)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent)]
    if sys.argv[3:4] == ["until-killed"]:
        until_killed(sys.argv[1], sys.argv[2], int(sys.argv[4]))
    else:
        main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]), float(sys.argv[6]))
