"""What came out of a span of each kind, as attributes: the counterpart of `_inputs`. Pure."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes import Attributes, put_documents
from llmtrace._attributes.late import put_later
from llmtrace.recorders import embedding, llm_accumulator, llm_answer, verdict
from llmtrace.recorders.items import DocumentAccumulator, ItemAccumulator
from llmtrace.recorders.shape import Accumulator
from llmtrace.semconv import trace as keys

TAKEN_AS_IT_IS: Final = (keys.KIND_TOOL, keys.KIND_CHAIN, keys.KIND_AGENT, keys.KIND_RETRIEVER, keys.KIND_PROMPT)
"""The kinds of spans whose output is whatever came out, and means nothing more."""


def answer(kind: str | None, name: str, present: Attributes, value: Any) -> Attributes:
    """An output of any type.

    Args:
        kind: OpenInference's kind of the span.
        name: the span's name.
        present: the attributes that the span has so far.
        value: what came out.
    """
    into: Attributes = {}
    match kind:
        case keys.KIND_LLM:
            return llm_answer(value)
        case keys.KIND_EMBEDDING:
            return embedding.attributes(value)
        case keys.KIND_GUARDRAIL:
            return verdict.guardrail(value)
        case keys.KIND_EVALUATOR:
            return verdict.evaluation(value, name)
        case keys.KIND_RERANKER:
            verdict.put_reranked(into, present, value)
        case _:
            put_later(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, value)
    return into


def documents(kind: str | None, present: Attributes, value: Any) -> Attributes:
    """Documents that were found, or put in order."""
    into: Attributes = {}
    if kind == keys.KIND_RERANKER:
        verdict.put_reranked(into, present, value)
    else:
        into[keys.RETRIEVAL_COUNT] = put_documents(into, keys.RETRIEVAL_DOCUMENTS, value)
    return into


def guardrail(passed: bool | str, score: float | None, reason: str | None) -> Attributes:
    """What a guardrail decided."""
    given = {"outcome": passed, "score": score, "reason": reason}
    if type(passed) is bool:
        given["outcome"] = verdict.PASSED if passed else verdict.BLOCKED
    return verdict.guardrail({name: value for name, value in given.items() if value is not None})


def evaluation(
    name: str, present: Attributes, score: float | None, label: str | None, explanation: str | None
) -> Attributes:
    """One finding of an evaluator, beside those that are present."""
    into: Attributes = {}
    index = sum(key.endswith(keys.EVALUATION_NAME) for key in present)
    if verdict.put_evaluation(into, index, name, score, label, explanation):
        found = {"score": score, "label": label, "explanation": explanation}
        value = {key: item for key, item in found.items() if item is not None}
        put_later(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, value)
    return into


def accumulator(kind: str | None, first_chunk: object) -> Accumulator:
    """What puts a stream together."""
    if kind == keys.KIND_LLM:
        return llm_accumulator(first_chunk)
    return DocumentAccumulator() if kind == keys.KIND_RETRIEVER else ItemAccumulator()
