"""`console=True`: what is drawn, and what never is."""

from __future__ import annotations

import io
import re

import pytest

import llmtrace
from llmtrace.exceptions import ConfigurationError
from llmtrace.exporters.console import Console
from llmtrace.sampling import SamplingPolicy

pytest_plugins = ("core_fixtures",)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def answer() -> None:
    """An agent with a model call, a tool that fails, and a retrieval in it."""
    with llmtrace.agent_span("agent", input="Weather?"):
        with llmtrace.llm_span("gpt-4o-mini", "Weather?") as span:
            span.set_attribute("llm.token_count.prompt", 100)
            span.set_attribute("llm.token_count.completion", 20)
            span.set_attribute("llm.cost.total", 0.00125)
        with llmtrace.tool_span("search_docs"), llmtrace.retrieval_span("weather"):
            pass
        try:
            with llmtrace.llm_span("gpt-4o-mini", "again"):
                raise KeyError("AKIAIOSFODNN7EXAMPLE")  # noqa: TRY301 - a call that fails
        except KeyError:
            pass


def drawn(capsys) -> list[str]:
    """The lines on stderr."""
    assert llmtrace.flush(10)
    return capsys.readouterr().err.splitlines()


def test_a_trace_is_an_indented_waterfall(start, capsys, strict):
    """Name, kind, bar, duration, tokens, cost, error; a parent before its children; no colour where no terminal is."""
    start(console=True)
    answer()
    head, *lines = drawn(capsys)
    assert re.fullmatch(r"\d\d:\d\d:\d\d trace [0-9a-f]{32}", head)
    assert [re.split(r"  +", line.strip())[:2] for line in lines] == [
        ["agent", "AGENT"],
        ["llm.chat", "LLM"],
        ["tool.search_docs", "TOOL"],
        ["retrieval", "RETRIEVER"],
        ["llm.chat", "LLM"],
    ]
    assert [len(line) - len(line.lstrip()) for line in lines] == [2, 4, 4, 6, 4]
    assert all(re.search(r"[·█]{24}  +\d+\.\d ms", line) for line in lines)
    assert lines[1].endswith("120 tokens  $0.00125")
    assert "ERROR KeyError" in lines[4]
    assert "AKIA" not in "".join(lines)
    assert "\x1b" not in "".join(lines)


def test_colour_on_a_terminal_only(start, monkeypatch, strict):
    """And not where NO_COLOR is set; errors are red."""
    monkeypatch.setenv("TERM", "xterm")
    for no_colour, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_colour)
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        start(console=True)
        answer()
        llmtrace.shutdown(10)
        assert ("\x1b[31m" in terminal.getvalue()) is coloured
        assert "llm.chat" in terminal.getvalue()


def test_names_cannot_rewrite_the_terminal(start, capsys, strict):
    """Control characters are shown as escapes, and long names are cut."""
    start(console=True)
    with llmtrace.chain_span("a\x1b[2J\nb" + "x" * 100):
        pass
    _, line = drawn(capsys)
    assert r"a\x1b[2J\nbxxx" in line
    assert "…" in line


def test_a_late_span_follows_and_an_orphan_is_drawn(start, capsys, strict):
    """A background task that ends after its request; what waits for a topmost span is drawn at flush."""
    start(console=True)
    with llmtrace.chain_span("request") as request:
        late = llmtrace.get_tracer().start_span("late")
    assert request
    late.end()
    lines = drawn(capsys)
    assert [re.split(r"  +", line.strip())[0] for line in lines if "trace" not in line] == ["request", "late"]


def test_only_what_is_kept_is_drawn(start, capsys, strict):
    """The sampling counts here as well."""
    start(console=True, sampling=SamplingPolicy(ratio=0.0))
    with llmtrace.chain_span("boring"):
        pass
    assert drawn(capsys) == []


def test_a_stream_that_is_gone_costs_nothing(start, sink, monkeypatch, strict):
    """A closed stderr, a pipe that nobody reads: the spans still leave."""
    closed = Terminal()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    start(console=True)
    answer()
    assert llmtrace.flush(10)
    assert len(sink.spans) == 5


def test_it_is_bounded(records_of_many):
    """Traces whose topmost span never comes are drawn when there are too many."""
    stream = io.StringIO()
    console = Console(lambda: stream)
    for record in records_of_many(300):
        console.offer([record])
    assert len(console._traces) <= 200
    assert stream.getvalue().count("trace ") == 100
    assert console.close(0)
    assert stream.getvalue().count("trace ") == 300


@pytest.fixture
def records_of_many():
    """Records of spans whose parents are not there."""
    from llmtrace._record import SpanRecord  # noqa: PLC0415 - here only
    from llmtrace.testing import capture_spans  # noqa: PLC0415 - here only

    def make(count: int) -> list[SpanRecord]:
        with capture_spans() as spans:
            for _ in range(count):
                with llmtrace.chain_span("root"), llmtrace.chain_span("child"):
                    pass
        return [SpanRecord.of(span) for span in spans if span.name == "child"]

    return make


@pytest.mark.parametrize("wrong", ["yes", 1, None])
def test_a_wrong_setting_is_an_error_at_start(clean_env, wrong):
    """One line."""
    with pytest.raises(ConfigurationError, match=r"^console=.*; allowed: True, False$"):
        llmtrace.init_tracing(console=wrong)
