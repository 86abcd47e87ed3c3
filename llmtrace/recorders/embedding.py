"""Answers of embedding models: vectors, model and tokens, of the usual providers or as bare lists and arrays."""

from __future__ import annotations

from array import array
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, either, entries, fields, read, text, whole_number
from llmtrace._values.storage import top_module
from llmtrace.semconv import trace as keys

MOST_VECTORS: Final = 1_000
"""Vectors of one answer that are recorded; the count goes on."""

MOST_NUMBERS: Final = 50_000
"""Numbers of all these vectors together: 32 of 1,536 dimensions; no vector is longer."""
_FLOAT_BYTES: Final = 4
_HELD: Final = ("embedding", "values", "vector", "embeddings")
_TYPES: Final = ("float", "float_", "int8", "uint8")
"""Of Cohere: numbers of which kind; its binary ones are no vectors."""
_MOST_ENCODED: Final = MOST_NUMBERS * _FLOAT_BYTES * 4 // 3 + 4


def attributes(answer: object) -> Attributes:
    """What an answer says.

    Known: OpenAI (``data[].embedding``, floats or base64), Gemini and Cohere (``embeddings``), Ollama, Voyage, a list
    of vectors, one vector, an array with ``tolist``.
    """
    into: Attributes = {}
    found = fields(answer)
    model = text(either(found, "model", "model_id"))
    if model is not None:
        into[keys.EMBEDDING_MODEL_NAME] = model
    _put_tokens(into, found)
    items = _items(answer)
    vectors = list(_within_room(items[:MOST_VECTORS]))
    for index, vector in enumerate(vectors):
        into[f"{keys.EMBEDDING_EMBEDDINGS}.{index}.{keys.EMBEDDING_VECTOR}"] = vector
    if vectors:
        into[keys.EMBEDDING_COUNT] = len(items)
        into[keys.EMBEDDING_DIMENSIONS] = len(vectors[0])
    return into


def _within_room(items: Sequence[Any]) -> Iterator[Sequence[float]]:
    """The vectors, as many of them as there is room and time for."""
    room = MOST_NUMBERS
    for item in each(items):
        if room <= 0:
            return
        vector = _vector(item)
        room -= len(vector)
        if vector:
            yield vector


def _put_tokens(into: Attributes, found: Any) -> None:
    usage = fields(found.get("usage"))
    prompt = whole_number(either(usage, "prompt_tokens", "input_tokens"))
    if prompt is None:
        billed = fields(fields(found.get("meta")).get("billed_units"))  # Cohere's
        given = (
            found.get("prompt_eval_count"),
            found.get("inputTextTokenCount"),
            found.get("input_token_count"),
            billed.get("input_tokens"),
        )
        prompt = next((count for value in given if (count := whole_number(value)) is not None), None)
    total = whole_number(either(usage, "total_tokens"))
    if total is None:
        total = whole_number(found.get("total_tokens"))
    for key, count in ((keys.LLM_TOKEN_COUNT_PROMPT, prompt), (keys.LLM_TOKEN_COUNT_TOTAL, total)):
        if count is not None:
            into[key] = count


def _items(answer: object) -> Sequence[Any]:
    """What holds the vectors of an answer, in their order."""
    data = _plain(answer)
    if not entries(data):
        found = fields(answer)
        data = either(found, "data", "embeddings", "embedding", "predictions", "results")
        by_type = either(fields(data), *_TYPES) if type(data) is not list else None
        data = _plain(data if by_type is None else by_type)
    items = entries(data)
    return [items] if items and _is_number(items[0]) else items


def _vector(item: object) -> Sequence[float]:
    """One vector: a list, an array, base64 text, or an object that holds one."""
    if type(item) is str:
        return _decoded(item)
    held = None if type(item) in (list, tuple) else either(fields(item), *_HELD)
    if type(held) is list and len(held) == 1 and type(held[0]) is list:
        held = held[0]  # llama.cpp and Snowflake: a vector for each part that was pooled
    elif type(held) is dict:
        held = held.get("values")  # Vertex
    if type(held) is str:
        return _decoded(held)
    return _floats(entries(_plain(item if held is None or callable(held) else held)))


def _plain(value: object) -> object:
    """An array as a list of numbers or of smaller arrays: numpy's are asked, as nothing else can read them."""
    if top_module(type(value)) not in ("numpy", "array"):
        return value
    return list(value) if read(value, "ndim") not in (None, 1) else value.tolist()  # type: ignore[attr-defined,call-overload]


def _decoded(encoded: str) -> Sequence[float]:
    if len(encoded) > _MOST_ENCODED:
        return ()
    try:
        raw = b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        return ()
    numbers = array("f")
    numbers.frombytes(raw[: len(raw) // _FLOAT_BYTES * _FLOAT_BYTES])
    return tuple(numbers)


def _floats(items: Sequence[Any]) -> Sequence[float]:
    if len(items) > MOST_NUMBERS:
        return ()
    if set(map(type, items)) == {float}:
        return tuple(items)
    return tuple(float(item) for item in items) if all(_is_number(item) for item in items) else ()


def _is_number(item: object) -> bool:
    return type(item) is float or (type(item) is int and abs(item) < 2**63)
