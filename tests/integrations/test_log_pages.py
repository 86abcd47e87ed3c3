"""The how-to pages of logs and threads, run."""

from __future__ import annotations

import io
import logging
import sys

import structlog
from loguru import logger as loguru_logger
from pages import examples, run_example

import llmtrace
from llmtrace.integrations.logs import uninstrument_logging

pytest_plugins = ("core_fixtures",)


def test_the_page_of_the_logs_runs(fresh_otel, clean_env, monkeypatch, sink):
    """Each library's lines carry the id of the trace."""
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", sink.url)
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    stdlib, structured, loguru = examples("how-to/ids-in-logs.md")
    handlers = list(logging.getLogger().handlers)
    try:
        run_example(stdlib)
        run_example(structured)
        run_example(loguru)
        with llmtrace.chain_span("answer"):
            trace_id = llmtrace.current_trace_id()
            with monkeypatch.context() as patched:
                patched.setattr(sys, "stdout", written)
                structlog.get_logger().info("by structlog")
            loguru_logger.info("by loguru")
    finally:
        logging.getLogger().handlers[:] = handlers
        structlog.reset_defaults()
        loguru_logger.configure(handlers=[{"sink": sys.__stderr__}], patcher=lambda _: None)
        llmtrace.shutdown()
        uninstrument_logging()
    lines = written.getvalue().splitlines()
    assert any("no document found for weather" in line and "- -" not in line for line in lines)
    assert any("by structlog" in line and trace_id in line for line in lines)
    assert any("by loguru" in line and trace_id in line for line in lines)


def test_the_page_of_the_threads_runs(fresh_otel, clean_env, monkeypatch, sink):
    """What the pool records is below the agent, by either way; Celery's signals are those of the example."""
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", sink.url)
    whole, one, celery = examples("how-to/threads-and-tasks.md")
    try:
        run_example(whole)
        run_example(one)
        assert llmtrace.flush(10)
    finally:
        llmtrace.shutdown()
    agent = sink.span("support")
    assert [span.parent_id for span in sink.spans if span.name == "retrieval"] == [agent.span_id] * 2
    run_example(celery)
