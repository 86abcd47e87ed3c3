"""The context managers: what each kind records, who is whose parent, and what an exception leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bounded import at_most
from hypothesis import given, settings
from openai.types.chat import ChatCompletion
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from strategies import HOSTILE, recipes

import llmtrace
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}]
TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]


def by_name(spans: list[ReadableSpan]) -> dict[str, ReadableSpan]:
    """Spans by their names, which are unique."""
    found = {span.name: span for span in spans}
    assert len(found) == len(spans)
    return found


def parent_id(span: ReadableSpan) -> int | None:
    """The span id of the parent."""
    return span.parent.span_id if span.parent else None


def attributes(spans: list[ReadableSpan]) -> dict[str, Any]:
    """Those of the only span."""
    (span,) = spans
    return dict(span.attributes)


def test_an_agent_span_has_its_goal_its_answer_and_who_asked(spans, strict):
    """agent_span records kind, agent name, input, output, user and session."""
    with llmtrace.agent_span("support", input="Weather?", user_id="u-1", session_id="s-1") as span:
        span.record_output({"answer": 42})
    assert spans[0].name == "support"
    assert attributes(spans) == {
        "openinference.span.kind": "AGENT",
        "agent.name": "support",
        "input.value": "Weather?",
        "input.mime_type": "text/plain",
        "output.value": '{"answer":42}',
        "output.mime_type": "application/json",
        "user.id": "u-1",
        "session.id": "s-1",
    }


def test_a_chain_span_has_input_and_output(spans, strict):
    """chain_span records kind, input and output."""
    with llmtrace.chain_span("parse", input={"a": 1}) as span:
        span.record_output("done")
    assert spans[0].name == "parse"
    assert attributes(spans) == {
        "openinference.span.kind": "CHAIN",
        "input.value": '{"a":1}',
        "input.mime_type": "application/json",
        "output.value": "done",
        "output.mime_type": "text/plain",
    }


def test_an_llm_span_has_the_flattened_request(spans, strict):
    """llm_span records model, messages, tools and invocation parameters in OpenInference's flattened form."""
    with llmtrace.llm_span("gpt-4o-mini", MESSAGES, tools=TOOLS, temperature=0.2, max_tokens=9):
        pass
    assert spans[0].name == "llm.chat"
    recorded = attributes(spans)
    assert json.loads(recorded.pop("llm.invocation_parameters")) == {"temperature": 0.2, "max_tokens": 9}
    assert json.loads(recorded.pop("llm.tools.0.tool.json_schema")) == TOOLS[0]
    assert recorded == {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-mini",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Be brief.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Weather in Oslo?",
    }


def test_an_llm_span_takes_the_answer_of_the_real_sdk(spans, strict):
    """record_output of a ChatCompletion adds output messages, tokens, finish reason, and the model that answered."""
    answer = ChatCompletion.model_validate(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "Rain."},
                    "logprobs": None,
                }
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )
    with llmtrace.llm_span("gpt-4o-mini", "Weather?") as span:
        llmtrace.record_llm_output(span, answer)
    recorded = attributes(spans)
    assert recorded["llm.model_name"] == "gpt-4o-mini-2024-07-18"
    assert recorded["llm.output_messages.0.message.content"] == recorded["output.value"] == "Rain."
    assert recorded["llm.token_count.total"] == 5
    assert recorded["llm.finish_reason"] == "stop"
    assert recorded["llm.input_messages.0.message.content"] == "Weather?"


def test_an_llm_span_works_by_position(spans, strict):
    """llm_span(model, messages, temperature) is the documented order."""
    with llmtrace.llm_span("m", MESSAGES, 0.5):
        pass
    assert json.loads(attributes(spans)["llm.invocation_parameters"]) == {"temperature": 0.5}


