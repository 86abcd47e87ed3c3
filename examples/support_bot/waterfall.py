"""A trace as a tree with bars: what ran inside what, when, for how long, at the cost of how many tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from examples.support_bot.promises import tokens_of
from llmtrace.backends.phoenix import StoredSpan

_NAME_WIDTH = 34
_BAR_WIDTH = 40


def waterfall(spans: Sequence[StoredSpan]) -> list[Text]:
    """One line for each span of a whole trace, the root first."""
    return [_line(span, depth, spans) for span, depth in _walk(spans, None, 0)]


def _walk(spans: Sequence[StoredSpan], parent: str | None, depth: int) -> Iterator[tuple[StoredSpan, int]]:
    for span in sorted(spans, key=lambda span: span.start):
        if span.parent_id == parent:
            yield span, depth
            yield from _walk(spans, span.span_id, depth + 1)


def _line(span: StoredSpan, depth: int, spans: Sequence[StoredSpan]) -> Text:
    name = f"{'  ' * depth}{span.name}"
    counted = tokens_of(spans) if depth == 0 else tokens_of([span])
    tokens = f"{counted:5d} tokens" if counted else ""
    bar = _bar(span, spans)
    style = "red" if span.status == "ERROR" else "cyan" if depth else "bold cyan"
    return Text.assemble(
        f"  {span.kind:<10}{name[:_NAME_WIDTH]:<{_NAME_WIDTH}} ",
        (bar, style),
        f" {milliseconds(span):8.1f} ms {tokens}".rstrip(),
    )


def _bar(span: StoredSpan, spans: Sequence[StoredSpan]) -> str:
    first, last = min(each.start for each in spans), max(each.end for each in spans)
    scale = _BAR_WIDTH / max((last - first).total_seconds(), 1e-6)
    start = min(int((span.start - first).total_seconds() * scale), _BAR_WIDTH - 1)
    length = max(round(span.duration.total_seconds() * scale), 1)
    return ("·" * start + "█" * length)[:_BAR_WIDTH].ljust(_BAR_WIDTH, "·")


def milliseconds(span: StoredSpan) -> float:
    """How long the span took."""
    return span.duration.total_seconds() * 1000
