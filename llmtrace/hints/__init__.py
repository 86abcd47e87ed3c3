"""Hint rules, as plain data: which spans llmtrace itself tags with an alert severity, and with which.

A rule reads structure, never content: kind, status, exception type, times, counts, scores. It is checked where it is
made, so a mistake is an error at start. What a condition means stands in `llmtrace.processors.hint_conditions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Final, NoReturn

from llmtrace.exceptions import ConfigurationError
from llmtrace.semconv import trace as keys
from llmtrace.semconv.alert import Severity


class When(StrEnum):
    """What a rule looks for."""

    EXCEPTION = "exception"
    """The span failed, with an exception of one of `exceptions` where they are named."""
    SLOW = "slow"
    """It took longer than `over` seconds."""
    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105 - a condition, no password
    """The first part of a streamed answer came later than `over` seconds after the start."""
    RETRIEVAL_EMPTY = "retrieval_empty"
    """A retrieval found no document."""
    RETRIEVAL_WEAK = "retrieval_weak"
    """The best score of the documents found is below `under`."""
    TOOL_FAILURE = "tool_failure"
    """A tool failed."""
    REFUSAL = "refusal"
    """The model refused, or its provider's filter stopped the answer."""
    ABANDONED = "abandoned"
    """Nobody read the stream to its end."""
    COST = "cost"
    """The call cost more than `over`."""
    TOKENS = "tokens"
    """The call used more than `over` tokens, both ways together."""
    LOW_SCORE = "low_score"
    """An evaluation, the one named `score` or any, scored below `under`."""


EVERY_KIND: Final = "*"
"""In `kinds`: any span, also one without a kind, such as an HTTP request."""
_LEAVES: Final = (keys.KIND_LLM, keys.KIND_EMBEDDING, keys.KIND_RERANKER, keys.KIND_RETRIEVER, keys.KIND_TOOL)
_KINDS: Final[Mapping[When, tuple[str, ...]]] = MappingProxyType(
    {
        # An exception passes through every span above the one that it arose in: one tag is enough.
        When.EXCEPTION: _LEAVES,
        When.SLOW: (keys.KIND_LLM,),
        When.SLOW_FIRST_TOKEN: (keys.KIND_LLM,),
        When.RETRIEVAL_EMPTY: (keys.KIND_RETRIEVER,),
        When.RETRIEVAL_WEAK: (keys.KIND_RETRIEVER,),
        When.TOOL_FAILURE: (keys.KIND_TOOL,),
        When.REFUSAL: (keys.KIND_LLM,),
        When.ABANDONED: (EVERY_KIND,),
        When.COST: (keys.KIND_LLM,),
        When.TOKENS: (keys.KIND_LLM,),
        When.LOW_SCORE: (keys.KIND_EVALUATOR,),
    }
)
_KNOWN_KINDS: Final = (
    *_LEAVES,
    keys.KIND_AGENT,
    keys.KIND_CHAIN,
    keys.KIND_GUARDRAIL,
    keys.KIND_EVALUATOR,
    keys.KIND_PROMPT,
    EVERY_KIND,
)
_TIMES: Final = frozenset({When.SLOW, When.SLOW_FIRST_TOKEN})
_OVER: Final = _TIMES | {When.COST, When.TOKENS}
_UNDER: Final = frozenset({When.RETRIEVAL_WEAK, When.LOW_SCORE})
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_SECONDS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0})
_TEXTS: Final = ("key", "team", "priority", "runbook_url", "score")
_PATTERNS: Final = ("exceptions", "services", "routes", "models", "prompt_versions", "spans")


