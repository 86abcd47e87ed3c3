"""The shipped test helper."""

from __future__ import annotations

import threading
import tomllib
from contextlib import ExitStack

import pytest
from pages import examples, run_example
from scripts import run_script

import llmtrace
from llmtrace.testing import capture_spans, clock_of

pytest_plugins = ("core_fixtures",)


def test_spans_are_captured_in_the_order_in_which_they_end(strict):
    """Inner before outer, as a list of OpenTelemetry's ReadableSpans."""
    with capture_spans() as spans:
        with llmtrace.agent_span("outer"), llmtrace.chain_span("inner"):
            pass
        assert [span.name for span in spans] == ["inner", "outer"]
    assert [span.attributes["openinference.span.kind"] for span in spans] == ["CHAIN", "AGENT"]


def test_decorators_and_get_tracer_are_captured_too(strict):
    """Everything that would be recorded is."""

    @llmtrace.tool
    def search() -> None: ...

    with capture_spans() as spans:
        search()
        llmtrace.get_tracer().start_span("own").end()
    assert [span.name for span in spans] == ["tool.search", "own"]


def test_afterwards_nothing_is_recorded(strict):
    """What was in use before, nothing, is in use again, also after an exception."""
    with pytest.raises(KeyError), capture_spans() as spans:
        raise KeyError
    with llmtrace.chain_span("after") as span:
        assert not span.is_recording()
    assert spans == []


def test_inside_init_tracing_only_the_list_gets_the_spans(start, sink):
    """Nothing is sent while a test captures; afterwards sending goes on."""
    start()
    with capture_spans() as spans, llmtrace.chain_span("captured"):
        pass
    with llmtrace.chain_span("sent"):
        pass
    assert llmtrace.flush(10)
    assert [span.name for span in spans] == ["captured"]
    assert sink.names == ["sent"]


def test_captures_nest(strict):
    """The inner one gets what is recorded inside it."""
    with capture_spans() as outer:
        with capture_spans() as inner, llmtrace.chain_span("a"):
            pass
        with llmtrace.chain_span("b"):
            pass
    assert ([span.name for span in inner], [span.name for span in outer]) == (["a"], ["b"])


def test_no_thread_is_started(strict):
    """Capturing works in the test's own thread."""
    before = threading.active_count()
    with capture_spans(), llmtrace.chain_span():
        assert threading.active_count() == before


def answer(*, fails: bool = False) -> None:
    """Some code under test."""
    with llmtrace.agent_span("support"):
        with llmtrace.llm_span("gpt-4o-mini", "Weather?") as span:
            span.record_output("search")
        with llmtrace.tool_span("search_docs", {"q": "weather"}), llmtrace.retrieval_span("weather"):
            if fails:
                raise KeyError


TREE = """
    support AGENT
      llm.chat LLM
      tool.search_docs TOOL
        retrieval RETRIEVER
"""


def test_a_tree_is_drawn_as_it_is_read(strict):
    """A parent before its children, these in the order in which they began; attributes where they are asked for."""
    with capture_spans() as spans:
        answer()
    spans.assert_tree(TREE)
    assert spans.tree("llm.model_name").splitlines()[1] == "  llm.chat LLM llm.model_name='gpt-4o-mini'"
    assert spans.named("retrieval").parent.span_id == spans.named("tool.search_docs").context.span_id


def test_what_differs_is_marked(strict):
    """The error has both trees, and says which lines are only in one."""
    with capture_spans() as spans, pytest.raises(KeyError):
        answer(fails=True)
    with pytest.raises(AssertionError) as raised:
        spans.assert_tree(TREE)
    lines = str(raised.value).splitlines()
    assert lines[0] == "the spans are not as expected (- expected, + recorded):"
    assert "    llm.chat LLM" in lines
    assert "-   tool.search_docs TOOL" in lines
    assert "+   tool.search_docs TOOL ERROR" in lines
    with pytest.raises(AssertionError, match=r"0 spans are named 'nobody'; there are:\nsupport AGENT ERROR"):
        spans.named("nobody")


def test_a_very_deep_tree_is_drawn(strict):
    """No recursion limits it."""
    with capture_spans() as spans, ExitStack() as stack:
        for number in range(1_500):
            stack.enter_context(llmtrace.chain_span(f"c{number}"))
    assert spans.tree().splitlines()[-1].strip() == "c1499 CHAIN"


def test_fixed_ids_and_clock(strict):
    """The same in every run: ids count, and each start and end is a millisecond later."""
    seen = []
    for _ in range(2):
        with capture_spans(fixed=True) as spans:
            answer()
            answer()
        seen.append([(span.name, span.context.trace_id, span.context.span_id, clock_of(span)) for span in spans])
    assert seen[0] == seen[1]
    assert seen[0][0] == ("llm.chat", 1, 2, (2, 3))
    assert seen[0][-1] == ("support", 2, 5, (9, 16))


def test_the_fixture_of_the_plugin(pytestconfig, tmp_path):
    """`llmtrace_spans`, in a project that has nothing but llmtrace; the plugin is declared for pytest to find."""
    (tmp_path / "test_it.py").write_text(
        "import llmtrace\n"
        "def test_one(llmtrace_spans):\n"
        "    with llmtrace.chain_span('work'):\n"
        "        pass\n"
        "    llmtrace_spans.assert_tree('work CHAIN')\n"
        "    assert llmtrace_spans.named('work').context.span_id == 1\n"
        "def test_two(llmtrace_spans):\n"
        "    assert llmtrace_spans == []\n"
    )
    found = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())
    plugin = found["project"]["entry-points"]["pytest11"]["llmtrace"]
    code = f"""
        import pytest, sys
        sys.exit(pytest.main(["-q", "-p", {plugin!r}, "-p", "no:cacheprovider", "-c", "/dev/null", {str(tmp_path)!r}]))
    """
    done = run_script(code, cwd=tmp_path, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_how_to_page_runs(strict):
    """Its examples do what it says."""
    plain, with_pytest = examples("how-to/test-your-tracing.md")
    names = run_example(plain)
    exec(with_pytest, names)  # noqa: S102 - our own documentation
    with capture_spans(fixed=True) as spans:
        names["test_support"](spans)
    assert [span.context.span_id for span in spans] == [2, 3, 1]
