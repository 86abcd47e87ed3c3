"""Runs of OpenAI's Assistants: what was said, what was called, what it cost, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.beta import AssistantStreamEvent
from openai.types.beta.threads import Run
from pydantic import TypeAdapter
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
EVENT: TypeAdapter[Any] = TypeAdapter(AssistantStreamEvent)
CITED = {
    "index": 0,
    "type": "file_citation",
    "text": "【4:0†faq.md】",
    "start_index": 9,
    "end_index": 21,
    "file_citation": {"file_id": "file-1"},
}
CODE = "print(6 * 7)"
ARGUMENTS = '{"order": 7}'
USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
_REST = {"assistant_id": "asst_1", "thread_id": "thread_1", "created_at": 1}


def run(status: str, **more: Any) -> dict[str, Any]:
    """A run as the API says it."""
    named = {"id": "run_1", "object": "thread.run", "model": "gpt-4o", "status": status, "instructions": "Be brief."}
    return {**named, **_REST, "parallel_tool_calls": True, "tools": [], "usage": None, **more}


def step(kind: str, details: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    """A step of it."""
    named = {"id": f"step_{kind}", "object": "thread.run.step", "run_id": "run_1", "type": kind, "status": status}
    return {**named, **_REST, "step_details": {"type": kind, **details}}


def event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event of the stream."""
    return {"event": kind, "data": data}


def calls(*pieces: dict[str, Any]) -> dict[str, Any]:
    """A piece of a step's calls."""
    details = {"step_details": {"type": "tool_calls", "tool_calls": list(pieces)}}
    return event(
        "thread.run.step.delta", {"id": "step_tool_calls", "object": "thread.run.step.delta", "delta": details}
    )


def said(words: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    """A piece of a message."""
    content = [{"index": 0, "type": "text", "text": {"value": words, "annotations": list(annotations)}}]
    return event(
        "thread.message.delta", {"id": "msg_1", "object": "thread.message.delta", "delta": {"content": content}}
    )


FUNCTION = {
    "index": 0,
    "id": "call_1",
    "type": "function",
    "function": {"name": "order", "arguments": "", "output": None},
}
INTERPRETED = {"index": 1, "id": "call_2", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}}
LOGS = [{"index": 0, "type": "logs", "logs": "42\n"}]
STREAM = [
    event("thread.created", {"id": "thread_1", "object": "thread", "created_at": 1, "metadata": {}}),
    event("thread.run.created", run("queued")),
    event("thread.run.in_progress", run("in_progress")),
    event("thread.run.step.created", step("tool_calls", {"tool_calls": []}, "in_progress")),
    calls(FUNCTION),
    calls({"index": 0, "type": "function", "function": {"arguments": ARGUMENTS[:6]}}),
    calls({"index": 0, "type": "function", "function": {"arguments": ARGUMENTS[6:]}}),
    calls(INTERPRETED),
    calls({"index": 1, "type": "code_interpreter", "code_interpreter": {"input": CODE}}),
    calls({"index": 1, "type": "code_interpreter", "code_interpreter": {"outputs": LOGS}}),
    said("It is "),
    said("42 【4:0†faq.md】", CITED),
]
END = event("thread.run.completed", run("completed", usage=USAGE))


def streamed(pieces: list[Any]) -> tuple[dict[str, Any], list[bool]]:
    """What a stream says, and which of its events brought something of the answer."""
    accumulator = llm_accumulator(pieces[0])
    brought = [accumulator.add(piece) for piece in pieces]
    return accumulator.attributes(), brought


def as_sse(pieces: list[dict[str, Any]]) -> list[bytes]:
    """The same as it comes over the wire."""
    return [f"event: {piece['event']}\ndata: {json.dumps(piece['data'])}\n\n".encode() for piece in pieces]


def as_pairs(pieces: list[dict[str, Any]]) -> list[Any]:
    """The same as Azure's agents give it: a name, what it brings, and nothing."""
    return [(piece["event"], piece["data"], None) for piece in pieces]


FORMS = pytest.mark.parametrize(
    "form", [list, lambda pieces: [EVENT.validate_python(piece) for piece in pieces], as_sse, as_pairs]
)


