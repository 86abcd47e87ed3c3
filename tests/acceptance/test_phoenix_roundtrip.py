"""A service as a user would write it, and what the real Phoenix stored of it."""

from __future__ import annotations

import json

import pytest
from scripts import output_of

pytestmark = pytest.mark.phoenix

SERVICE = """
    import json, os
    import llmtrace
    from opentelemetry import trace

    llmtrace.init_tracing(
        service_name="support-bot", service_version="1.2", environment="staging",
        endpoint=os.environ["ENDPOINT"], project=os.environ["PROJECT"],
    )
    tools = [{"type": "function", "function": {"name": "search_docs", "parameters": {"type": "object"}}}]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}]
    call = {"id": "call_1", "type": "function", "function": {"name": "search_docs", "arguments": '{"query": "oslo"}'}}
    documents = [
        {"id": "d1", "content": "Oslo is rainy.", "score": 0.9, "metadata": {"source": "weather.md"}},
        {"id": "d2", "content": "Bergen more so.", "score": 0.5},
    ]
    with llmtrace.agent_span("support", input="Weather?", user_id="u-1", session_id=os.environ["SESSION"]) as agent:
        with llmtrace.using(metadata={"tenant": "acme"}, tags=["beta"]):
            with llmtrace.retrieval_span("oslo", 5) as span:
                span.record_documents(documents)
            with llmtrace.llm_span("gpt-4o-mini", messages, tools=tools, temperature=0.2) as span:
                span.record_output({
                    "model": "gpt-4o-mini-2024-07-18",
                    "choices": [{"index": 0, "finish_reason": "tool_calls",
                                 "message": {"role": "assistant", "content": None, "tool_calls": [call]}}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
                })
            with llmtrace.tool_span("search_docs", {"query": "oslo"}) as span:
                span.record_output(["Oslo is rainy."])
                try:
                    with llmtrace.chain_span("failing"):
                        raise ValueError("no luck")
                except ValueError:
                    pass
            llmtrace.tag_alert("warning", reason="thin answer", key="thin")
        agent.record_output("Rain.")
        print(llmtrace.current_trace_id())
    with trace.get_tracer("tutorial").start_as_current_span("tutorial") as span:
        span.set_attribute("openinference.span.kind", "LLM")
        span.set_attribute("llm.input_messages", json.dumps(messages))
        span.set_attribute("llm.tools", json.dumps(tools))
        with llmtrace.retrieval_span("oslo", name="tutorial documents") as inner:
            inner.set_attribute("retrieval.documents", json.dumps(documents))
        print(llmtrace.current_trace_id())
    assert llmtrace.flush(20)
"""

NESTED = "query ($span: String!) { span: getSpanByOtelId(spanId: $span) { attributes } }"


@pytest.fixture
def service(phoenix):
    """The two traces of one run of the service, by span name."""
    env = {"ENDPOINT": phoenix.base_url, "PROJECT": phoenix.project, "SESSION": f"s-{phoenix.project}"}
    agent, tutorial = output_of(SERVICE, env=env).split()
    spans = [*phoenix.wait_for_trace(agent, 5), *phoenix.wait_for_trace(tutorial, 2)]
    return {span.name: span for span in spans}


def nested(phoenix, span):
    """The attributes as Phoenix stored them, not flattened by its REST API."""
    body = {"query": NESTED, "variables": {"span": span.span_id}}
    answer = phoenix.client.post("/graphql", json=body).raise_for_status().json()
    return json.loads(answer["data"]["span"]["attributes"])


def test_phoenix_has_the_whole_trace(phoenix, service):
    """Every span is in the right project and trace with its kind and parent, and the failed one is an error."""
    agent = service["support"]
    assert {span.name for span in phoenix.reader.trace(agent.trace_id)} == {
        "support",
        "retrieval",
        "llm.chat",
        "tool.search_docs",
        "failing",
    }
    assert {
        name: service[name].kind for name in ("support", "retrieval", "llm.chat", "tool.search_docs", "failing")
    } == {
        "support": "AGENT",
        "retrieval": "RETRIEVER",
        "llm.chat": "LLM",
        "tool.search_docs": "TOOL",
        "failing": "CHAIN",
    }
    assert agent.parent_id is None
    assert service["llm.chat"].parent_id == agent.span_id
    assert service["failing"].parent_id == service["tool.search_docs"].span_id
    assert service["failing"].status == "ERROR"
    assert [event.name for event in service["failing"].events] == ["exception"]
    assert {span.name for span in phoenix.reader.roots()} == {"support", "tutorial"}


def test_phoenix_has_messages_tools_and_documents_as_lists(phoenix, service):
    """Nested lists of dicts, which its page renders, and no string in their place."""
    llm = nested(phoenix, service["llm.chat"])["llm"]
    assert [message["message"]["content"] for message in llm["input_messages"]] == ["Be brief.", "Weather in Oslo?"]
    (answer,) = llm["output_messages"]
    (call,) = answer["message"]["tool_calls"]
    assert call["tool_call"]["function"] == {"name": "search_docs", "arguments": '{"query": "oslo"}'}
    assert json.loads(llm["tools"][0]["tool"]["json_schema"])["function"]["name"] == "search_docs"
    assert llm["token_count"]["total"] == 120
    assert llm["model_name"] == "gpt-4o-mini-2024-07-18"
    first, second = nested(phoenix, service["retrieval"])["retrieval"]["documents"]
    assert first["document"] == {
        "id": "d1",
        "content": "Oslo is rainy.",
        "score": 0.9,
        "metadata": {"source": "weather.md"},
    }
    assert second["document"]["id"] == "d2"


def test_phoenix_has_the_tutorials_json_strings_as_lists(phoenix, service):
    """Spans of the tutorial style, ours and a third party's, are stored like the others."""
    llm = nested(phoenix, service["tutorial"])["llm"]
    assert [message["message"]["role"] for message in llm["input_messages"]] == ["system", "user"]
    assert json.loads(llm["tools"][0]["tool"]["json_schema"])["function"]["name"] == "search_docs"
    documents = nested(phoenix, service["tutorial documents"])["retrieval"]["documents"]
    assert [document["document"]["content"] for document in documents] == ["Oslo is rainy.", "Bergen more so."]


def test_phoenix_has_who_and_what(phoenix, service):
    """Service, version, environment and the user's own metadata, user, session and tags are there to filter by."""
    stored = nested(phoenix, service["llm.chat"])
    assert stored["metadata"] == {
        "service.name": "support-bot",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
        "tenant": "acme",
    }
    assert stored["user"]["id"] == "u-1"
    assert stored["session"]["id"] == f"s-{phoenix.project}"
    assert stored["tag"]["tags"] == ["beta"]
    agent = nested(phoenix, service["support"])
    assert agent["input"]["value"] == "Weather?"
    assert agent["output"]["value"] == "Rain."
    assert agent["llmtrace"]["alert"]["key"] == "thin"
    assert agent["llmtrace"]["trace"]["alert_severity"] == "warning"
