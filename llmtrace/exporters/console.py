"""`console=True`: each trace on stderr as an indented waterfall, as it leaves the process: redacted, and only if kept.

A trace is drawn when its topmost span here has ended; what ends later, such as a background task, follows on its own.
"""

from __future__ import annotations

import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from opentelemetry.trace import StatusCode

from llmtrace._guard import guarded
from llmtrace._lines import one_line
from llmtrace._record import SpanRecord
from llmtrace._trees import walk
from llmtrace.semconv import trace as keys

_MOST_TRACES: Final = 200
_MOST_SPANS: Final = 2_000
"""Of one trace; further ones are counted, and not drawn."""
_BAR: Final = 24
_NAME: Final = 40
_PALETTE: Final = {"red": "31", "dim": "2", "bold": "1", "cyan": "36"}

Paint = Callable[[str, str], str]


class Console:
    """A sink that draws."""

    def __init__(self, stream: Callable[[], TextIO] = lambda: sys.stderr) -> None:
        """Make one.

        Args:
            stream: where to, asked each time: tests and notebooks replace it.
        """
        self._stream = stream
        self._renew()

    def _renew(self) -> None:
        self._traces: OrderedDict[int, list[SpanRecord]] = OrderedDict()

    def start(self) -> None:
        """Nothing was left."""

    def offer(self, records: Sequence[SpanRecord]) -> None:
        """Take spans; draw the trace of each that is the topmost of it."""
        for record in records:
            self._take(record)

    def _take(self, record: SpanRecord) -> None:
        trace_id = record.context.trace_id
        spans = self._traces.setdefault(trace_id, [])
        if len(spans) < _MOST_SPANS:
            spans.append(record)
        if record.parent is None or record.parent.is_remote:
            self._draw(self._traces.pop(trace_id))
        elif len(self._traces) > _MOST_TRACES:
            self._draw(self._traces.popitem(last=False)[1])

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - a sink's signature
        """Draw what waits for its topmost span."""
        while self._traces:
            self._draw(self._traces.popitem(last=False)[1])
        return True

    def close(self, deadline: float) -> bool:
        """The same."""
        return self.flush(deadline)

    def after_fork_in_child(self) -> None:
        """What waits is the parent's to draw."""
        self._renew()

    def _draw(self, spans: Sequence[SpanRecord]) -> None:
        with guarded("drawing a trace"):
            stream = self._stream()
            try:
                text = waterfall(spans, _colours if _wants_colour(stream) else _plain)
                stream.write(text.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8"))
                stream.flush()
            except (OSError, ValueError):  # a pipe that nobody reads any more, a stream that is closed
                return


def waterfall(spans: Sequence[SpanRecord], paint: Paint) -> str:
    """The lines of one trace."""
    began = min(span.start_time for span in spans)
    whole = max(max(span.end_time for span in spans) - began, 1)
    at = datetime.fromtimestamp(began / 1e9, UTC).astimezone().strftime("%H:%M:%S")
    head = paint("dim", f"{at} trace {spans[0].context.trace_id:032x}")
    return "\n".join([head, *(_line(span, depth, began, whole, paint) for span, depth in walk(spans)), ""])


def _line(span: SpanRecord, depth: int, began: int, whole: int, paint: Paint) -> str:
    name = one_line(f"{'  ' * min(depth, _NAME // 4)}{span.name}")
    if len(name) > _NAME:
        name = f"{name[: _NAME - 1]}…"
    is_error = span.status.status_code is StatusCode.ERROR
    kind = one_line(str(span.attributes.get(keys.SPAN_KIND, span.kind.name)))[:10]
    start = min(_BAR * (span.start_time - began) // whole, _BAR - 1)
    length = max(round(_BAR * (span.end_time - span.start_time) / whole), 1)
    bar = ("·" * start + "█" * length)[:_BAR].ljust(_BAR, "·")
    painted = paint("red" if is_error else "cyan", bar)
    took = f"{(span.end_time - span.start_time) / 1e6:10.1f} ms"
    shown = paint("bold", name.ljust(_NAME)) if depth == 0 else name.ljust(_NAME)
    return "  ".join([f"  {shown}", kind.ljust(10), painted, took, *_facts(span, paint, is_error=is_error)]).rstrip()


def _facts(span: SpanRecord, paint: Paint, *, is_error: bool) -> Iterable[str]:
    tokens = span.attributes.get(keys.LLM_TOKEN_COUNT_TOTAL)
    if tokens is None:
        sides = [span.attributes.get(key) for key in (keys.LLM_TOKEN_COUNT_PROMPT, keys.LLM_TOKEN_COUNT_COMPLETION)]
        tokens = sum(side for side in sides if isinstance(side, int)) or None
    if isinstance(tokens, int):
        yield f"{tokens} tokens"
    cost = span.attributes.get(keys.LLM_COST_TOTAL)
    if isinstance(cost, int | float):
        yield f"${cost:.6f}".rstrip("0").rstrip(".")
    if is_error:
        said = one_line(span.status.description or "")
        yield paint("red", f"ERROR {said[:120]}".rstrip())


def _wants_colour(stream: TextIO) -> bool:
    """On a terminal only, and not where somebody has said that he wants none."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _colours(style: str, text: str) -> str:
    return f"\x1b[{_PALETTE[style]}m{text}\x1b[0m"


def _plain(_: str, text: str) -> str:
    return text
