"""The examples, each run as a user would run it, and what the backend has of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from otlp_sink import OtlpSink, SinkSpan, otlp_sink
from scripts import run_script

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    """The backend."""
    with otlp_sink() as running:
        yield running


def run(name: str, sink: OtlpSink, **env: str) -> tuple[str, str]:
    """What an example prints, on both streams; it ends well."""
    # Warnings of other people's libraries are not ours: one of them, raised, would end up inside an instrumentor.
    code = f"import warnings; warnings.simplefilter('default'); from examples import {name}; {name}.main()"
    settings = {"PHOENIX_COLLECTOR_ENDPOINT": sink.url, "PYTHONPATH": str(ROOT), **env}
    done = run_script(code, env=settings, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def tree(spans: list[SinkSpan]) -> str:
    """The spans as indented lines of name and kind."""

    def below(parent: str, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda span: span.start):
            if span.parent_id == parent:
                yield f"{'  ' * depth}{span.name} {span.attributes.get('openinference.span.kind', '-')}"
                yield from below(span.span_id, depth + 1)

    return "\n".join(below("", 0))


def test_the_plain_script(sink):
    """One model call, with its tokens."""
    assert run("plain_script", sink) == ("Paris.\n", "")
    (span,) = sink.spans
    assert span.attributes["llm.token_count.total"] == 11
    assert span.attributes["output.value"] == "Paris."


def test_retrieval_with_a_reranker(sink):
    """Documents in, the chosen ones out, and the prompt's version on the model call."""
    assert run("rag", sink) == ("Oslo is rainy in November.\n", "")
    assert tree(sink.spans) == "answer CHAIN\n  retrieval RETRIEVER\n  reranker RERANKER\n  llm.chat LLM"
    assert sink.span("retrieval").attributes["llmtrace.retrieval.documents"] == 3
    assert sink.span("reranker").attributes["reranker.output_documents.0.document.id"] == "weather.md"
    assert sink.span("llm.chat").attributes["llm.prompt_template.version"] == "v3"


def test_an_agent_with_tools(sink):
    """Agent, model, tool with its retrieval, model again; the same as a waterfall on stderr."""
    out, err = run("agent_tools", sink)
    assert out.startswith("The documentation says: production keeps every trace")
    expected = """support AGENT
  llm.chat LLM
  tool.search_docs TOOL
    retrieval RETRIEVER
  llm.chat LLM"""
    assert tree(sink.spans) == expected
    drawn = [line.split()[0] for line in err.splitlines()[1:]]
    assert drawn == ["support", "llm.chat", "tool.search_docs", "retrieval", "llm.chat"]


def test_two_backends(sink):
    """Both have the span, each with its own headers."""
    with otlp_sink() as second:
        assert run("two_backends", sink, SECOND=second.url + "/v1/traces", SECOND_KEY="k2")[0] == "sent to both\n"
        assert second.names == sink.names == ["llm.chat"]
        assert [request.headers.get("x-api-key") for request in second.requests] == ["k2"]
    assert [request.headers.get("x-api-key") for request in sink.requests] == [None]


def test_a_notebook_whose_cells_are_run_again(sink):
    """No span twice, and the second project after `shutdown`."""
    out, err = run("notebook", sink)
    assert out == "Paris.\nParis.\nParis.\nall sent\n"
    assert err == ""
    assert sink.names == ["llm.chat"] * 4
    projects = [span.resource["openinference.project.name"] for span in sink.spans]
    assert projects == ["drafts", "drafts", "drafts", "final"]
    assert len({span.span_id for span in sink.spans}) == 4


def test_a_chat_behind_fastapi(sink):
    """The stream, the header, the user, and the thumb that finds its trace."""
    code = """
        import warnings
        warnings.simplefilter("ignore")  # of the test client
        from starlette.testclient import TestClient
        from examples.fastapi_chat import app
        with TestClient(app) as client:
            answer = client.get("/chat", params={"question": "Oslo"}, headers={"x-user": "u-1"})
            print(answer.text)
            print(answer.headers["x-trace-id"])
            thumb = {"trace_id": answer.headers["x-trace-id"], "thumbs": "up"}
            print(client.post("/feedback", json=thumb).status_code)
    """
    done = run_script(code, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url, "PYTHONPATH": str(ROOT)}, timeout=60)
    text, header, status = done.stdout.splitlines()
    assert (text, status) == ("Rain in Oslo.", "202"), done.stderr
    asked = [span for span in sink.spans if span.trace_id == header]
    names = [line.strip() for line in tree(asked).splitlines()]
    assert names[0] == "GET /chat CHAIN"
    assert [name for name in names if name.startswith(("chat AGENT", "llm.chat"))] == ["chat AGENT", "llm.chat LLM"]
    (model,) = [span for span in asked if span.name == "llm.chat"]
    assert model.attributes["llmtrace.stream.outcome"] == "complete"
    assert {span.attributes.get("user.id") for span in asked if span.name in ("chat", "llm.chat")} == {"u-1"}


@pytest.mark.full
def test_langchain_next_to_our_spans(sink):
    """The chain below our agent, each once, with our user."""
    assert run("langchain_chain", sink)[0] == "Rain.\n"
    expected = """support AGENT
  RunnableSequence CHAIN
    look_up CHAIN
    ChatPromptTemplate PROMPT
    FakeListChatModel LLM
  retrieval RETRIEVER"""
    assert tree(sink.spans) == expected
    assert {span.attributes["user.id"] for span in sink.spans} == {"u-1"}


@pytest.mark.full
def test_llama_index_next_to_our_spans(sink):
    """The query below our agent, with our user."""
    assert run("llama_index_query", sink)[0] == "answered\n"
    agent = sink.span("support")
    asked = [span for span in sink.spans if span.trace_id == agent.trace_id]
    assert sink.span("RetrieverQueryEngine.query").parent_id == agent.span_id
    assert {"RETRIEVER", "LLM"} <= {span.attributes["openinference.span.kind"] for span in asked}
    assert {span.attributes["user.id"] for span in asked} == {"u-1"}