@dataclass(frozen=True, slots=True)
class HintRule:
    """One rule. Patterns are shell-style (``gpt-4*``), and an empty list of them means any.

    Attributes:
        name: stands in ``llmtrace.alert.source`` as ``rule:<name>``.
        when: what it looks for, one of `When`.
        severity: critical, error, warning or info.
        over: the most that is well: seconds or ``"500ms"``, ``"10s"``, ``"2m"`` for slow and slow_first_token; dollars
            for cost; a number for tokens.
        under: the least that is well, for retrieval_weak and low_score.
        exceptions: types for exception and tool_failure: ``RateLimitError``, ``openai.*``.
        score: for low_score: the evaluation's name.
        key: what the alert is about; default: the rule's name.
        team, priority, runbook_url, regulated, segment: as `tag_alert` takes them.
        kinds: OpenInference span kinds; ``"*"`` is any span. The default depends on `when`.
        services, routes, models, prompt_versions, spans: where the rule holds: service names, paths or route templates
            of the request that the span belongs to, model names, prompt versions, span names.
        unless_tagged: leaves a span alone that the application has tagged itself.
    """

    name: str
    when: When | str
    severity: Severity | str = Severity.WARNING
    over: float | str | None = None
    under: float | None = None
    exceptions: Sequence[str] = ()
    score: str | None = None
    key: str | None = None
    team: str | None = None
    priority: str | None = None
    runbook_url: str | None = None
    regulated: bool = False
    segment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    kinds: Sequence[str] = ()
    services: Sequence[str] = ()
    routes: Sequence[str] = ()
    models: Sequence[str] = ()
    prompt_versions: Sequence[str] = ()
    spans: Sequence[str] = ()
    unless_tagged: bool = False

    def __post_init__(self) -> None:
        """Check every field, and bring it into its one form.

        Raises:
            ConfigurationError: for a field that cannot be.
        """
        name: object = self.name
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"hint rule name={self.name!r:.80}; allowed: up to 64 letters, digits, '_', '.', '-'"
            )
        when = self._word("when", When)
        self._set("when", when)
        self._set("severity", self._word("severity", Severity))
        self._set("over", self._limit("over", when, _OVER))
        self._set("under", self._limit("under", when, _UNDER))
        for key in _TEXTS:
            self._check_text(key)
        for key in ("regulated", "unless_tagged"):
            if not isinstance(getattr(self, key), bool):
                self._refuse(key, "true, false")
        for key in _PATTERNS:
            self._set(key, self._texts(key))
        self._set("kinds", self._texts("kinds") or _KINDS[when])
        if not set(self.kinds) <= set(_KNOWN_KINDS):
            self._refuse("kinds", ", ".join(_KNOWN_KINDS))
        self._check_segment()
        self._check_company(when)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _refuse(self, name: str, allowed: str) -> NoReturn:
        msg = f"hint rule {self.name}: {name}={getattr(self, name)!r:.80}; allowed: {allowed}"
        raise ConfigurationError(msg)

    def _word(self, name: str, words: type[When | Severity]) -> Any:
        value = getattr(self, name)
        try:
            return words(value.strip().lower() if isinstance(value, str) else value)
        except ValueError:
            self._refuse(name, ", ".join(words))

    def _limit(self, name: str, when: When, needed: frozenset[When]) -> float | None:
        value = getattr(self, name)
        if when not in needed:
            if value is not None:
                self._refuse(name, f"nothing, for when={when}")
            return None
        unit = "seconds or a duration such as 500ms, 10s, 2m" if when in _TIMES else "a number"
        if when in _TIMES and isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
            return float(found[1]) * _SECONDS[found[2]]
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self._refuse(name, f"{unit}, for when={when}")
        if name == "over" and value < 0:
            self._refuse(name, f"{unit}, not below 0")
        return float(value)

    def _check_text(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            self._refuse(name, "a text")

    def _texts(self, name: str) -> tuple[str, ...]:
        value = getattr(self, name)
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
            self._refuse(name, "a list of texts")
        return tuple(value)

    def _check_segment(self) -> None:
        segment: object = self.segment
        if not isinstance(segment, Mapping) or not all(
            isinstance(text, str) for pair in segment.items() for text in pair
        ):
            self._refuse("segment", "a mapping of texts to texts")
        self._set("segment", MappingProxyType(dict(segment)))

    def _check_company(self, when: When) -> None:
        if self.exceptions and when not in (When.EXCEPTION, When.TOOL_FAILURE):
            self._refuse("exceptions", f"nothing, for when={when}")
        if self.score is not None and when is not When.LOW_SCORE:
            self._refuse("score", f"nothing, for when={when}")


FIELDS: Final = tuple(attribute.name for attribute in fields(HintRule))
"""The keys of a rule in a file."""

DEFAULTS: Final = (
    HintRule(
        "llm-error", When.EXCEPTION, Severity.ERROR, kinds=(keys.KIND_LLM, keys.KIND_EMBEDDING), unless_tagged=True
    ),
    HintRule(
        "retrieval-error",
        When.EXCEPTION,
        Severity.ERROR,
        kinds=(keys.KIND_RETRIEVER, keys.KIND_RERANKER),
        unless_tagged=True,
    ),
    HintRule("tool-error", When.TOOL_FAILURE, Severity.WARNING, unless_tagged=True),
)
"""What is wrong in any application. An empty retrieval, a refusal, a slow answer are normal in some: no rule here."""
