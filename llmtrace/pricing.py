"""What a call cost, in US dollars, from the price table of ``genai-prices`` (the extra ``pricing``); no span, no I/O.

A model that the table does not know has no cost, rather than a wrong one; nor has a call with tokens for which the
table has no price of their own. Cached tokens are priced as cached. Without the extra nothing has a cost.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from math import lcm
from typing import Any, Final, NamedTuple

PACKAGE: Final = "genai_prices"
_DATA: Final = f"{PACKAGE}.data"
_MILLION: Final = 1_000_000
_NANO: Final = 1_000_000_000

_OWN: Final = frozenset({"input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"})
"""Prices that are multiplied here, in a microsecond; the table's own calculation takes half a millisecond."""
_WITHOUT_TOKENS: Final = re.compile(r".*(?:_5m|_1h|audio|image|video|web_search|social_search|storage_search).*")
"""Prices of tokens that such a call does not have."""
_OPEN_WEIGHTS: Final = re.compile(r"gpt-oss.*|deepseek-(?!(?:chat|reasoner)\Z).*|.*:(?!\d+\Z).*")
"""Names under which anybody may run a model: open weights, and Ollama's ``name:tag``. Priced for a named provider."""
_PROVIDERS: Final = {
    "mistralai": "mistral",
    "mistral_ai": "mistral",
    "xai": "x-ai",
    "x_ai": "x-ai",
    "vertexai": "google",
    "vertex_ai": "google",
    "gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "bedrock": "aws",
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
}
"""What spans call a provider -> what the table calls it."""


class Tokens(NamedTuple):
    """The tokens of one call. The parts are contained in the wholes."""

    prompt: int = 0
    completion: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    prompt_audio: int = 0
    completion_audio: int = 0


_SPECIAL_FROM: Final = Tokens._fields.index("cache_write_1h")
"""The counts from here on are rare, and have prices of their own."""
_NONE_SPECIAL: Final = Tokens()[_SPECIAL_FROM:]


class Cost(NamedTuple):
    """US dollars."""

    prompt: float
    completion: float
    total: float


def is_installed() -> bool:
    """Whether there is a price table."""
    return find_spec(PACKAGE) is not None


def is_loaded() -> bool:
    """Whether the table is in memory; `load` takes half a second."""
    return _DATA in sys.modules


def load() -> None:
    """Read the table into memory."""
    import_module(_DATA)


def cost(model: str, tokens: Tokens, provider: str | None = None, at: datetime | int | None = None) -> Cost | None:
    """What a call cost; None where that is not known.

    Args:
        model: the model that answered, as its provider calls it.
        tokens: what it read and wrote.
        provider: who ran it, in OpenInference's or OpenTelemetry's words; None: whoever the model's name stands for.
        at: when, as nanoseconds since the epoch too; prices change, and some providers are cheaper at night.
    """
    known = _known(model, provider)
    if known is None:
        return None
    if known.only_rates is not None and tokens[_SPECIAL_FROM:] == _NONE_SPECIAL:
        return _at(known.only_rates, tokens)
    prices = known.only_prices or known.model.get_prices(_moment(at))
    found = _by_rates(prices, tokens)
    return _by_table(prices, tokens) if found is None else found


def _moment(at: datetime | int | None) -> datetime:
    if at is None:
        return datetime.now(tz=UTC)
    return at if isinstance(at, datetime) else datetime.fromtimestamp(at / _NANO, tz=UTC)


class _Known(NamedTuple):
    """The table's entry for a model.

    Attributes:
        only_prices: its prices, where they are the same at any time.
        only_rates: these as rates, where they are the same for any prompt too.
    """

    model: Any
    only_prices: Any
    only_rates: _Rates | None


@lru_cache(maxsize=512)
def _known(model: str, provider: str | None) -> _Known | None:
    """The table's entry for a model."""
    name = model.removeprefix("models/")
    if provider is None and _OPEN_WEIGHTS.fullmatch(name.lower()):
        return None
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - an extra, half a second of table

    said = None if provider is None else _PROVIDERS.get(provider.lower(), provider.lower())
    if said is None and name.startswith("text-embedding-3-"):
        said = "openai"  # the table finds a provider by names of chat models only
    try:
        _, found = get_snapshot().find_provider_model(name, None, said, None)
    except LookupError:
        return None
    if isinstance(found.prices, list):
        return _Known(found, None, None)
    rates = _usual(found.prices)
    return _Known(found, found.prices, rates if isinstance(rates, _Rates) else None)


