"""The cost of a model call as ``llm.cost.*``, on the worker; what is on the span already stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llmtrace import pricing
from llmtrace._attributes.fields import whole_number
from llmtrace._forks import importing
from llmtrace._guard import swallowed
from llmtrace._record import Seen
from llmtrace.processors.adding import Adder
from llmtrace.semconv import trace as keys

_COUNTS: Final = (
    keys.LLM_TOKEN_COUNT_PROMPT,
    keys.LLM_TOKEN_COUNT_COMPLETION,
    keys.LLM_TOKEN_COUNT_CACHE_READ,
    keys.LLM_TOKEN_COUNT_CACHE_WRITE,
    keys.CACHE_WRITE_1H_TOKENS,
    keys.LLM_TOKEN_COUNT_PROMPT_AUDIO,
    keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO,
)
"""In the order of `pricing.Tokens`."""
_SPECIAL: Final = dict.fromkeys(_COUNTS[2:]).keys()
_USUAL: Final = 1 << 30
"""Counts below it are what they are."""
_MODELS: Final = {keys.KIND_LLM: keys.LLM_MODEL_NAME, keys.KIND_EMBEDDING: keys.EMBEDDING_MODEL_NAME}


def cost_step() -> tuple[Callable[[Seen], Seen], ...]:
    """The step that adds the cost; none where the price table is not installed."""
    return (add_cost,) if pricing.is_installed() else ()


def cost_adder() -> tuple[Adder, ...]:
    """The same for who adds more than the cost."""
    return (said_cost,) if pricing.is_installed() else ()


def total_of() -> Callable[[Seen], float | None] | None:
    """What says how much a span's call cost, for who does not want it on the span; None without the price table."""
    return _total if pricing.is_installed() else None


def _total(record: Seen) -> float | None:
    found = _cost_of(record)
    return None if found is None else found.total


def add_cost(record: Seen) -> Seen:
    """The span with what its call cost, where that is known."""
    said = said_cost(record)
    return record if said is None else record.plus(said)


def said_cost(record: Seen) -> Mapping[str, float] | None:
    """What is to be said of what a call cost; None where that is not known, or said on the span already."""
    found = _cost_of(record)
    if found is None:
        return None
    prompt, completion, total = found
    return {keys.LLM_COST_PROMPT: prompt, keys.LLM_COST_COMPLETION: completion, keys.LLM_COST_TOTAL: total}


def _cost_of(record: Seen) -> pricing.Cost | None:
    """What a call cost; None where that is not known, or said on the span already."""
    attributes = record.attributes
    model = attributes.get(_MODELS.get(attributes.get(keys.SPAN_KIND, ""), ""))
    if type(model) is not str or keys.LLM_COST_TOTAL in attributes or keys.TOTAL_SECONDS in attributes:
        return None  # Ollama, which measures seconds, runs at home
    tokens = _usual_tokens(attributes) or _tokens(attributes)
    if tokens is None:
        return None
    try:
        return _priced(model, tokens, record)
    except BaseException as error:  # noqa: BLE001 - `guarded`, without the cost of a block for each span
        swallowed("working out a cost", error)
        return None


def _usual_tokens(attributes: Mapping[str, Any]) -> pricing.Tokens | None:
    """What nearly every call says: two counts, and nothing of a cache or of audio. None: it is not like that."""
    asked, answered = attributes.get(keys.LLM_TOKEN_COUNT_PROMPT), attributes.get(keys.LLM_TOKEN_COUNT_COMPLETION)
    if type(asked) is int and type(answered) is int and _SPECIAL.isdisjoint(attributes.keys()):
        return pricing.Tokens(asked, answered) if 0 <= asked < _USUAL and 0 <= answered < _USUAL else None
    return None


def _tokens(attributes: Mapping[str, Any]) -> pricing.Tokens | None:
    """What the call says of its tokens; None where that is nothing, or cannot be."""
    counts: list[int] = []
    is_known = False
    for key in _COUNTS:
        count = whole_number(attributes[key]) if key in attributes else None
        if count is not None and count < 0:
            return None
        is_known = is_known or count is not None
        counts.append(count or 0)
    return pricing.Tokens._make(counts) if is_known else None


def _priced(model: str, tokens: pricing.Tokens, record: Seen) -> pricing.Cost | None:
    if not pricing.is_loaded():
        with importing:
            pricing.load()
    return pricing.cost(model, tokens, _provider(record.attributes), record.start_time)


def _provider(attributes: Any) -> str | None:
    said = attributes.get(keys.LLM_PROVIDER)
    return said if type(said) is str and said else None
