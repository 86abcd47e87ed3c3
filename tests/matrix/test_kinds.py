"""The kinds beside LLM, tool, retrieval, agent and chain, as context manager and as decorator."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from google.genai import types as genai
from openai.types import CreateEmbeddingResponse
from opentelemetry.sdk.trace import ReadableSpan
from quiet import quiet, run, small_heap

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict", "quiet")
__all__ = ["quiet", "small_heap"]


def only(spans: list[ReadableSpan]) -> dict[str, Any]:
    """The attributes of the one span."""
    (span,) = spans
    return dict(span.attributes or {})


# -- embedding ------------------------------------------------------------------------------------------------------

VECTORS = [[0.5, -1.0], [0.25, 2.0]]
BASE64 = [base64.b64encode(array("f", vector).tobytes()).decode() for vector in VECTORS]
OPENAI = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(VECTORS)],
    "usage": {"prompt_tokens": 4, "total_tokens": 4},
}
ANSWERS: dict[str, Any] = {
    "OpenAI, dict": OPENAI,
    "OpenAI, SDK": CreateEmbeddingResponse.model_validate(OPENAI),
    "OpenAI, base64": {**OPENAI, "data": [{"embedding": text} for text in BASE64]},
    "Gemini, SDK": genai.EmbedContentResponse(embeddings=[genai.ContentEmbedding(values=each) for each in VECTORS]),
    "Ollama": {"model": "nomic", "embeddings": VECTORS, "prompt_eval_count": 4},
    "Cohere": {"embeddings": {"float": VECTORS}},
    "Cohere, SDK": SimpleNamespace(embeddings=SimpleNamespace(float_=VECTORS, int8=None)),
    "llama.cpp": [{"index": index, "embedding": [vector]} for index, vector in enumerate(VECTORS)],
    "Vertex": {"predictions": [{"embeddings": {"values": vector}} for vector in VECTORS]},
    "watsonx": {"model_id": "slate", "results": [{"embedding": vector} for vector in VECTORS]},
    "Voyage": SimpleNamespace(embeddings=VECTORS, total_tokens=4),
    "lists": VECTORS,
    "tuples": tuple(map(tuple, VECTORS)),
    "numpy": np.array(VECTORS, dtype=np.float32),
    "numpy rows": [np.array(vector) for vector in VECTORS],
    "whole numbers": [[0.5, -1], [0.25, 2]],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_embedding(spans: list[ReadableSpan], answer: Any) -> None:
    """Texts and vectors stand side by side, whatever the provider's answer looks like."""
    with llmtrace.embedding_span("asked-for", ["a", "b"], dimensions=2) as span:
        span.record_output(answer)
    found = only(spans)
    assert spans[0].name == "embedding"
    assert found["openinference.span.kind"] == "EMBEDDING"
    assert json.loads(found["embedding.invocation_parameters"]) == {"dimensions": 2}
    assert [found[f"embedding.embeddings.{index}.embedding.text"] for index in (0, 1)] == ["a", "b"]
    assert [list(found[f"embedding.embeddings.{index}.embedding.vector"]) for index in (0, 1)] == VECTORS
    assert (found["llmtrace.embedding.vectors"], found["llmtrace.embedding.dimensions"]) == (2, 2)


def test_an_embedding_says_model_and_tokens(spans: list[ReadableSpan]) -> None:
    """The model that answered replaces the one that was asked for."""
    with llmtrace.embedding_span("asked-for", "a") as span:
        span.record_output(OPENAI)
    found = only(spans)
    assert found["embedding.model_name"] == "text-embedding-3-small"
    assert (found["llm.token_count.prompt"], found["llm.token_count.total"]) == (4, 4)
    assert found["input.value"] == "a"


def test_one_vector_is_one(spans: list[ReadableSpan]) -> None:
    """A function that embeds one text returns one list of numbers."""

    @llmtrace.embedding
    def embed(text: str, model: str = "m") -> list[float]:
        return [0.5, 1.0]

    assert embed("a", model="m") == [0.5, 1.0]
    found = only(spans)
    assert found["openinference.span.kind"] == "EMBEDDING"
    assert found["embedding.model_name"] == "m"
    assert found["embedding.embeddings.0.embedding.text"] == "a"
    assert list(found["embedding.embeddings.0.embedding.vector"]) == [0.5, 1.0]


@pytest.mark.parametrize("answer", [None, 7, "text", [], {}, {"data": None}, [["a"]], object(), {"embeddings": 3}])
def test_what_is_no_embedding_is_no_vector(spans: list[ReadableSpan], answer: Any) -> None:
    """An answer without vectors leaves none."""
    with llmtrace.embedding_span("m", "a") as span:
        span.record_output(answer)
    assert not [key for key in only(spans) if "vector" in key]


# -- reranker -------------------------------------------------------------------------------------------------------

DOCUMENTS = [{"id": "d1", "content": "one"}, {"id": "d2", "content": "two", "metadata": {"k": 1}}]