class _Rates(NamedTuple):
    """The four usual prices as whole numbers, so that nothing is rounded before the end.

    Attributes:
        plain: of prompt tokens that were neither read from a cache nor written to it.
        unit: how many of these numbers are a dollar, for a single token.
    """

    plain: int
    cache_read: int
    cache_write: int
    output: int
    unit: int


def _by_rates(prices: Any, tokens: Tokens) -> Cost | None:
    """The cost by the four usual prices; None where others may matter."""
    if tokens[_SPECIAL_FROM:] != _NONE_SPECIAL:
        return None
    stored = _usual(prices)
    if stored is None:
        return None
    return _at(stored if isinstance(stored, _Rates) else _in_tier(stored, tokens.prompt), tokens)


def _at(rates: _Rates, tokens: Tokens) -> Cost:
    plain, of_read, of_written, output, unit = rates
    asked, answered, read, written = tokens[:_SPECIAL_FROM]
    prompt = plain * (asked - read - written) + of_read * read + of_written * written
    completion = output * answered
    return Cost(prompt / unit, completion / unit, (prompt + completion) / unit)


def _in_tier(stored: Mapping[str, Any], prompt: int) -> _Rates:
    """The rates that a prompt of this length has."""
    plain, output = stored["input_mtok"], stored.get("output_mtok", Decimal())
    asked = (plain, stored.get("cache_read_mtok", plain), stored.get("cache_write_mtok", plain), output)
    ratios = [_price(price, prompt).as_integer_ratio() for price in asked]
    unit = lcm(*(denominator for _, denominator in ratios))
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    return _Rates._make((*whole, unit * _MILLION))


_seen: dict[int, tuple[Any, Mapping[str, Any] | _Rates | None]] = {}
"""Prices of the table by their identity, and what `_usual` made of them: there are a few for each model in use."""


def _usual(prices: Any) -> Mapping[str, Any] | _Rates | None:
    """The prices that a model has, as rates where they have no tiers; None where one is none of the four usual ones."""
    known = _seen.get(id(prices))
    if known is None or known[0] is not prices:
        stored: dict[str, Any] | None = {key: price for key, price in vars(prices).items() if price is not None}
        if stored is not None and (
            any(key not in _OWN and not _WITHOUT_TOKENS.fullmatch(key) for key in stored) or "input_mtok" not in stored
        ):
            stored = None
        found: Mapping[str, Any] | _Rates | None = stored
        if stored is not None and all(isinstance(price, Decimal) for key, price in stored.items() if key in _OWN):
            found = _in_tier(stored, 0)
        if len(_seen) >= _MOST_SEEN:
            _seen.clear()
        known = _seen[id(prices)] = (prices, found)
    return known[1]


_MOST_SEEN: Final = 512


def _price(price: Any, prompt: int) -> Decimal:
    """The price of a million tokens; with tiers, that of the highest one that a prompt of this length reaches."""
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if prompt > tier.start]
    found: Decimal = reached[-1] if reached else price.base
    return found


_SPECIAL: Final = (
    ("prompt_audio", "input_audio"),
    ("completion_audio", "output_audio"),
    ("cache_write_1h", "cache_write_1h"),
)


def _by_table(prices: Any, tokens: Tokens) -> Cost | None:
    """The table's own calculation; None where it has no price for a kind of token that the call had."""
    from genai_prices import Usage  # noqa: PLC0415 - as above

    counts = {"input": tokens.prompt, "output": tokens.completion}
    counts |= {"cache_read": tokens.cache_read, "cache_write": tokens.cache_write}
    for field, unit in _SPECIAL:
        count = getattr(tokens, field)
        if count:
            if getattr(prices, f"{unit}_mtok") is None:
                return None
            counts[unit] = count
    found = prices.calc_price(Usage(**{f"{unit}_tokens": count for unit, count in counts.items() if count}))
    return Cost(*(float(found[part]) for part in ("input_price", "output_price", "total_price")))