@FORMS
def test_a_streamed_run_says_what_was_said_called_and_used(form):
    """One message with the words and the calls; what the provider ran is counted; usage and reason are the run's."""
    found, brought = streamed(form([*STREAM, END]))
    assert found[f"{OUT}.role"] == "assistant"
    assert found[f"{OUT}.content"] == found["output.value"] == "It is 42 【4:0†faq.md】"
    names = [found[f"{OUT}.tool_calls.{place}.tool_call.function.name"] for place in range(2)]
    given = [found[f"{OUT}.tool_calls.{place}.tool_call.function.arguments"] for place in range(2)]
    assert (names, given) == (["order", "code_interpreter"], [ARGUMENTS, CODE])
    assert found[f"{OUT}.tool_calls.0.tool_call.id"] == "call_1"
    assert found[f"{OUT}.contents.0.message_content.text"] == "42\n"
    assert found["llmtrace.llm.server_tools.code_interpreter"] == 1
    assert json.loads(found["llmtrace.llm.citations"])[0]["file_citation"]["file_id"] == "file-1"
    assert (found["llm.model_name"], found["llm.finish_reason"]) == ("gpt-4o", "completed")
    counts = [found[f"llm.token_count.{name}"] for name in ("prompt", "completion", "total")]
    assert counts == [120, 30, 150]
    assert found["llmtrace.llm.response_id"] == "run_1"
    assert sum(brought) == 6


def test_a_stream_that_breaks_off_says_what_came():
    """Without the run's last event there are the words and the calls, and no count is made up."""
    found, _ = streamed(STREAM)
    assert found["output.value"] == "It is 42 【4:0†faq.md】"
    assert "llm.token_count.total" not in found


def test_what_comes_whole_is_believed():
    """The last events of messages and steps carry all of them, searches with what they found."""
    content = [{"type": "text", "text": {"value": "Whole.", "annotations": []}}]
    message = {"id": "msg_1", "object": "thread.message", "role": "assistant", "content": content, **_REST}
    results = [{"file_id": "file-1", "file_name": "faq.md", "score": 0.9}]
    searched = {"id": "call_9", "type": "file_search", "file_search": {"results": results}}
    whole = [
        event("thread.message.completed", message),
        event("thread.run.step.completed", step("tool_calls", {"tool_calls": [searched]})),
    ]
    found, _ = streamed([*STREAM[:4], said("Wh"), *whole, END])
    assert found["output.value"] == "Whole."
    assert found[f"{OUT}.tool_calls.0.tool_call.function.name"] == "file_search"
    assert json.loads(found["llmtrace.llm.citations"]) == results


@pytest.mark.parametrize("form", [lambda answer: answer, Run.model_validate])
def test_a_run_that_waits_says_for_which_calls(form):
    """A polled run has the model, the calls that it waits for, and why it stands."""
    call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": ARGUMENTS}}
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
    found = llm_answer(form(run("requires_action", required_action=action)))
    assert found[f"{OUT}.tool_calls.0.tool_call.function.arguments"] == ARGUMENTS
    assert (found["llm.model_name"], found["llm.finish_reason"]) == ("gpt-4o", "requires_action")


def test_why_a_run_failed_or_was_cut_off_is_said():
    """The error is the output where there are no words; an incomplete run says what was too short."""
    failed = run("failed", last_error={"code": "rate_limit_exceeded", "message": "Slow down."})
    found, _ = streamed([*STREAM[:3], event("thread.run.failed", failed)])
    assert found["llm.finish_reason"] == "failed"
    assert "Slow down." in found["output.value"]
    cut = run("incomplete", incomplete_details={"reason": "max_completion_tokens"}, usage=USAGE)
    assert llm_answer(cut)["llm.finish_reason"] == "max_completion_tokens"
    found, _ = streamed([*STREAM[:3], event("error", {"code": "server_error", "message": "Gone.", "type": "x"})])
    assert "Gone." in found["output.value"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_an_event_costs_itself(name):
    """Whatever an event holds, the words of the others are recorded."""
    value = HOSTILE[name]()
    odd = [
        {"event": "thread.run.created", "data": value},
        event("thread.run.created", {"object": "thread.run", "id": value, "model": value, "usage": value}),
        event("thread.message.delta", {"object": "thread.message.delta", "id": "msg_1", "delta": value}),
        calls({"index": value, "type": value, "function": value, "code_interpreter": value, "file_search": value}),
    ]
    found, _ = streamed([STREAM[0], *odd, said("Hi.")])
    assert found["output.value"] == "Hi."
