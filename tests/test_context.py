"""Who and what, carried along the call."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import threading

import pytest
from openinference.instrumentation import TracerProvider as OpenInferenceProvider
from openinference.instrumentation import using_attributes
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import llmtrace

pytest_plugins = ("core_fixtures",)


def recorded(spans) -> dict:
    """What is carried to a span that starts here."""
    with llmtrace.chain_span("probe"):
        pass
    found = dict(spans[-1].attributes)
    del found["openinference.span.kind"]
    return found


def test_everything_given_is_on_every_span_below(spans, strict):
    """User, session, tags, metadata and prompt are on all spans inside, and on none outside."""
    prompt = llmtrace.Prompt(template="Hi {name}", version="v7", variables={"name": "Ada"})
    with llmtrace.using(user_id="u", session_id="s", tags=["a", "b"], metadata={"k": [1]}, prompt=prompt):
        with llmtrace.agent_span("outer"), llmtrace.tool_span("inner"):
            pass
        expected = {
            "user.id": "u",
            "session.id": "s",
            "tag.tags": ("a", "b"),
            "metadata": '{"k":[1]}',
            "llm.prompt_template.template": "Hi {name}",
            "llm.prompt_template.version": "v7",
            "llm.prompt_template.variables": '{"name":"Ada"}',
        }
        for span in spans:
            found = {**span.attributes, "tag.tags": tuple(span.attributes["tag.tags"])}
            assert expected.items() <= found.items()
    assert recorded(spans) == {}


def test_nested_uses_add_up(spans, strict):
    """The inner value wins, tags and metadata are joined, and leaving restores what was."""
    with llmtrace.using(user_id="u1", session_id="s", tags=["a"], metadata={"k": 1, "x": 1}):
        before = recorded(spans)
        with llmtrace.using(user_id="u2", tags=["b", "a"], metadata={"k": 2}):
            inner = recorded(spans)
        assert recorded(spans) == before
    assert (inner["user.id"], inner["session.id"]) == ("u2", "s")
    assert list(inner["tag.tags"]) == ["a", "b"]
    assert json.loads(inner["metadata"]) == {"k": 2, "x": 1}


def test_one_tag_may_be_a_bare_text(spans, strict):
    """tags="beta" is one tag, not four letters."""
    with llmtrace.using(tags="beta"):
        assert list(recorded(spans)["tag.tags"]) == ["beta"]


def test_the_agents_user_and_session_reach_the_spans_below(spans, strict):
    """agent_span(user_id=, session_id=) carries like using, and not beyond its block."""
    with llmtrace.agent_span("a", user_id="u", session_id="s"):
        assert recorded(spans) == {"user.id": "u", "session.id": "s"}
    assert recorded(spans) == {}


def test_what_the_caller_changes_later_is_not_carried(spans, strict):
    """Values are taken when the block is entered."""
    metadata, tags = {"k": ["before"]}, ["before"]
    with llmtrace.using(metadata=metadata, tags=tags):
        metadata["k"].append("after")
        tags.append("after")
        assert "after" not in str(recorded(spans))


def test_a_block_can_be_entered_again_and_inside_itself(spans, strict):
    """Each entry is left on its own."""
    block = llmtrace.using(user_id="u")
    with block:
        with block:
            pass
        assert recorded(spans) == {"user.id": "u"}
    assert recorded(spans) == {}


def test_one_block_shared_by_tasks_is_left_by_each_on_its_own(spans, strict):
    """A block object that several tasks enter at once, and leave in another order, restores each task's context."""
    block = llmtrace.using(user_id="shared")

    async def work(number: int) -> str:
        with llmtrace.using(session_id=f"s-{number}"):
            with block:
                await asyncio.sleep(0.01 * number)
            with llmtrace.chain_span(f"after-{number}"):
                pass

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(3)))

    asyncio.run(main())
    for span in spans:
        assert span.attributes["session.id"] == span.name.replace("after", "s")
        assert "user.id" not in span.attributes


