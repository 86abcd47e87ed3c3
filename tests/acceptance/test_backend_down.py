"""A backend that is down costs the app nothing but a log line."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

from otlp_sink import HANGS, free_port, otlp_sink
from scripts import run_script

SERVICE = """
    import logging, sys, time
    import llmtrace

    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.INFO)
    llmtrace.init_tracing("bot", endpoint="{url}", alerts="{alerts}")
    slowest = 0.0
    for number in range(300):
        began = time.perf_counter()
        with llmtrace.agent_span("a", input="question"), llmtrace.llm_span("m", "question") as span:
            span.record_output("answer")
        slowest = max(slowest, time.perf_counter() - began)
        if number % 100 == 0:
            llmtrace.flush(0.5)
    print(slowest)
    print("END OF WORK", file=sys.stderr)
"""


def test_a_service_whose_backend_is_down_goes_on(tmp_path):
    """600 spans into a closed port: one log line while it works, at most one more at its end, and a fast exit."""
    url = f"http://user:s3cr3t@127.0.0.1:{free_port()}"
    began = time.monotonic()
    done = run_script(SERVICE.format(url=url, alerts=f"http://127.0.0.1:{free_port()}"), cwd=tmp_path)
    assert done.returncode == 0
    assert time.monotonic() - began < 20
    working, _, ending = done.stderr.partition("END OF WORK\n")
    assert len(working.splitlines()) == 1, working
    assert working.startswith("WARNING llmtrace llmtrace: http://127.0.0.1:")
    assert len(ending.splitlines()) <= 1, ending
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr
    assert float(done.stdout) < 1
    assert list(tmp_path.iterdir()) == []


def test_a_service_whose_backend_hangs_ends_in_time():
    """A backend that takes connections and never answers holds the exit up for the two seconds of shutdown."""
    with otlp_sink() as sink:
        sink.then = HANGS
        began = time.monotonic()
        done = run_script(SERVICE.format(url=sink.url, alerts=sink.url))
        took = time.monotonic() - began
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert took < 8
    assert len(done.stderr.replace("END OF WORK\n", "").splitlines()) <= 2, done.stderr


def test_a_service_whose_backend_comes_back_loses_nothing():
    """Spans that were recorded while the port was closed arrive once somebody listens."""
    port = free_port()
    code = f"""
        import llmtrace
        llmtrace.init_tracing("bot", endpoint="http://127.0.0.1:{port}")
        for number in range(50):
            with llmtrace.chain_span(str(number)):
                pass
        llmtrace.flush(0.2)
        print(input())
        assert llmtrace.flush(20)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert "does not take spans" in process.stderr.readline()
        with otlp_sink(port) as sink:
            process.communicate("listening\n", timeout=30)
            assert process.returncode == 0
            assert sorted(map(int, sink.names)) == list(range(50))
