"""What guardrails, evaluators and rerankers say: a bool, a number, a word, or an object with the usual fields."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.documents import MOST_DOCUMENTS, put_document
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text, whole_number
from llmtrace._attributes.values import put_value
from llmtrace.semconv import trace as keys

PASSED: Final = "passed"
BLOCKED: Final = "blocked"
_LONGEST_WORD: Final = 256

_GOOD: Final = ("passed", "allowed", "valid", "is_valid", "safe", "is_safe", "validation_passed")
_BAD: Final = ("blocked", "flagged", "triggered", "tripwire_triggered")


def guardrail(answer: object) -> Attributes:
    """A guardrail's answer: True passed, False blocked, a word as it is; else by the usual fields."""
    found = fields(answer)
    outcome = _outcome(answer)
    if outcome is None:
        outcome = _outcome(either(found, *_GOOD))
    if outcome is None and type(flagged := _flagged(found)) is bool:
        outcome = BLOCKED if flagged else PASSED
    if outcome is None:
        outcome = text(either(found, "outcome", "action", "decision"))
    into: Attributes = {}
    put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, answer)
    put_outcome(into, outcome, found.get("score"))
    return into


def _flagged(found: Fields) -> object:
    """Whether something was found to be bad: said by the answer, or as OpenAI's moderation does, of each input."""
    results = [either(fields(result), *_BAD) for result in each(entries(found.get("results")))]
    if results and type(results[0]) is bool:
        return any(flagged is True for flagged in results)
    return either(found, *_BAD)


def put_outcome(into: Attributes, outcome: str | None, score: object) -> None:
    """What a guardrail decided."""
    if outcome is not None:
        into[keys.GUARDRAIL_OUTCOME] = outcome
    number = number_of(score)
    if number is not None:
        into[keys.GUARDRAIL_SCORE] = number


def _outcome(answer: object) -> str | None:
    if type(answer) is bool:
        return PASSED if answer else BLOCKED
    return answer if type(answer) is str and len(answer) <= _LONGEST_WORD and len(answer.split()) == 1 else None


def evaluation(answer: object, name: str) -> Attributes:
    """An evaluator's answer: a bool or a number is a score, a word a label; else by the usual fields."""
    into: Attributes = {}
    put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, answer)
    if type(answer) is bool:
        put_evaluation(into, 0, name, score=float(answer), label=str(answer).lower())
    elif (score := number_of(answer)) is not None:
        put_evaluation(into, 0, name, score=score)
    elif type(answer) is str:
        put_evaluation(into, 0, name, label=answer)
    else:
        found = fields(answer)
        given = (found.get("score"), found.get("label"), either(found, "explanation", "reason", "reasoning"))
        put_evaluation(into, 0, text(found.get("name")) or name, *given)
    return into


def put_evaluation(
    into: Attributes, index: int, name: str, score: object = None, label: object = None, explanation: object = None
) -> bool:
    """One finding of an evaluator; False where there is nothing in it."""
    number, word, why = number_of(score), text(label), text(explanation)
    if number is None and word is None and why is None:
        return False
    prefix = f"{keys.EVALUATIONS}.{index}."
    into[prefix + keys.EVALUATION_NAME] = name
    if number is not None:
        into[prefix + keys.EVALUATION_SCORE] = number
    if word is not None:
        into[prefix + keys.EVALUATION_LABEL] = word
    if why is not None:
        into[prefix + keys.EVALUATION_EXPLANATION] = why
    return True


def put_reranked(into: Attributes, given: Mapping[str, Any], answer: object) -> None:
    """A reranker's answer: documents, or results that name the documents given by their index.

    Args:
        into: receives the attributes.
        given: the span's attributes so far: they have the documents that went in.
        answer: documents, ``{"results": [...]}``, and so on.
    """
    listing = either(fields(answer), "results", "data", "records", "documents")
    items = entries(answer) or entries(listing) or (() if answer is None or listing is not None else (answer,))
    for place, item in enumerate(each(items, MOST_DOCUMENTS)):
        put_document(into, keys.RERANKER_OUTPUT_DOCUMENTS, place, item)
        _take_over(into, given, place, item)


def _take_over(into: Attributes, given: Mapping[str, Any], place: int, item: object) -> None:
    """The content of the document that a result stands for."""
    index = None if type(item) is str else whole_number(fields(item).get("index"))
    if index is None or either(fields(item), "content", "text", "page_content", "document") is not None:
        return
    for field in (keys.DOCUMENT_CONTENT, keys.DOCUMENT_ID, keys.DOCUMENT_METADATA):
        value = given.get(f"{keys.RERANKER_INPUT_DOCUMENTS}.{index}.{field}")
        if value is not None:
            into[f"{keys.RERANKER_OUTPUT_DOCUMENTS}.{place}.{field}"] = value


def number_of(value: object) -> float | None:
    """A score as a plain float; None where it is none."""
    if type(value) is float:
        return value if isfinite(value) else None
    return float(value) if type(value) is int and abs(value) < 2**53 else None