def test_a_reranker(spans: list[ReadableSpan]) -> None:
    """Query, model, top_k, the documents that went in and the ones that came out."""
    with llmtrace.reranker_span("q", DOCUMENTS, 1, model="rerank-1") as span:
        span.record_documents([{"id": "d2", "content": "two", "score": 0.9}])
    assert spans[0].name == "reranker"
    assert only(spans) == {
        "openinference.span.kind": "RERANKER",
        "input.value": "q",
        "input.mime_type": "text/plain",
        "reranker.query": "q",
        "reranker.model_name": "rerank-1",
        "reranker.top_k": 1,
        "reranker.input_documents.0.document.id": "d1",
        "reranker.input_documents.0.document.content": "one",
        "reranker.input_documents.1.document.id": "d2",
        "reranker.input_documents.1.document.content": "two",
        "reranker.input_documents.1.document.metadata": '{"k":1}',
        "reranker.output_documents.0.document.id": "d2",
        "reranker.output_documents.0.document.content": "two",
        "reranker.output_documents.0.document.score": 0.9,
    }


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]},
        SimpleNamespace(results=[SimpleNamespace(index=1, relevance_score=0.9), SimpleNamespace(index=0, score=0.1)]),
        {"data": [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}]},
    ],
    ids=["Cohere", "SDK", "Voyage"],
)
def test_results_that_name_documents_by_index(spans: list[ReadableSpan], answer: Any) -> None:
    """Providers answer with places in the list; what stood there is shown."""
    with llmtrace.reranker_span("q", DOCUMENTS) as span:
        span.record_output(answer)
    found = only(spans)
    shown = [found[f"reranker.output_documents.{place}.document.content"] for place in (0, 1)]
    assert shown == ["two", "one"]
    assert found["reranker.output_documents.0.document.id"] == "d2"
    assert found["reranker.output_documents.0.document.score"] == 0.9
    assert found["reranker.output_documents.1.document.score"] == 0.1


def test_a_reranking_function(spans: list[ReadableSpan]) -> None:
    """Its arguments are taken by their usual names, its result as documents."""

    @llmtrace.reranker
    async def rerank(query: str, docs: list[str], top_n: int = 1) -> list[tuple[str, float]]:
        return [(docs[-1], 0.5)]

    assert run(lambda: rerank("q", ["one", "two"], top_n=2)) == [("two", 0.5)]
    found = only(spans)
    assert found["reranker.query"] == "q"
    assert found["reranker.top_k"] == 2
    assert found["reranker.input_documents.1.document.content"] == "two"
    assert found["reranker.output_documents.0.document.content"] == "two"
    assert found["reranker.output_documents.0.document.score"] == 0.5


# -- guardrail ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "outcome"), [(True, "passed"), (False, "blocked"), ("redacted", "redacted")])
def test_a_guardrail(spans: list[ReadableSpan], passed: Any, outcome: str) -> None:
    """What it checked, what it decided, how sure it is, and why."""
    with llmtrace.guardrail_span("no secrets", input="text") as span:
        span.record_guardrail(passed, score=0.9, reason="because")
    assert spans[0].name == "no secrets"
    found = only(spans)
    assert json.loads(found.pop("output.value")) == {"outcome": outcome, "score": 0.9, "reason": "because"}
    assert found == {
        "openinference.span.kind": "GUARDRAIL",
        "input.value": "text",
        "input.mime_type": "text/plain",
        "output.mime_type": "application/json",
        "llmtrace.guardrail.outcome": outcome,
        "llmtrace.guardrail.score": 0.9,
    }


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (True, "passed"),
        (False, "blocked"),
        ("flagged", "flagged"),
        ({"passed": True, "score": 0.5}, "passed"),
        ({"flagged": True}, "blocked"),
        (SimpleNamespace(tripwire_triggered=False), "passed"),
        ({"results": [{"flagged": False}, {"flagged": True}]}, "blocked"),
        (SimpleNamespace(id="modr-1", results=[SimpleNamespace(flagged=False)]), "passed"),
        ({"results": [{"score": 0.1}]}, None),
        ({"results": [{"flagged": False}, {"flagged": float("nan")}]}, "passed"),
        ({"action": "NONE"}, "NONE"),
        ("a text that was made safe", None),
        (None, None),
        ([1], None),
    ],
)
def test_a_guardrail_function(spans: list[ReadableSpan], answer: Any, outcome: str | None) -> None:
    """A bool, a word, or the usual fields decide; anything else is its output."""

    @llmtrace.guardrail
    def check(text: str) -> Any:
        return answer

    assert check("x") is answer
    found = only(spans)
    assert found["openinference.span.kind"] == "GUARDRAIL"
    assert found.get("llmtrace.guardrail.outcome") == outcome
    assert found["input.value"] == "x"


# -- evaluator ------------------------------------------------------------------------------------------------------


