"""Answers of vector stores and search engines, as their clients return them: each document, and none where none was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from llmtrace._attributes import put_documents
from llmtrace.recorders import verdict

DOCS = "retrieval.documents"
FULL = {"content": "text", "id": "d1", "score": 0.5, "metadata": '{"source":"a.md"}'}
SOURCE = {"source": "a.md"}


class Point(BaseModel):
    """As Qdrant's client has it."""

    id: str
    version: int = 1
    score: float
    payload: dict[str, Any]
    vector: list[float] | None = None


STORES: dict[str, tuple[Any, dict[str, Any]]] = {
    "Pinecone": (
        {
            "matches": [{"id": "d1", "score": 0.5, "values": [], "metadata": {"text": "text", **SOURCE}}],
            "namespace": "",
        },
        FULL,
    ),
    "Qdrant": (
        SimpleNamespace(points=[Point(id="d1", score=0.5, payload={"page_content": "text", "metadata": SOURCE})]),
        FULL,
    ),
    "Qdrant, a list": ([Point(id="d1", score=0.5, payload={"text": "text", **SOURCE})], FULL),
    "Weaviate": (
        SimpleNamespace(objects=[SimpleNamespace(uuid="d1", score=0.5, properties={"text": "text", **SOURCE})]),
        FULL,
    ),
    "Elasticsearch": (
        {
            "took": 1,
            "hits": {"total": {"value": 1}, "hits": [{"_id": "d1", "_score": 0.5, "_source": {"text": "text"}}]},
        },
        {**FULL, "metadata": None},
    ),
    "Milvus": (
        [[{"id": 7, "distance": 0.1, "entity": {"text": "text", **SOURCE}}]],
        {**FULL, "id": "7", "score": None},
    ),
    "Bedrock": (
        {"retrievalResults": [{"content": {"text": "text", "type": "TEXT"}, "score": 0.5, "metadata": SOURCE}]},
        {**FULL, "id": None},
    ),
    "OpenAI": (
        {
            "object": "vector_store.search_results.page",
            "data": [
                {"file_id": "d1", "score": 0.5, "attributes": SOURCE, "content": [{"type": "text", "text": "text"}]}
            ],
        },
        FULL,
    ),
    "Chroma": (
        {"ids": [["d1"]], "documents": [["text"]], "distances": [[0.1]], "metadatas": [[SOURCE]], "embeddings": None},
        {**FULL, "score": None},
    ),
    "Haystack": ({"documents": [SimpleNamespace(id="d1", content="text", score=0.5, meta=SOURCE)]}, FULL),
    "LangChain": (
        {"query": "q", "source_documents": [{"id": "d1", "page_content": "text", "score": 0.5, "metadata": SOURCE}]},
        FULL,
    ),
    "Tavily": (
        {"query": "q", "results": [{"url": "u", "content": "text", "score": 0.5}]},
        {"content": "text", "score": 0.5},
    ),
}


@pytest.mark.parametrize(("answer", "expected"), STORES.values(), ids=STORES)
def test_the_documents_of_a_stores_answer_are_found(answer, expected):
    """Text, id, score and metadata of each document, wherever the store puts them; and how many there were."""
    into: dict[str, Any] = {}
    assert put_documents(into, DOCS, answer) == 1
    assert into == {f"{DOCS}.0.document.{name}": value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize("name", ["matches", "points", "objects", "retrievalResults", "results", "data", "documents"])
def test_an_answer_without_documents_has_none(name):
    """A store that found nothing has answered with nothing, not with one odd document."""
    assert put_documents({}, DOCS, {name: []}) == 0
    assert put_documents({}, DOCS, {"hits": {"total": {"value": 0}, "hits": []}}) == 0
    assert put_documents({}, DOCS, {"ids": [[]], "documents": [[]]}) == 0


@pytest.mark.parametrize(
    "document",
    [
        {"id": "d1", "documents": "three"},
        {"matches": 3},
        {"payload": "text"},
        {"content": {"a": 1}},
        {"metadata": {"text": 1}},
        {"ids": ["a"]},
    ],
)
def test_what_is_no_stores_answer_is_one_document(document):
    """A dict that only looks like one stays the document that it is, as JSON."""
    into: dict[str, Any] = {}
    assert put_documents(into, DOCS, document) == 1
    assert into[f"{DOCS}.0.document.content"].startswith("{")


class Voyage(NamedTuple):
    """As Voyage's client has it."""

    index: int
    document: str
    relevance_score: float


@pytest.mark.parametrize(
    "result",
    [
        {"index": 0, "relevance_score": 0.5, "document": {"text": "text"}},
        {"index": 0, "score": 0.5, "document": {"id": "d1", "content": "text"}},
        {"index": 0, "relevanceScore": 0.5, "document": "text"},
        Voyage(0, "text", 0.5),
        SimpleNamespace(index=0, relevance_score=0.5, document=Point(id="d1", score=0.5, payload={"text": "text"})),
    ],
    ids=["Jina", "Pinecone", "text", "Voyage", "SDK"],
)
def test_a_reranked_document_keeps_its_score(result):
    """A reranker puts the score beside the document, which may stand inside the result."""
    into: dict[str, Any] = {}
    verdict.put_reranked(into, {}, {"results": [result]})
    assert into["reranker.output_documents.0.document.content"] == "text"
    assert into["reranker.output_documents.0.document.score"] == 0.5