def test_a_tool_span_has_name_arguments_and_result(spans, strict):
    """tool_span is called tool.<name> and records parameters, input and output."""
    with llmtrace.tool_span("search_docs", {"query": "oslo"}, description="Searches.") as span:
        span.record_output(["a", "b"])
    assert spans[0].name == "tool.search_docs"
    assert attributes(spans) == {
        "openinference.span.kind": "TOOL",
        "tool.name": "search_docs",
        "tool.description": "Searches.",
        "tool.parameters": '{"query":"oslo"}',
        "input.value": '{"query":"oslo"}',
        "input.mime_type": "application/json",
        "output.value": '["a","b"]',
        "output.mime_type": "application/json",
    }


def test_a_retrieval_span_has_its_query_and_documents(spans, strict):
    """retrieval_span records query, top_k, and each document flattened, with how many there were."""
    with llmtrace.retrieval_span("oslo", 5) as span:
        span.record_documents([{"content": "text", "id": "d1", "score": 0.5, "metadata": {"k": 1}}])
    assert spans[0].name == "retrieval"
    assert attributes(spans) == {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "oslo",
        "input.mime_type": "text/plain",
        "llmtrace.retrieval.top_k": 5,
        "llmtrace.retrieval.documents": 1,
        "retrieval.documents.0.document.content": "text",
        "retrieval.documents.0.document.id": "d1",
        "retrieval.documents.0.document.score": 0.5,
        "retrieval.documents.0.document.metadata": '{"k":1}',
    }


def test_a_retrieval_that_finds_nothing_says_so(spans, strict):
    """No document is a count of 0, which a rule can look for."""
    with llmtrace.retrieval_span("oslo") as span:
        llmtrace.record_retrieval_output(span, [])
    assert attributes(spans)["llmtrace.retrieval.documents"] == 0


@pytest.mark.parametrize(
    ("block", "name"),
    [
        (lambda: llmtrace.llm_span("m", name="mine"), "mine"),
        (lambda: llmtrace.retrieval_span("q", name="mine"), "mine"),
        (llmtrace.agent_span, "agent"),
        (llmtrace.chain_span, "chain"),
    ],
)
def test_names_have_defaults_and_can_be_given(spans, strict, block, name):
    """name= overrides the usual name of a kind."""
    with block():
        pass
    assert spans[0].name == name


def test_attributes_of_ones_own_are_kept(spans, strict):
    """attributes= and set_attribute take keys of the user's; None values are left out."""
    with llmtrace.chain_span("c", attributes={"my.key": 1, "my.none": None}) as span:
        span.set_attribute("my.list", ["a", "b"])
        span.set_attributes({"my.dict": {"a": 1}, "my.float": 0.5})
        span.set_attribute("my.nothing", None)
    recorded = attributes(spans)
    assert recorded["my.key"] == 1
    assert tuple(recorded["my.list"]) == ("a", "b")
    assert recorded["my.dict"] == '{"a":1}'
    assert recorded["my.float"] == 0.5
    assert not {"my.none", "my.nothing"} & recorded.keys()


def test_spans_inside_are_children_and_siblings_share_a_parent(spans, strict):
    """The current span is the parent; after a block the outer one is current again."""
    with llmtrace.agent_span("root") as root:
        with llmtrace.retrieval_span("q", name="first"):
            pass
        with llmtrace.chain_span("second"), llmtrace.tool_span("deep"):
            pass
    found = by_name(spans)
    assert parent_id(found["root"]) is None
    assert parent_id(found["first"]) == parent_id(found["second"]) == root.get_span_context().span_id
    assert parent_id(found["tool.deep"]) == found["second"].context.span_id
    assert {span.context.trace_id for span in spans} == {root.get_span_context().trace_id}
    with llmtrace.chain_span("next"):
        pass
    assert spans[-1].parent is None


def test_each_yields_an_opentelemetry_span(spans, strict):
    """What a block yields is a recording span of OpenTelemetry, and the current one."""
    with llmtrace.chain_span() as span:
        assert isinstance(span, trace.Span)
        assert span.is_recording()
        assert trace.get_current_span() is span
    assert not span.is_recording()
    assert isinstance(spans[0], ReadableSpan)
    assert json.loads(spans[0].to_json())["name"] == "chain"


