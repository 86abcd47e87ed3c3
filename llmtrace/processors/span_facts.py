"""Numbers read from a span's attributes, for hints and metrics alike: tokens, the best document's score, evaluations.

Whatever a third party wrote under these keys, only numbers that can be added up come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmtrace.semconv import trace as keys

_MOST: Final = 256
"""Documents and evaluations looked at: beyond that a list is no longer one that somebody reads."""
_LARGEST: Final = 1e100
"""Beyond it nothing is counted, and the sum of a few would soon be infinite."""


def number(value: object) -> float | None:
    """A number up to 1e100, or None: also for what is infinite or not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        return None
    return value


def total_tokens(attributes: Mapping[str, Any]) -> float | None:
    """The total that was reported, else the sum of both ways."""
    total = number(attributes.get(keys.LLM_TOKEN_COUNT_TOTAL))
    if total is not None:
        return total
    ways = [number(attributes.get(key)) for key in (keys.LLM_TOKEN_COUNT_PROMPT, keys.LLM_TOKEN_COUNT_COMPLETION)]
    known = [way for way in ways if way is not None]
    return sum(known) if known else None


def top_score(attributes: Mapping[str, Any]) -> float | None:
    """The best score among a retrieval's documents."""
    scores = (
        number(attributes.get(f"{keys.RETRIEVAL_DOCUMENTS}.{place}.{keys.DOCUMENT_SCORE}"))
        for place in range(_documents(attributes))
    )
    return max((score for score in scores if score is not None), default=None)


def _documents(attributes: Mapping[str, Any]) -> int:
    count = number(attributes.get(keys.RETRIEVAL_COUNT))
    if count is not None:
        return min(int(count), _MOST)
    # A third party does not say how many there are: as many as follow one another.
    place = 0
    while place < _MOST and any(f"{keys.RETRIEVAL_DOCUMENTS}.{place}.{field}" in attributes for field in _FIELDS):
        place += 1
    return place


_FIELDS: Final = (keys.DOCUMENT_CONTENT, keys.DOCUMENT_ID, keys.DOCUMENT_SCORE)


def evaluations(attributes: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Name and score of each finding of an evaluator that has a score."""
    return ((name, score) for name, score, _ in findings(attributes) if score is not None)


def findings(attributes: Mapping[str, Any]) -> Iterator[tuple[str, float | None, object]]:
    """Name, score and label of each finding of an evaluator."""
    for place in range(_MOST):
        prefix = f"{keys.EVALUATIONS}.{place}."
        name = attributes.get(prefix + keys.EVALUATION_NAME)
        if name is None:
            return
        score = number(attributes.get(prefix + keys.EVALUATION_SCORE))
        yield str(name), score, attributes.get(prefix + keys.EVALUATION_LABEL)
