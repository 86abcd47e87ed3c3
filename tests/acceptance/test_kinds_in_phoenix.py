"""The kinds beside LLM, tool, retrieval, agent and chain, as the real Phoenix stores them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from scripts import output_of

if TYPE_CHECKING:
    from phoenix_server import Phoenix

    from llmtrace.backends.phoenix import StoredSpan

pytestmark = pytest.mark.phoenix

SERVICE = """
    import os
    import llmtrace

    llmtrace.init_tracing(service_name="kinds", endpoint=os.environ["ENDPOINT"], project=os.environ["PROJECT"])
    documents = [{"id": "d1", "content": "one"}, {"id": "d2", "content": "two"}]

    @llmtrace.embedding(name="embed by function")
    def embed(text, model):
        return {"model": "e-2", "data": [{"embedding": [0.5, 1.0]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}

    @llmtrace.reranker(name="rerank by function")
    def rerank(query, documents):
        return {"results": [{"index": 1, "relevance_score": 0.75}]}

    @llmtrace.guardrail(name="check by function")
    def check(text):
        return False

    @llmtrace.evaluator(name="judge by function")
    def judge(text):
        return {"score": 0.25, "label": "poor", "explanation": "too short"}

    prompt = llmtrace.Prompt("Hi {name}", "v7", {"name": "Ada"})
    with llmtrace.agent_span("root"):
        with llmtrace.embedding_span("e-1", ["a", "b"], dimensions=2) as span:
            span.record_output([[0.5, -1.0], [0.25, 2.0]])
        embed("a", model="e-1")
        with llmtrace.reranker_span("q", documents, 1, model="r-1") as span:
            span.record_documents([{"id": "d2", "content": "two", "score": 0.75}])
        rerank("q", documents)
        with llmtrace.guardrail_span("guardrail", input="text") as span:
            span.record_guardrail(True, score=0.125, reason="clean")
        check("text")
        with llmtrace.evaluator_span("evaluator", input="text") as span:
            span.record_evaluation(0.5, "fair", "half of it is right")
        judge("text")
        with llmtrace.prompt_span(prompt) as span:
            span.record_output("Hi Ada")
        with llmtrace.using(prompt=prompt), llmtrace.llm_span("m", "Hi Ada"):
            pass
        print(llmtrace.current_trace_id())
    assert llmtrace.flush(20)
"""

NESTED = "query ($span: String!) { span: getSpanByOtelId(spanId: $span) { spanKind attributes } }"


@pytest.fixture
def stored(phoenix: Phoenix) -> dict[str, StoredSpan]:
    """The spans of one run of the service, by name."""
    trace_id = output_of(SERVICE, env={"ENDPOINT": phoenix.base_url, "PROJECT": phoenix.project}).strip()
    return {span.name: span for span in phoenix.wait_for_trace(trace_id, 11)}


def nested(phoenix: Phoenix, span: StoredSpan) -> dict[str, Any]:
    """Kind and attributes as Phoenix stored them: nested, not flattened by its REST API."""
    body = {"query": NESTED, "variables": {"span": span.span_id}}
    answer = phoenix.client.post("/graphql", json=body).raise_for_status().json()["data"]["span"]
    return {"kind": answer["spanKind"], **json.loads(answer["attributes"])}


def test_phoenix_stores_each_kind(phoenix: Phoenix, stored: dict[str, StoredSpan]) -> None:
    """Each span is stored as its kind, below the root; each attribute is nested where Phoenix looks for it."""
    assert {span.parent_id for name, span in stored.items() if name != "root"} == {stored["root"].span_id}
    found = {name: nested(phoenix, span) for name, span in stored.items()}
    assert {name: span["kind"] for name, span in found.items()} == {
        "root": "agent",
        "embedding": "embedding",
        "embed by function": "embedding",
        "reranker": "reranker",
        "rerank by function": "reranker",
        "guardrail": "guardrail",
        "check by function": "guardrail",
        "evaluator": "evaluator",
        "judge by function": "evaluator",
        "prompt": "prompt",
        "llm.chat": "llm",
    }
    check_embeddings(found)
    assert [vector(stored["embedding"], place) for place in (0, 1)] == [[0.5, -1.0], [0.25, 2.0]]
    assert vector(stored["embed by function"], 0) == [0.5, 1.0]
    check_rerankers(found)
    check_verdicts(found)
    check_prompts(found)


def vector(span: StoredSpan, place: int) -> list[float]:
    """The numbers of an embedding, from Phoenix's REST API."""
    value = span.attributes[f"embedding.embeddings.{place}.embedding.vector"]
    return json.loads(value) if isinstance(value, str) else list(value)


def check_embeddings(found: dict[str, dict[str, Any]]) -> None:
    """Texts beside vectors, the model, the tokens."""
    first, second = found["embedding"]["embedding"], found["embed by function"]["embedding"]
    assert first["model_name"] == "e-1"
    assert json.loads(first["invocation_parameters"]) == {"dimensions": 2}
    shown = "<2 dimensional vector>"  # Phoenix knows it for a vector, and spares the page its numbers
    assert first["embeddings"] == [
        {"embedding": {"text": "a", "vector": shown}},
        {"embedding": {"text": "b", "vector": shown}},
    ]
    assert second["model_name"] == "e-2"
    assert second["embeddings"] == [{"embedding": {"text": "a", "vector": shown}}]
    assert found["embed by function"]["llm"]["token_count"] == {"prompt": 4, "total": 4}


def check_rerankers(found: dict[str, dict[str, Any]]) -> None:
    """Query, model, and the documents on both sides."""
    first, second = found["reranker"]["reranker"], found["rerank by function"]["reranker"]
    given = [{"document": {"id": "d1", "content": "one"}}, {"document": {"id": "d2", "content": "two"}}]
    result = [{"document": {"id": "d2", "content": "two", "score": 0.75}}]
    assert first == {
        "query": "q",
        "model_name": "r-1",
        "top_k": 1,
        "input_documents": given,
        "output_documents": result,
    }
    assert second == {"query": "q", "input_documents": given, "output_documents": result}


def check_verdicts(found: dict[str, dict[str, Any]]) -> None:
    """Outcome of the guardrails, findings of the evaluators."""
    assert found["guardrail"]["llmtrace"]["guardrail"] == {"outcome": "passed", "score": 0.125}
    assert found["check by function"]["llmtrace"]["guardrail"] == {"outcome": "blocked"}
    assert found["guardrail"]["input"]["value"] == "text"
    assert found["evaluator"]["evaluations"] == [
        {
            "evaluation": {
                "name": "evaluator",
                "score": 0.5,
                "label": "fair",
                "explanation": "half of it is right",
            }
        }
    ]
    assert found["judge by function"]["evaluations"][0]["evaluation"]["score"] == 0.25
    assert json.loads(found["evaluator"]["output"]["value"])["label"] == "fair"


def check_prompts(found: dict[str, dict[str, Any]]) -> None:
    """Template, version and variables, on the prompt's span and on the model call's."""
    for name in ("prompt", "llm.chat"):
        template = found[name]["llm"]["prompt_template"]
        variables = template["variables"]
        assert template["template"] == "Hi {name}"
        assert template["version"] == "v7"
        assert (json.loads(variables) if isinstance(variables, str) else variables) == {"name": "Ada"}
    assert found["prompt"]["output"]["value"] == "Hi Ada"