def test_times_are_wall_clock_nanoseconds_in_order(spans, strict):
    """Start and end are nanoseconds since the epoch around the block."""
    before = time.time_ns()
    with llmtrace.chain_span():
        pass
    assert before <= spans[0].start_time <= spans[0].end_time <= time.time_ns()


class BoomError(Exception):
    pass


def test_an_exception_passes_through_and_is_recorded(spans, strict):
    """The app gets the identical exception; the span has status ERROR and an exception event."""
    boom = BoomError("no luck")
    with pytest.raises(BoomError) as caught, llmtrace.tool_span("t"):
        raise boom
    assert caught.value is boom
    (span,) = spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "BoomError: no luck"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.type"].endswith("BoomError")
    assert event.attributes["exception.message"] == "no luck"
    assert "raise boom" in event.attributes["exception.stacktrace"]
    assert event.attributes["exception.escaped"] == "True"


def test_an_exception_fails_each_span_that_it_leaves(spans, strict):
    """Inner and outer span are both failed, and a sibling that ended before is not."""
    with pytest.raises(BoomError), llmtrace.agent_span("outer"):  # noqa: PT012 - that the exception leaves through these blocks is the test
        with llmtrace.chain_span("before"):
            pass
        with llmtrace.chain_span("inner"):
            raise BoomError
    codes = {name: span.status.status_code for name, span in by_name(spans).items()}
    assert codes == {"outer": StatusCode.ERROR, "inner": StatusCode.ERROR, "before": StatusCode.UNSET}


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit])
def test_cancellation_and_an_early_close_are_no_errors(spans, strict, kind):
    """The span ends unset, without an exception event; what was raised passes through."""
    with pytest.raises(kind), llmtrace.chain_span():
        raise kind
    assert spans[0].status.status_code is StatusCode.UNSET
    assert not spans[0].events


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_is_recorded_and_passed_on(spans, strict, kind):
    """Ctrl-C and sys.exit leave an exception event, no status ERROR, and reach the app unchanged."""
    leaving = kind("bye")
    with pytest.raises(kind) as caught, llmtrace.chain_span():
        raise leaving
    assert caught.value is leaving
    assert [event.attributes["exception.type"] for event in spans[0].events] == [kind.__name__]
    assert spans[0].status.status_code is StatusCode.UNSET


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("hostile")


def test_an_exception_without_words_is_recorded_all_the_same(spans, strict):
    """An exception whose text raises reaches the app unchanged, and the span is failed."""
    with pytest.raises(UnspeakableError), llmtrace.chain_span():
        raise UnspeakableError
    assert spans[0].status.status_code is StatusCode.ERROR
    assert spans[0].events[0].attributes["exception.type"].endswith("UnspeakableError")


def test_the_rules_of_status_are_opentelemetrys(spans, strict):
    """OK is final, UNSET changes nothing, a description goes with ERROR only."""
    with llmtrace.chain_span("ok") as span:
        span.set_status(StatusCode.OK, "ignored")
        span.set_status(Status(StatusCode.ERROR, "late"))
    with llmtrace.chain_span("error") as span:
        span.set_status(StatusCode.ERROR, "why")
        span.set_status(StatusCode.UNSET)
    found = by_name(spans)
    assert (found["ok"].status.status_code, found["ok"].status.description) == (StatusCode.OK, None)
    assert (found["error"].status.status_code, found["error"].status.description) == (StatusCode.ERROR, "why")


@pytest.mark.parametrize("wrong", ["x", "", b"x", [1], 2**70, object()])
def test_what_is_nothing_of_the_kind_costs_neither_the_span_nor_the_app(spans, strict, wrong):
    """Whatever somebody gives for a time, a kind, a status, a link or the name of an event."""
    links = wrong if isinstance(wrong, list | str | bytes) else [wrong]
    tracer = llmtrace.get_tracer()
    start_time = None if isinstance(wrong, int) else wrong
    span: Any = tracer.start_span("a", kind=wrong, links=links, start_time=start_time)
    span.add_event(wrong)
    span.add_link(wrong)
    span.set_status(wrong)
    span.end(start_time)
    (ended,) = spans
    assert ended.kind is SpanKind.INTERNAL
    assert not ended.links
    assert ended.status.is_unset
    assert ended.end_time >= ended.start_time > 10**18
    assert [type(event.name) for event in ended.events] == [str]