def test_tasks_and_threads_carry_their_own(spans, strict):
    """A task takes the values of where it was made; a thread none, unless its context is copied."""
    seen = {}

    def look(name: str) -> None:
        with llmtrace.chain_span(name) as span:
            seen[name] = span.attributes.get("user.id")

    async def task(number: int) -> None:
        with llmtrace.using(user_id=f"u-{number}"):
            await asyncio.sleep(0)
            look(f"task-{number}")

    async def main() -> None:
        with llmtrace.using(user_id="outer"):
            inherited = asyncio.create_task(asyncio.to_thread(look, "to_thread"))
        await asyncio.gather(inherited, *(task(number) for number in range(5)))

    asyncio.run(main())
    with llmtrace.using(user_id="here"):
        for target in (lambda: look("thread"), functools.partial(contextvars.copy_context().run, look, "copied")):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == {
        "to_thread": "outer",
        **{f"task-{number}": f"u-{number}" for number in range(5)},
        "thread": None,
        "copied": "here",
    }


def test_openinference_instrumentors_see_our_values(spans, strict):
    """Spans of a third-party OpenInference tracer carry user, session, tags, metadata and prompt."""
    exporter = InMemorySpanExporter()
    provider = OpenInferenceProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    prompt = llmtrace.Prompt("t", "v1", {"a": "b"})
    with (
        llmtrace.using(user_id="u", session_id="s", tags=["a"], metadata={"k": 1}, prompt=prompt),
        provider.get_tracer("third.party").start_as_current_span("theirs"),
    ):
        pass
    (theirs,) = exporter.get_finished_spans()
    provider.shutdown()
    found = dict(theirs.attributes)
    assert (found["user.id"], found["session.id"], list(found["tag.tags"])) == ("u", "s", ["a"])
    assert json.loads(found["metadata"]) == {"k": 1}
    assert found["llm.prompt_template.template"] == "t"
    assert found["llm.prompt_template.version"] == "v1"
    assert json.loads(found["llm.prompt_template.variables"]) == {"a": "b"}


def test_our_spans_see_openinferences_values(spans, strict):
    """What OpenInference's own using_attributes set is on our spans, and joins with ours."""
    with (
        using_attributes(user_id="u", session_id="s", tags=["a"], metadata={"k": 1}),
        llmtrace.using(tags=["b"], metadata={"x": 2}),
    ):
        found = recorded(spans)
    assert (found["user.id"], found["session.id"], list(found["tag.tags"])) == ("u", "s", ["a", "b"])
    assert json.loads(found["metadata"]) == {"k": 1, "x": 2}


@pytest.mark.parametrize("bad", [{"metadata": 7}, {"metadata": "text"}, {"tags": 7}, {"prompt": "text"}])
def test_one_bad_value_does_not_lose_the_others(lenient, spans, bad):
    """A wrong metadata, tags or prompt costs itself, not the session."""
    with llmtrace.using(user_id="u", session_id="s", **bad):
        found = recorded(spans)
    assert (found["user.id"], found["session.id"]) == ("u", "s")


def test_numbers_are_taken_as_ids(spans, strict):
    """An id that is a number is its text."""
    with llmtrace.using(user_id=7, session_id=8):
        assert recorded(spans) == {"user.id": "7", "session.id": "8"}


def test_an_exception_passes_and_the_context_is_restored(strict):
    """Using adds nothing to an exception and leaves nothing behind."""
    before = otel_context.get_current()
    with pytest.raises(KeyError), llmtrace.using(user_id="u"):
        raise KeyError
    assert otel_context.get_current() == before


def test_without_tracing_the_values_are_carried_for_others():
    """Third-party tracers get the values although llmtrace itself records nothing."""
    with llmtrace.using(user_id="u"):
        assert otel_context.get_value("user.id") == "u"
    assert otel_context.get_value("user.id") is None
