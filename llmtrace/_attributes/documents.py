"""Documents of any common shape -> OpenInference's flat documents: id, content, score, metadata."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, fields, first, read, text
from llmtrace._attributes.stores import CONTENT_KEYS, ID_KEYS, SCORE_KEYS, found_documents, plain_document
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

MOST_DOCUMENTS: Final = 500
"""Documents of one list that are flattened: half of them from its beginning, half from its end."""
_MOST_FIELDS: Final = 64
_PAIR: Final = 2


def put_documents(into: Attributes, list_key: str, documents: object) -> int:
    """Flatten retrieved documents and return how many there were.

    A document is a text, a dict or an object with ``content``/``text``/``page_content`` and optional ``id``, ``score``,
    ``metadata``; a pair ``(document, score)``; or a node with ``.node`` and ``.score``.
    """
    items = found_documents(documents)
    for index, document in enumerate(each(items, MOST_DOCUMENTS)):
        put_document(into, list_key, index, document)
    return len(items)


def put_document(into: Attributes, list_key: str, index: int, document: object) -> None:
    """Flatten one document to the place `index` of a list."""
    prefix = f"{list_key}.{index}."
    inner = _unwrapped(document)
    outer_score = None if inner is document else first(document, SCORE_KEYS)  # rerankers put it beside the document
    document, score = _with_score(inner)
    if score is None:
        score = outer_score
    if issubclass(type(document), str):
        into[prefix + keys.DOCUMENT_CONTENT] = str.__str__(document)
    else:
        _put_document_fields(into, prefix, document)
    number = _number(score)
    if number is not None:
        into[prefix + keys.DOCUMENT_SCORE] = number


def _unwrapped(document: object) -> object:
    """OpenInference's own nested form (``{"document": {..}}`` or ``{"document.content": ..}``) -> a plain document.

    Rerankers nest it too: its text, or a document with its text.
    """
    if type(document) is tuple or issubclass(type(document), str):
        return document
    inner = read(document, "document")
    if type(inner) is dict or type(inner) is str or (inner is not None and type(fields(inner)) is dict):
        return inner
    if type(document) is not dict:
        return document
    if len(document) <= _MOST_FIELDS and any(type(key) is str and key.startswith("document.") for key in document):
        return {key.removeprefix("document."): value for key, value in document.items() if type(key) is str}
    return document


def _with_score(document: object) -> tuple[object, object]:
    if type(document) is tuple and len(document) == _PAIR and _number(document[1]) is not None:
        return document
    if issubclass(type(document), str):
        return document, None
    node = None if type(document) is dict else read(document, "node")
    return (document, first(document, SCORE_KEYS)) if node is None else (node, read(document, "score"))


def _number(score: object) -> float | None:
    """The score as a plain float; None where it is none, or beyond all bounds."""
    kind = type(score)
    try:
        if issubclass(kind, float):
            return float.__float__(score)  # type: ignore[arg-type]  # a float by the line above
        return float(int.__int__(score)) if issubclass(kind, int) else None  # type: ignore[arg-type]
    except OverflowError:
        return None


def _put_document_fields(into: Attributes, prefix: str, document: object) -> None:
    content = first(document, CONTENT_KEYS)
    if not issubclass(type(content), str):
        document = plain_document(document)
        content = first(document, CONTENT_KEYS)
    into[prefix + keys.DOCUMENT_CONTENT] = to_text(document if content is None else content)
    identity = first(document, ID_KEYS)
    if issubclass(type(identity), str | int):
        into[prefix + keys.DOCUMENT_ID] = to_text(identity)
    metadata = first(document, ("metadata", "meta"))
    if metadata is not None:
        rendered = text(metadata) or to_json(metadata)
        if rendered not in ("{}", '""'):
            into[prefix + keys.DOCUMENT_METADATA] = rendered