def test_nothing_is_taken_after_the_end(spans, strict):
    """An ended span stays as it was, whatever is called on it."""
    with llmtrace.chain_span("c") as span:
        pass
    span.set_attribute("late", 1)
    span.set_attributes({"late": 1})
    span.record_output("late")
    span.record_documents(["late"])
    span.add_event("late")
    span.add_link(span.get_span_context())
    span.update_name("late")
    span.set_status(StatusCode.ERROR)
    span.record_exception(BoomError())
    span.end()
    (ended,) = spans
    assert ended.name == "c"
    assert dict(ended.attributes) == {"openinference.span.kind": "CHAIN"}
    assert not ended.events
    assert not ended.links
    assert ended.status.status_code is StatusCode.UNSET


def test_two_threads_that_end_a_span_end_it_once(strict):
    """end() from two threads at the same moment hands the span on exactly once, every time."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with capture_spans() as spans, ThreadPoolExecutor(2) as pool:
            for _ in range(300):
                span = llmtrace.get_tracer().start_span("raced")
                gate = threading.Barrier(2)

                def end(span: Any = span, gate: threading.Barrier = gate) -> None:
                    gate.wait()
                    span.end()

                for done in [pool.submit(end), pool.submit(end)]:
                    done.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(spans) == 300


def test_concurrent_tasks_have_each_its_own_tree(spans, strict):
    """Spans of tasks that run interleaved are children of their own task's span only."""

    async def work(number: int) -> None:
        with llmtrace.agent_span(f"agent-{number}", session_id=f"s-{number}"):
            await asyncio.sleep(0)
            with llmtrace.chain_span(f"chain-{number}"):
                await asyncio.sleep(0)
                with llmtrace.tool_span(str(number)):
                    await asyncio.sleep(0)

    async def main() -> None:
        with llmtrace.chain_span("root"):
            await asyncio.gather(*(work(number) for number in range(20)))

    asyncio.run(main())
    found = by_name(spans)
    assert len(found) == 61
    for number in range(20):
        agent, chain, tool = (found[name] for name in (f"agent-{number}", f"chain-{number}", f"tool.{number}"))
        assert parent_id(agent) == found["root"].context.span_id
        assert parent_id(chain) == agent.context.span_id
        assert parent_id(tool) == chain.context.span_id
        assert tool.attributes["session.id"] == f"s-{number}"


def test_a_task_that_outlives_its_parent_stays_its_child(spans, strict):
    """A span begun in a task after the parent's end still has that parent."""

    async def main() -> None:
        go = asyncio.Event()

        async def late() -> None:
            await go.wait()
            with llmtrace.chain_span("late"):
                pass

        with llmtrace.chain_span("parent"):
            task = asyncio.create_task(late())
        go.set()
        await task

    asyncio.run(main())
    found = by_name(spans)
    assert parent_id(found["late"]) == found["parent"].context.span_id


def test_threads_do_not_see_each_others_spans(spans, strict):
    """Spans of parallel threads are traces of their own; with a copied context they are children."""
    gate = threading.Barrier(4)

    def work(number: int) -> None:
        gate.wait()
        with llmtrace.chain_span(f"outer-{number}"):
            gate.wait()
            with llmtrace.chain_span(f"inner-{number}"):
                pass

    with llmtrace.chain_span("root"), ThreadPoolExecutor(4) as pool:
        here = contextvars.copy_context()
        for done in [pool.submit(work, 0), pool.submit(work, 1), pool.submit(work, 2), pool.submit(here.run, work, 3)]:
            done.result()
    found = by_name(spans)
    for number in range(4):
        assert parent_id(found[f"inner-{number}"]) == found[f"outer-{number}"].context.span_id
        assert parent_id(found[f"outer-{number}"]) == (found["root"].context.span_id if number == 3 else None)


