"""Trace and span id in log records of the standard library, structlog and loguru; and records that stay one line.

    llmtrace.init_tracing(auto_instrument=["logging"])                                  # %(trace_id)s in any format
    structlog.configure(processors=[..., add_trace_ids, keep_one_line, ...])
    loguru.logger.configure(patcher=patch_record)                                       # {extra[trace_id]}

What a user types may end up in a log line. A line break in it would make a second line, which says whatever he likes,
and a control character may rewrite what a terminal shows; here both are shown as what they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any, Final

from opentelemetry.trace import TracerProvider, get_current_span

from llmtrace import _scope
from llmtrace._lines import one_line

NO_ID: Final = "-"
"""In place of an id where no span is current."""
_MARGIN: Final = "  | "
"""Before each further line of a record: a stack trace has several, and none of them can pass for a record."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
Factory = Callable[..., logging.LogRecord]


def ids() -> tuple[str, str]:
    """The current trace's id and the current span's, in hex."""
    context = get_current_span(_scope.here()).get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else (NO_ID, NO_ID)


# The standard library.


class TraceIdFilter(logging.Filter):
    """Adds ``trace_id`` and ``span_id`` to the records of one handler or logger; lets all of them through."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids."""
        record.trace_id, record.span_id = ids()
        return True


class OneLineFormatter(logging.Formatter):
    """A formatter whose every record begins one line, whatever is in its message; a stack trace follows indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - logging's name
        """The stack trace."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - logging's name
        """The stack."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(_MARGIN + one_line(line) for line in text.split("\n"))


class _RecordFactory:
    """Makes records as the factory before did, with the ids. Marked by its type, so that it is there once."""

    def __init__(self, before: Factory) -> None:
        self.before = before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.before(*args, **kwargs)
        record.trace_id, record.span_id = ids()
        return record


def instrument_logging() -> None:
    """Put ``trace_id`` and ``span_id`` on every record of the standard library's logging."""
    before = logging.getLogRecordFactory()
    if not isinstance(before, _RecordFactory):
        logging.setLogRecordFactory(_RecordFactory(before))


def uninstrument_logging() -> None:
    """Leave them out again, unless another factory was set since, which may need ours."""
    present = logging.getLogRecordFactory()
    if isinstance(present, _RecordFactory):
        logging.setLogRecordFactory(present.before)


class LoggingInstrumentor:
    """The same in the shape of OpenTelemetry's instrumentors, for `auto_instrument`."""

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """Whether it is on."""
        return isinstance(logging.getLogRecordFactory(), _RecordFactory)

    def instrument(self, *, tracer_provider: TracerProvider) -> None:  # noqa: ARG002 - the ids are of whatever is current
        """Switch it on."""
        instrument_logging()

    def uninstrument(self) -> None:
        """Leave it on: formats that name the ids would fail without."""


# Others.


def add_trace_ids(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: ``trace_id`` and ``span_id`` where a span is current."""
    trace_id, span_id = ids()
    if trace_id != NO_ID:
        event_dict["trace_id"] = trace_id
        event_dict["span_id"] = span_id
    return event_dict


def keep_one_line(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor, before a renderer for people: every text of the event in one line."""
    for key, value in event_dict.items():
        if isinstance(value, str):
            event_dict[key] = one_line(value)
    return event_dict


def patch_record(record: Any) -> None:
    """A loguru patcher: ``extra[trace_id]`` and ``extra[span_id]``, and the message in one line."""
    extra = record["extra"]
    extra["trace_id"], extra["span_id"] = ids()
    record["message"] = one_line(record["message"])
