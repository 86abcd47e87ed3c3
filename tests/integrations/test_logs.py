"""Ids in log records, and records that stay one line."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from asgi_calls import call, hello, sent_header
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger as loguru_logger

import llmtrace
from llmtrace._lines import one_line
from llmtrace.integrations.logs import (
    OneLineFormatter,
    TraceIdFilter,
    add_trace_ids,
    instrument_logging,
    keep_one_line,
    patch_record,
    uninstrument_logging,
)
from llmtrace.middleware import TraceIdMiddleware

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")

FORGED = "hi\nERROR root: \x1b[2Jall is lost \u202egnp.exe\r\x00\u2028end\ud800"


def hexes(span) -> tuple[str, str]:
    """The ids of a span, as log records have them."""
    context = span.get_span_context()
    return format(context.trace_id, "032x"), format(context.span_id, "016x")


@pytest.fixture
def stdlib():
    """A logger of the standard library's and what it wrote."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(OneLineFormatter("%(levelname)s %(trace_id)s %(span_id)s %(message)s"))
    logger = logging.getLogger("tested")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, handler, written
    logger.removeHandler(handler)
    uninstrument_logging()


def test_records_of_the_standard_library_have_both_ids(spans, stdlib):
    """By the record factory: in any format of any handler; outside of a span there is a dash."""
    logger, _, written = stdlib
    instrument_logging()
    instrument_logging()
    logger.warning("before")
    with llmtrace.chain_span("work") as span:
        logger.warning("inside %s", 7)
    trace_id, span_id = hexes(span)
    assert written.getvalue().splitlines() == ["WARNING - - before", f"WARNING {trace_id} {span_id} inside 7"]


def test_a_filter_does_it_for_one_handler(spans, stdlib):
    """Without touching the process's record factory."""
    logger, handler, written = stdlib
    handler.addFilter(TraceIdFilter())
    with llmtrace.chain_span("work") as span:
        logger.warning("inside")
    assert written.getvalue() == f"WARNING {' '.join(hexes(span))} inside\n"


def test_a_factory_of_the_applications_own_stays(spans, stdlib):
    """Ours asks the one before, and gives the place back."""
    before = logging.getLogRecordFactory()

    def own(*args, **kwargs):
        record = before(*args, **kwargs)
        record.own = True
        return record

    logging.setLogRecordFactory(own)
    try:
        instrument_logging()
        record = logging.getLogRecordFactory()("n", 20, "p", 1, "m", (), None)
        assert (record.own, record.trace_id) == (True, "-")
        uninstrument_logging()
        assert logging.getLogRecordFactory() is own
    finally:
        logging.setLogRecordFactory(before)


def test_auto_instrument_knows_it(start):
    """By its name; formats that name the ids go on after `shutdown`."""
    try:
        start(auto_instrument=["logging"])
        llmtrace.shutdown()
        assert logging.getLogRecordFactory()("n", 20, "p", 1, "m", (), None).trace_id == "-"
    finally:
        uninstrument_logging()


def test_with_tracing_off_the_logs_name_the_request(start, stdlib):
    """The id on the answer is the id in the logs."""
    logger, _, written = stdlib
    instrument_logging()
    start(sampling="off")

    async def app(scope, receive, send):
        logger.warning("asked")
        await hello(scope, receive, send)

    (header,) = sent_header(call(TraceIdMiddleware(app)), b"x-trace-id")
    assert written.getvalue().split()[1] == header.decode()


def test_a_message_cannot_forge_a_line(spans, stdlib):
    """Line breaks, terminal sequences and direction marks are shown as escapes; a stack trace is indented."""
    logger, _, written = stdlib
    instrument_logging()
    logger.error("said %s", FORGED)
    try:
        int(FORGED)
    except ValueError:
        logger.exception("failed")
    first, second, *trace = written.getvalue().split("\n")[:-1]
    assert first == (r"ERROR - - said hi\nERROR root: \x1b[2Jall is lost \u202egnp.exe\r\x00\u2028end\ud800")
    assert second == "ERROR - - failed"
    assert trace
    assert all(line.startswith("  | ") for line in trace)
    assert "\x1b" not in written.getvalue()


@given(st.text())
def test_any_text_is_one_line_and_reads_the_same_where_it_is_plain(text):
    """No line break of any kind is left; printable ASCII is untouched."""
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line.isprintable() or not text.isprintable()
    if text.isascii() and text.isprintable():
        assert line == text
    line.encode()


def structured(*processors):
    """A structlog logger with these processors and what it wrote."""
    written = io.StringIO()
    logger = structlog.wrap_logger(structlog.PrintLogger(written), processors=[*processors])
    return logger, written


def test_structlogs_events_have_both_ids(spans):
    """Where a span is current; elsewhere they are not there."""
    logger, written = structured(add_trace_ids, structlog.processors.JSONRenderer())
    logger.info("before", trace_id="forged")
    with llmtrace.chain_span("work") as span:
        logger.info("inside", trace_id="forged")
    first, second = map(json.loads, written.getvalue().splitlines())
    assert first == {"event": "before", "trace_id": "forged"}
    assert (second["trace_id"], second["span_id"]) == hexes(span)


def test_structlogs_lines_for_people_cannot_be_forged(spans):
    """With `keep_one_line` before the renderer."""
    logger, written = structured(keep_one_line, structlog.dev.ConsoleRenderer(colors=False))
    logger.info("said", text=FORGED, number=7)
    assert len(written.getvalue().splitlines()) == 1
    assert "\x1b" not in written.getvalue()


def test_logurus_records_have_both_ids_and_one_line(spans):
    """By a patcher."""
    written = io.StringIO()
    own = loguru_logger.patch(patch_record)
    sink = loguru_logger.add(written, format="{extra[trace_id]} {extra[span_id]} {message}", colorize=False)
    try:
        own.info("before")
        with llmtrace.chain_span("work") as span:
            own.info(FORGED)
    finally:
        loguru_logger.remove(sink)
    first, second = written.getvalue().splitlines()
    assert first == "- - before"
    assert second.startswith(f"{' '.join(hexes(span))} hi\\nERROR")
