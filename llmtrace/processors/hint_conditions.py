"""What each condition of a hint rule means: from an ended span to the reason why it holds, or None.

They read kind, status, exception types, times, counts and scores, never a text that somebody wrote, and their reasons
are made of these alone: rules work, and say the same, where no content may leave the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.trace import StatusCode

from llmtrace._record import Seen
from llmtrace.hints import HintRule, When
from llmtrace.processors.span_facts import evaluations, number, top_score, total_tokens
from llmtrace.semconv import trace as keys

Condition = Callable[[Seen], str | None]
"""Takes an ended span; the reason in words where the condition holds."""

_NANO: Final = 1e-9
_MODELS: Final = (
    keys.LLM_REQUEST_MODEL_NAME,
    keys.LLM_MODEL_NAME,
    keys.EMBEDDING_MODEL_NAME,
    keys.RERANKER_MODEL_NAME,
)
_ABANDONED: Final = "abandoned"
_LONGEST_TYPE: Final = 128
REFUSING_REASONS: Final = frozenset(
    {"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety"}
)
"""Finish reasons, in lower case, of a model that refused or a filter that stopped it: OpenAI, Anthropic, Gemini."""


def condition(rule: HintRule) -> Condition:
    """The condition of a rule, with its limits filled in."""
    return _MAKERS[When(rule.when)](rule)


def _failed(rule: HintRule) -> Condition:
    matches = any_of(rule.exceptions)

    def failed(record: Seen) -> str | None:
        if record.status.status_code is not StatusCode.ERROR:
            return None
        types = tuple(_exception_types(record))
        if rule.exceptions and not any(matches(name) or matches(name.rpartition(".")[2]) for name in types):
            return None
        return f"failed with {types[-1]}" if types else "failed"

    return failed


def _exception_types(record: Seen) -> Iterator[str]:
    for event in record.events:
        if event.name == "exception" and event.attributes:
            yield str(event.attributes.get(exc.EXCEPTION_TYPE, ""))[:_LONGEST_TYPE]


def _slow(rule: HintRule) -> Condition:
    most = _limit(rule.over)

    def slow(record: Seen) -> str | None:
        seconds = record.duration * _NANO
        return f"took {seconds:.2f} s, over {most:g} s" if seconds > most else None

    return slow


def _over(key: str, words: str) -> Callable[[HintRule], Condition]:
    def maker(rule: HintRule) -> Condition:
        most = _limit(rule.over)

        def over(record: Seen) -> str | None:
            value = number(record.attributes.get(key))
            return words.format(value, most) if value is not None and value > most else None

        return over

    return maker


def _tokens(rule: HintRule) -> Condition:
    most = _limit(rule.over)

    def tokens(record: Seen) -> str | None:
        used = total_tokens(record.attributes)
        return f"used {used} tokens, over {most:g}" if used is not None and used > most else None

    return tokens


def _retrieval_empty(_: HintRule) -> Condition:
    def empty(record: Seen) -> str | None:
        found = record.attributes.get(keys.RETRIEVAL_COUNT)
        return "found no document" if found == 0 and type(found) is int else None

    return empty


def _retrieval_weak(rule: HintRule) -> Condition:
    least = _limit(rule.under)

    def weak(record: Seen) -> str | None:
        best = top_score(record.attributes)
        return f"the best score is {best:.3g}, under {least:g}" if best is not None and best < least else None

    return weak


def _refusal(_: HintRule) -> Condition:
    def refusal(record: Seen) -> str | None:
        if record.attributes.get(keys.LLM_REFUSED) is True:
            return "the model refused"
        reason = record.attributes.get(keys.LLM_FINISH_REASON)
        # A known word, never the one that was sent: a proxy may put anything there.
        if isinstance(reason, str) and (word := reason.lower()) in REFUSING_REASONS:
            return f"the answer ended with {word}"
        return None

    return refusal


def _abandoned(_: HintRule) -> Condition:
    def abandoned(record: Seen) -> str | None:
        is_so = record.attributes.get(keys.STREAM_OUTCOME) == _ABANDONED
        return "nobody read the stream to its end" if is_so else None

    return abandoned


def _low_score(rule: HintRule) -> Condition:
    least = _limit(rule.under)

    def low(record: Seen) -> str | None:
        for name, score in evaluations(record.attributes):
            if score < least and rule.score in (None, name):
                return f"scored {score:.3g}, under {least:g}"
        return None

    return low


def _limit(value: float | str | None) -> float:
    """A limit that the rule has checked already."""
    return value if isinstance(value, float) else 0.0


_MAKERS: Final[Mapping[When, Callable[[HintRule], Condition]]] = MappingProxyType(
    {
        When.EXCEPTION: _failed,
        When.TOOL_FAILURE: _failed,
        When.SLOW: _slow,
        When.SLOW_FIRST_TOKEN: _over(keys.TIME_TO_FIRST_TOKEN, "the first token came after {:.2f} s, over {:g} s"),
        When.RETRIEVAL_EMPTY: _retrieval_empty,
        When.RETRIEVAL_WEAK: _retrieval_weak,
        When.REFUSAL: _refusal,
        When.ABANDONED: _abandoned,
        When.COST: _over(keys.LLM_COST_TOTAL, "cost {:.4g}, over {:g}"),
        When.TOKENS: _tokens,
        When.LOW_SCORE: _low_score,
    }
)


def scope(rule: HintRule) -> Callable[[Seen], bool]:
    """Whether a span is where the rule holds: its service, route, model, prompt version and name."""
    tests: list[Callable[[Seen], bool]] = []
    for patterns, values in (
        (rule.spans, lambda record: (record.name,)),
        (rule.models, _attribute(*_MODELS)),
        (rule.prompt_versions, _attribute(keys.PROMPT_VERSION)),
        (rule.services, lambda record: (record.resource.attributes.get(keys.SERVICE_NAME),)),
        (rule.routes, lambda record: record.routes),
    ):
        if patterns:
            tests.append(_matching(any_of(patterns), values))
    return lambda record: all(test(record) for test in tests)


def _attribute(*names: str) -> Callable[[Seen], tuple[Any, ...]]:
    return lambda record: tuple(record.attributes.get(name) for name in names)


def _matching(matches: Callable[[str], bool], values: Callable[[Seen], Any]) -> Callable[[Seen], bool]:
    return lambda record: any(isinstance(value, str) and matches(value) for value in values(record))


def any_of(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a text matches one of these shell-style patterns, case and all."""
    compiled = re.compile("|".join(translate(pattern) for pattern in patterns))
    return lambda text: compiled.fullmatch(text) is not None