def test_a_block_can_be_entered_again_and_inside_itself(spans, strict):
    """Each entry of one and the same block object is a span of its own, nested as entered."""
    block = llmtrace.chain_span("c", input="x")
    with block as first, block as second:
        assert trace.get_current_span() is second
        second.set_attribute("only", "second")
    with block as third:
        pass
    assert trace.get_current_span() is INVALID_SPAN
    inner, outer, again = spans
    assert (outer, inner, again) == (first, second, third)
    assert parent_id(inner) == outer.context.span_id
    assert again.parent is None
    assert "only" in inner.attributes
    assert "only" not in outer.attributes
    assert "only" not in again.attributes


def test_one_block_shared_by_tasks_keeps_them_apart(spans, strict):
    """A block object that several tasks enter at once ends each task's own span with its own parent."""
    block = llmtrace.chain_span("shared")

    async def work(number: int, order: asyncio.Queue[int]) -> None:
        with llmtrace.agent_span(f"agent-{number}"), block as span:
            span.set_attribute("number", number)
            await asyncio.sleep(0.01 * number)
            with llmtrace.tool_span(str(number)):
                pass
            order.put_nowait(number)

    async def main() -> None:
        order: asyncio.Queue[int] = asyncio.Queue()
        await asyncio.gather(*(work(number, order) for number in range(3)))

    asyncio.run(main())
    shared = {span.attributes["number"]: span for span in spans if span.name == "shared"}
    found = by_name([span for span in spans if span.name != "shared"])
    assert sorted(shared) == [0, 1, 2]
    for number, span in shared.items():
        assert parent_id(span) == found[f"agent-{number}"].context.span_id
        assert parent_id(found[f"tool.{number}"]) == span.context.span_id
        assert span.end_time >= found[f"tool.{number}"].end_time
        assert span.end_time <= found[f"agent-{number}"].end_time


def test_mutation_after_recording_does_not_change_the_record(spans, strict):
    """What the app does to its lists and dicts afterwards is not seen on the span."""
    arguments, result, document, tag = {"q": ["a"]}, ["a"], {"content": "a", "metadata": {"k": "a"}}, ["a"]
    with llmtrace.tool_span("t", arguments) as span:
        span.record_output(result)
        span.record_documents([document])
        span.set_attribute("mine", tag)
        span.add_event("e", {"tag": tag})
        arguments["q"].append("after")
        result.append("after")
        tag.append("after")
        document["metadata"]["k"] = "after"
    assert "after" not in spans[0].to_json()


