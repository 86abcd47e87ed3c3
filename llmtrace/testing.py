"""Helpers for tests of code that uses llmtrace: `capture_spans` shows what was recorded, and sends nothing.

    with capture_spans() as spans:
        answer("Weather?")
    spans.assert_tree('''
        support AGENT
          llm.chat LLM
          tool.search_docs TOOL
    ''')

The pytest plugin, which is there once llmtrace is installed, has the same as fixture: `llmtrace_spans`, with ids and
times that are the same in every run.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import StatusCode

from llmtrace._tracer import Tracer, TracerProvider, active
from llmtrace._trees import walk
from llmtrace.semconv import trace as keys

START: Final = 1_767_225_600_000_000_000
"""The fixed clock's first moment: 2026-01-01T00:00:00Z."""
TICK: Final = 1_000_000
"""What passes between two looks at the fixed clock: a millisecond."""


class CapturedSpans(list[ReadableSpan]):
    """The spans that have ended, in that order: a list, with a few ways to ask it."""

    def named(self, name: str) -> ReadableSpan:
        """The one span of that name.

        Raises:
            AssertionError: there is none, or there are several.
        """
        found = [span for span in self if span.name == name]
        if len(found) != 1:
            msg = f"{len(found)} spans are named {name!r}; there are:\n{self.tree()}"
            raise AssertionError(msg)
        return found[0]

    def tree(self, *attributes: str) -> str:
        """The spans as indented lines: name, kind, ERROR where it is one, and of the given attributes those it has."""
        return "\n".join(f"{'  ' * depth}{_line(span, attributes)}" for span, depth in walk(self))

    def assert_tree(self, expected: str, *attributes: str) -> None:
        """Compare with a tree as `tree` draws it; its own indentation in your file does not count.

        Raises:
            AssertionError: with both trees, line by line, and what differs marked.
        """
        wanted = textwrap.dedent(expected).strip("\n").splitlines()
        found = self.tree(*attributes).splitlines()
        if [line.rstrip() for line in wanted] != found:
            marked = "\n".join(line.rstrip() for line in difflib.ndiff(wanted, found))
            msg = f"the spans are not as expected (- expected, + recorded):\n{marked}"
            raise AssertionError(msg)


def _line(span: ReadableSpan, names: tuple[str, ...]) -> str:
    attributes = span.attributes or {}
    words = [span.name, str(attributes.get(keys.SPAN_KIND, "-"))]
    if span.status.status_code is StatusCode.ERROR:
        words.append("ERROR")
    return " ".join(words + [f"{name}={attributes[name]!r}" for name in names if name in attributes])


class FixedIds(IdGenerator):
    """Ids that count: 1, 2, 3 ..., so that a test can name them."""

    def __init__(self) -> None:
        self._traces = self._spans = 0

    def generate_trace_id(self) -> int:
        """The next trace's."""
        self._traces += 1
        return self._traces

    def generate_span_id(self) -> int:
        """The next span's."""
        self._spans += 1
        return self._spans

    def is_trace_id_random(self) -> bool:
        """No."""
        return False


class _Collector(SpanProcessor):
    """Takes spans; with a fixed clock, gives them its times."""

    def __init__(self, *, is_fixed: bool) -> None:
        self.spans = CapturedSpans()
        self._now = START if is_fixed else None

    def _tick(self) -> int | None:
        if self._now is not None:
            self._now += TICK
        return self._now

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - the SDK's signature
        now = self._tick()
        if now is not None:
            span._start_time = now  # noqa: SLF001 - the clock is not asked for elsewhere

    def on_end(self, span: ReadableSpan) -> None:
        now = self._tick()
        if now is not None:
            span._end_time = now  # noqa: SLF001 - as above
            if span.events:
                vars(span)["_events"] = [Event(event.name, event.attributes, now) for event in span.events]
        self.spans.append(span)


@contextmanager
def capture_spans(*, fixed: bool = False) -> Iterator[CapturedSpans]:
    """Record inside the block as `init_tracing` would, into a list, in the order in which the spans end.

    Nothing is sent, and no thread is started. What was in use before is in use again afterwards.

    Args:
        fixed: ids count from 1, and every start and end is a millisecond after the one before, in every run the same.
    """
    collector = _Collector(is_fixed=fixed)
    provider = TracerProvider()
    if fixed:
        provider.id_generator = FixedIds()  # type: ignore[assignment]  # the SDK infers its own generator's type
    provider.arm(collector, Resource.create({}), ALWAYS_ON)
    before, active.tracer = active.tracer, Tracer(provider, InstrumentationScope("llmtrace"))
    try:
        yield collector.spans
    finally:
        active.tracer = before


def clock_of(span: ReadableSpan) -> tuple[int, int]:
    """When a span began and ended by the fixed clock, in milliseconds since its first moment."""
    values: list[Any] = [span.start_time, span.end_time]
    return (values[0] - START) // TICK, (values[1] - START) // TICK
