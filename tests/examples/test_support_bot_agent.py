"""The agent, with the real openai SDK, the scripted model server and a small documentation."""

from __future__ import annotations

import asyncio
import inspect
import json

import openai
import pytest

import llmtrace
from examples.support_bot.agent import SupportAgent
from examples.support_bot.retrieval import DocsIndex
from examples.support_bot.scripted_model import FAILS_ON, MODEL
from examples.support_bot.tools import RUNBOOK, Toolbox
from llmtrace.semconv import alert, trace
from llmtrace.testing import capture_spans

PAGE = "# Rye\n\nRye needs water. It also needs time.\n"


@pytest.fixture
def toolbox(tmp_path):
    """The tools, over a documentation of one page."""
    (tmp_path / "rye.md").write_text(PAGE, "utf-8")
    index = DocsIndex(tmp_path)
    yield Toolbox(index)
    index.close()


@pytest.fixture
def answer(toolbox, model_server):
    """Asks one question; returns the pieces of the answer and the spans."""

    def ask(question):
        pieces = []

        async def run():
            async with openai.AsyncOpenAI(base_url=model_server, api_key="none", max_retries=0) as client:
                agent = SupportAgent(client, MODEL, toolbox)
                with llmtrace.using(user_id="u-1", session_id="s-1"):
                    pieces.extend([piece async for piece in agent.answer(question)])

        with capture_spans() as spans:
            try:
                asyncio.run(run())
            except openai.OpenAIError as error:
                return error, spans
        return pieces, spans

    return ask


def _kinds(spans):
    return [span.attributes[trace.SPAN_KIND] for span in spans]


def test_the_answer_comes_in_pieces_from_the_documentation(answer):
    """The agent searches, and streams an answer that quotes the page found."""
    pieces, _ = answer("Does rye need time?")
    assert "".join(pieces) == "It also needs time. (rye.md)"
    assert len(pieces) > 3


def test_every_step_is_a_span(answer):
    """A model call, a tool call with the retrieval in it, a second model call, all of them in the agent's span."""
    _, spans = answer("Does rye need time?")
    assert _kinds(spans) == ["LLM", "RETRIEVER", "TOOL", "LLM", "AGENT"]
    model, retrieval, tool, second, agent = spans
    assert {span.parent.span_id for span in (model, tool, second)} == {agent.context.span_id}
    assert retrieval.parent.span_id == tool.context.span_id
    assert agent.attributes[trace.OUTPUT_VALUE] == "It also needs time. (rye.md)"
    assert {span.attributes[trace.SESSION_ID] for span in spans} == {"s-1"}


def test_streamed_calls_have_tokens_and_tool_calls(answer):
    """What was put together from the stream is on the span: the tool call, and the usage of the last chunk."""
    _, (model, *_) = answer("Does rye need time?")
    call = f"{trace.LLM_OUTPUT_MESSAGES}.0.{trace.MESSAGE_TOOL_CALLS}.0"
    assert model.attributes[f"{call}.{trace.TOOL_CALL_FUNCTION_NAME}"] == "search_docs"
    assert model.attributes[trace.LLM_TOKEN_COUNT_TOTAL] > 0


def test_the_retrieved_documents_are_on_the_retrieval(answer):
    """The passages are recorded with content and score."""
    _, (_, retrieval, *_) = answer("Does rye need time?")
    assert retrieval.attributes[f"{trace.RETRIEVAL_DOCUMENTS}.0.{trace.DOCUMENT_CONTENT}"].startswith("Rye needs water")
    assert f"{trace.RETRIEVAL_DOCUMENTS}.0.{trace.DOCUMENT_SCORE}" in retrieval.attributes


def test_a_retriever_that_finds_nothing_is_a_critical_alert(answer):
    """The retrieval is tagged, and the user is told that there is nothing."""
    pieces, (_, retrieval, *_) = answer("What about sourdough?")
    assert "".join(pieces) == "The documentation says nothing about that."
    tagged = {key: retrieval.attributes[key] for key in (alert.SEVERITY, alert.KEY, alert.RUNBOOK_URL)}
    assert list(tagged.values()) == ["critical", "retriever-empty", RUNBOOK]


def test_a_model_server_that_fails_is_an_error_in_the_trace(answer):
    """The SDK's exception reaches the caller; the model call and the agent have the status ERROR."""
    error, spans = answer(f"What if the {FAILS_ON}?")
    assert isinstance(error, openai.InternalServerError)
    assert _kinds(spans) == ["LLM", "AGENT"]
    assert {span.status.status_code.name for span in spans} == {"ERROR"}


@pytest.mark.parametrize(
    ("name", "arguments"), [("bake", "{}"), ("search_docs", "{"), ("search_docs", '{"q": "rye"}'), ("read_page", "[1]")]
)
def test_a_call_that_fits_no_tool_is_answered(toolbox, name, arguments):
    """What a model makes up is answered with the list of tools, not with an exception."""
    assert "search_docs, read_page, list_settings" in json.loads(toolbox.call(name, arguments))["error"]


def test_a_page_is_read_whole(toolbox):
    """read_page returns the page, or says which pages there are."""
    assert json.loads(toolbox.call("read_page", '{"page": "rye.md"}'))["text"] == PAGE
    assert json.loads(toolbox.call("read_page", '{"page": "tea.md"}'))["pages"] == ["rye.md"]


def test_the_settings_are_those_of_init_tracing(toolbox):
    """list_settings reads the signature, so it cannot say what is not so."""
    settings = json.loads(toolbox.call("list_settings", "{}"))["settings"]
    assert settings["endpoint"] == "None"
    assert settings.keys() == inspect.signature(llmtrace.init_tracing).parameters.keys()