def test_a_third_partys_spans_below_ours_have_the_right_parent(spans, strict):
    """Spans of an SDK tracer made inside our block are our children, and ours inside theirs are theirs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("third.party")
    with (
        llmtrace.agent_span("ours") as ours,
        tracer.start_as_current_span("theirs") as theirs,
        llmtrace.tool_span("deep"),
    ):
        pass
    (exported,) = exporter.get_finished_spans()
    found = by_name(spans)
    assert exported.parent.span_id == ours.get_span_context().span_id
    assert exported.context.trace_id == ours.get_span_context().trace_id
    assert parent_id(found["tool.deep"]) == theirs.get_span_context().span_id
    assert found["tool.deep"].context.trace_id == ours.get_span_context().trace_id
    provider.shutdown()


def test_get_tracer_makes_spans_by_opentelemetrys_own_calls(spans, strict):
    """start_as_current_span and start_span of our tracer obey kind, links, start time, and exceptions."""
    tracer = llmtrace.get_tracer()
    other = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1))
    with (  # noqa: PT012 - that the exception leaves through these blocks is the test
        pytest.raises(BoomError),
        tracer.start_as_current_span(
            "outer", kind=SpanKind.CLIENT, attributes={"a": 1}, links=[trace.Link(other)], start_time=5
        ),
    ):
        with llmtrace.chain_span("inner"):
            pass
        raise BoomError("x")
    inner, outer = spans
    assert (outer.kind, outer.start_time, dict(outer.attributes)) == (SpanKind.CLIENT, 5, {"a": 1})
    assert [link.context for link in outer.links] == [other]
    assert outer.status.status_code is StatusCode.ERROR
    assert len(outer.events) == 1
    assert parent_id(inner) == outer.context.span_id


def test_start_as_current_span_decorates_coroutines(spans, strict):
    """As in the SDK, the context manager can be used as a decorator of an async function."""

    @llmtrace.get_tracer().start_as_current_span("decorated")
    async def work() -> str:
        await asyncio.sleep(0)
        return format(trace.get_current_span().get_span_context().span_id, "x")

    assert asyncio.run(work()) == format(spans[0].context.span_id, "x")


def test_a_remote_parent_is_continued(spans, strict):
    """A span started in a context with a remote parent belongs to its trace."""
    remote = SpanContext(2**100 + 1, 2**50 + 1, is_remote=True, trace_flags=TraceFlags(1))
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    llmtrace.get_tracer().start_span("local", context).end()
    assert spans[0].context.trace_id == remote.trace_id
    assert parent_id(spans[0]) == remote.span_id


def test_the_current_trace_id_is_32_hex_characters_or_none(spans, strict):
    """current_trace_id is the id under which the backend knows the trace; outside of any there is none."""
    assert llmtrace.current_trace_id() is None
    with llmtrace.chain_span() as span:
        assert llmtrace.current_trace_id() == format(span.get_span_context().trace_id, "032x")
        assert len(llmtrace.current_trace_id()) == 32


def in_a_span(use: Any) -> Any:
    """A use that needs a current span."""

    def run(value: Any) -> None:
        with llmtrace.chain_span("c") as span:
            use(span, value)

    return run


def enter(block: Any) -> None:
    """Enter and leave a block."""
    with block:
        pass


def carry(**values: Any) -> None:
    """Carry values to a span."""
    with llmtrace.using(**values), llmtrace.chain_span("carried"):
        pass


def record_answer(value: Any) -> None:
    """Record a value as a model's answer and inside one."""
    with llmtrace.llm_span("m") as span:
        span.record_output(value)
        span.record_output({"choices": [{"message": value}], "usage": value})


def record_documents(value: Any) -> None:
    """Record a value as documents and inside one."""
    with llmtrace.retrieval_span("q") as span:
        span.record_documents(value)
        span.record_documents([value, {"content": value, "score": value, "id": value, "metadata": value}])


USES = {
    "agent_span": lambda v: enter(llmtrace.agent_span(v, input=v, attributes={"a": v})),
    "agent_span of whom": lambda v: enter(llmtrace.agent_span("a", user_id=v, session_id=v)),
    "chain_span": lambda v: enter(llmtrace.chain_span(v, input=v, attributes={"a": v})),
    "llm_span": lambda v: enter(llmtrace.llm_span(v, [v], v, tools=[v], name=v, top_p=v)),
    "llm_span messages": lambda v: enter(llmtrace.llm_span("m", v)),
    "llm_span tools": lambda v: enter(llmtrace.llm_span("m", tools=v)),
    "tool_span": lambda v: enter(llmtrace.tool_span(v, v, description=v)),
    "retrieval_span": lambda v: enter(llmtrace.retrieval_span(v, v, name=v)),
    "record_output": in_a_span(lambda span, v: span.record_output(v)),
    "record_output of a model": record_answer,
    "record_documents": record_documents,
    "set_attribute": in_a_span(lambda span, v: span.set_attribute("a", v)),
    "set_attributes": in_a_span(lambda span, v: span.set_attributes({"a": v})),
    "add_event": in_a_span(lambda span, v: span.add_event("e", {"a": v})),
    "name of an event": in_a_span(lambda span, v: span.add_event(v)),
    "update_name": in_a_span(lambda span, v: span.update_name(v)),
    "key of an attribute": in_a_span(lambda span, v: span.set_attribute(v, 1)),
    "attributes that are none": in_a_span(lambda span, v: span.set_attributes(v)),
    "attributes= that are none": lambda v: enter(llmtrace.chain_span(attributes=v)),
    "using ids": lambda v: carry(user_id=v, session_id=v),
    "using a tag": lambda v: carry(tags=[v]),
    "using tags that are none": lambda v: carry(tags=v),
    "using metadata": lambda v: carry(metadata={"k": v}),
    "using metadata that is none": lambda v: carry(metadata=v),
    "using a prompt": lambda v: carry(prompt=llmtrace.Prompt(v, v, v)),
    "using a prompt that is none": lambda v: carry(prompt=v),
    "tag_alert": in_a_span(lambda _, v: llmtrace.tag_alert("error", reason=v, key=v, team=v, segment={"a": v})),
    "severity": in_a_span(lambda _, v: llmtrace.tag_alert(v)),
    "segment that is none": in_a_span(lambda _, v: llmtrace.tag_alert("error", segment=v, regulated=v)),
    "span= that is none": in_a_span(lambda _, v: llmtrace.tag_alert("error", span=v)),
}