def test_an_evaluator(spans: list[ReadableSpan]) -> None:
    """Score, label and explanation of each finding, under its name."""
    with llmtrace.evaluator_span("faithfulness", input={"answer": "a"}) as span:
        span.record_evaluation(0.9, "faithful", "all of it is in the context")
        span.record_evaluation(label="short", name="length")
    found = only(spans)
    assert spans[0].name == "faithfulness"
    assert found["openinference.span.kind"] == "EVALUATOR"
    assert json.loads(found["input.value"]) == {"answer": "a"}
    assert {key: value for key, value in found.items() if key.startswith("evaluations.")} == {
        "evaluations.0.evaluation.name": "faithfulness",
        "evaluations.0.evaluation.score": 0.9,
        "evaluations.0.evaluation.label": "faithful",
        "evaluations.0.evaluation.explanation": "all of it is in the context",
        "evaluations.1.evaluation.name": "length",
        "evaluations.1.evaluation.label": "short",
    }


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0.5, {"score": 0.5}),
        (1, {"score": 1.0}),
        (True, {"score": 1.0, "label": "true"}),
        ("good", {"label": "good"}),
        ({"score": 0.5, "label": "ok", "explanation": "why"}, {"score": 0.5, "label": "ok", "explanation": "why"}),
        (SimpleNamespace(score=0.5, reason="why"), {"score": 0.5, "explanation": "why"}),
        (float("nan"), {}),
        ([1], {}),
        (None, {}),
    ],
)
def test_an_evaluating_function(spans: list[ReadableSpan], answer: Any, expected: dict[str, Any]) -> None:
    """A number is a score, a word a label; a dict or object is read by the usual fields."""

    @llmtrace.evaluator(name="judge")
    def evaluate(text: str) -> Any:
        return answer

    assert evaluate("x") is answer
    found = only(spans)
    prefix = "evaluations.0.evaluation."
    recorded = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
    assert recorded.pop("name", None) == ("judge" if expected else None)
    assert recorded == expected


# -- prompt ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        lambda: llmtrace.prompt_span("Hi {name}", {"name": "Ada"}, version="v7"),
        lambda: llmtrace.prompt_span(llmtrace.Prompt("Hi {name}", "v7", {"name": "Ada"})),
    ],
    ids=["by hand", "Prompt"],
)
def test_a_prompt(spans: list[ReadableSpan], arguments: Callable[[], Any]) -> None:
    """Template, version, variables, and the finished text."""
    with arguments() as span:
        span.record_output("Hi Ada")
    assert spans[0].name == "prompt"
    assert only(spans) == {
        "openinference.span.kind": "PROMPT",
        "llm.prompt_template.template": "Hi {name}",
        "llm.prompt_template.version": "v7",
        "llm.prompt_template.variables": '{"name":"Ada"}',
        "input.value": '{"name":"Ada"}',
        "input.mime_type": "application/json",
        "output.value": "Hi Ada",
        "output.mime_type": "text/plain",
    }


# -- all of them ----------------------------------------------------------------------------------------------------

KINDS = {
    "EMBEDDING": (lambda: llmtrace.embedding_span("m"), llmtrace.embedding),
    "RERANKER": (lambda: llmtrace.reranker_span("q"), llmtrace.reranker),
    "GUARDRAIL": (llmtrace.guardrail_span, llmtrace.guardrail),
    "EVALUATOR": (llmtrace.evaluator_span, llmtrace.evaluator),
    "PROMPT": (lambda: llmtrace.prompt_span("t"), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_shape_of_each_kind(spans: list[ReadableSpan], kind: str) -> None:
    """Context manager, function, coroutine, generator and async generator make one span of the kind."""
    block, decorate = KINDS[kind]
    with block():
        pass
    if decorate is not None:

        async def coroutine() -> int:
            return 1

        def generator() -> Iterator[int]:
            yield 1

        async def async_generator() -> Any:
            yield 1

        async def drain() -> list[int]:
            return [item async for item in decorate(async_generator)()]

        assert decorate(lambda: 1)() == 1
        assert run(decorate(coroutine)) == 1
        assert list(decorate(generator)()) == [1]
        assert run(drain) == [1]
    assert [span.attributes["openinference.span.kind"] for span in spans if span.attributes] == [kind] * len(spans)
    assert len(spans) == (1 if decorate is None else 5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_tracing_they_do_nothing(kind: str) -> None:
    """The block yields a span with every method; a decorated function is the plain call."""
    block, decorate = KINDS[kind]
    with block() as span:
        span.record_output(1)
        span.record_documents([1])
        span.record_guardrail(passed=True, score=1.0, reason="r")
        span.record_evaluation(1.0, "l", "e", name="n")
        assert not span.is_recording()
    if decorate is not None:
        assert decorate(lambda: 1)() == 1
        assert asyncio.run(decorate(asyncio.sleep)(0, "done")) == "done"
