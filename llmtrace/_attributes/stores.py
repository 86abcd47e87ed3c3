"""Answers of vector stores and search engines -> the documents that they found, as plain documents.

Known by where they stand: Pinecone's matches, Qdrant's points, Weaviate's objects, the hits of Elasticsearch, the
results of Bedrock's knowledge bases and of OpenAI's vector stores, Chroma's columns, and lists inside a dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from llmtrace._attributes.fields import Fields, either, entries, fields, listed
from llmtrace._attributes.parts import words_of

CONTENT_KEYS: Final = ("content", "text", "page_content")
ID_KEYS: Final = ("id", "id_", "doc_id", "document_id", "node_id", "_id", "uuid", "file_id")
SCORE_KEYS: Final = ("score", "relevance_score", "relevanceScore", "similarity", "_score")
_LISTS: Final = (
    "documents",
    "source_documents",
    "context",
    "matches",
    "points",
    "objects",
    "hits",
    "retrievalResults",
    "results",
    "records",
    "data",
)
_STORED: Final = ("payload", "_source", "properties", "entity")
"""Where Qdrant, Elasticsearch, Weaviate and Milvus keep the fields of what was stored."""


def found_documents(answer: object) -> Sequence[Any]:
    """The documents of an answer: a list as it is, the list inside it, or itself as the only one."""
    items = listed(answer)
    if len(items) != 1 or items[0] is not answer:
        is_rows = len(items) == 1 and type(items[0]) is list and bool(items[0]) and type(items[0][0]) is dict
        return items[0] if is_rows else items  # Milvus answers several questions at once
    found = fields(answer)
    if issubclass(type(answer), str) or either(found, *CONTENT_KEYS) is not None:
        return items
    ids = entries(found.get("ids"))
    if ids and type(ids[0]) is list:
        return _rows(found, ids)
    for name in _LISTS:
        inner = found.get(name)
        if type(inner) is dict:
            inner = inner.get(name)  # there are hits in the hits
        if type(inner) is list:
            return inner
    return items


def _rows(found: Fields, ids: Sequence[Any]) -> list[dict[str, Any]]:
    """Chroma's answer: columns of ids, texts and metadata, each a list for each question."""
    columns = [
        [entry for answered in entries(column) for entry in entries(answered)]
        for column in (ids, found.get("documents"), found.get("metadatas"))
    ]
    names = ("id", "content", "metadata")
    return [dict(zip(names, row, strict=True)) for row in zip_longest(*columns)]


def plain_document(document: object) -> object:
    """A document whose text stands deeper than in a field of its own, as a plain one; any other as it is."""
    found = fields(document)
    content = either(found, *CONTENT_KEYS)
    metadata = either(found, "metadata", "meta", "attributes")
    if content is None:
        stored = either(found, *_STORED)
        inner = fields(metadata if stored is None else stored)
        content = either(inner, *CONTENT_KEYS)
        if type(inner) is not dict or type(content) is not str:
            return document
        metadata = either(inner, "metadata")
        if metadata is None:
            metadata = {name: value for name, value in inner.items() if value is not content}
    elif type(content) is dict or type(content) is list:
        content = words_of(entries(content) or [content])
    if type(content) is not str:
        return document
    names = {"id": either(found, *ID_KEYS), "score": either(found, *SCORE_KEYS)}
    return {**names, "content": content, "metadata": metadata}