def what_the_app_would_get(use: Any, make: Any) -> str | None:
    """The type of what was raised into the app, or what else went wrong; None where all is well."""
    with capture_spans() as spans:
        try:
            with at_most(20.0):
                use(make())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
            return type(error).__name__
    return None if len(spans) == 1 and type(spans[0].name) is str else f"{len(spans)} spans"


@pytest.mark.parametrize("use", USES)
def test_a_hostile_value_never_reaches_the_app(lenient, use):
    """Whatever value is recorded in this place, the app's code goes on, and its span ends."""
    wrong = {name: what_the_app_would_get(USES[use], make) for name, make in HOSTILE.items()}
    assert {name: what for name, what in wrong.items() if what} == {}


@settings(max_examples=20)
@given(recipes)
def test_no_value_reaches_the_app(recipe):
    """Any value can be recorded anywhere without a word."""
    wrong = {name: what_the_app_would_get(use, recipe.make) for name, use in USES.items()}
    assert {name: what for name, what in wrong.items() if what} == {}


def test_hostile_values_do_not_lose_what_stands_beside_them(lenient):
    """One bad message, document or attribute costs itself only."""
    bad = HOSTILE["raising everything"]()
    with (
        capture_spans() as spans,
        llmtrace.llm_span("m", [MESSAGES[0], bad, MESSAGES[1]], attributes={"mine": 1}) as span,
    ):
        span.set_attributes({"before": 1, "bad": bad, "after": 2})
        span.record_documents(["first", bad, "last"])
    recorded = attributes(spans)
    assert recorded["llm.input_messages.0.message.content"] == "Be brief."
    assert recorded["llm.input_messages.2.message.content"] == "Weather in Oslo?"
    assert recorded["retrieval.documents.2.document.content"] == "last"
    assert (recorded["mine"], recorded["before"], recorded["after"]) == (1, 1, 2)


@pytest.mark.parametrize("field", ["system", "instructions", "system_instruction"])
def test_a_system_prompt_beside_the_conversation_is_its_first_message(field, spans, strict):
    """As Anthropic, OpenAI's Responses and Google take it: it is no parameter, and the first thing the model reads."""
    with llmtrace.llm_span("m", [{"role": "user", "content": "Hi"}], max_tokens=5, **{field: "Be kind."}):
        pass
    with llmtrace.llm_span("m", "Hi", **{field: [{"type": "text", "text": "Be kind."}]}):
        pass
    with llmtrace.llm_span("m", {"messages": [{"role": "user", "content": "Hi"}]}, **{field: "Be kind."}):
        pass
    with llmtrace.llm_span("m", "Hi", config={"system_instruction": "Be kind.", "temperature": 0}):
        pass
    for span in spans:
        found = dict(span.attributes)
        assert found["llm.input_messages.0.message.role"] == "system"
        assert "Be kind." in (
            found.get("llm.input_messages.0.message.content"),
            found.get("llm.input_messages.0.message.contents.0.message_content.text"),
        )
        assert found["llm.input_messages.1.message.content"] == "Hi"
    assert spans[0].attributes["llm.invocation_parameters"] == '{"max_tokens":5}'
    assert "llm.invocation_parameters" not in spans[1].attributes
