"""What a provider itself says that a call cost, and how often it ran which tool of its own for it."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, fields, kept, whole_number
from llmtrace.semconv import trace as keys

_FORTUNE: Final = 1_000_000
_TICKS: Final = 10_000_000_000
"""Of xAI's, to the dollar."""
_MOST_TOOLS: Final = 32


def put_cost(into: Attributes, billed: object) -> None:
    """The cost in US dollars: OpenRouter says it as a number, Perplexity in parts."""
    total: Any = billed if _is_number(billed) else fields(billed).get("total_cost")
    if _is_number(total) and 0 <= total < _FORTUNE:
        into[keys.LLM_COST_TOTAL] = float(total)


def _is_number(value: object) -> bool:
    return type(value) is float or type(value) is int  # a comparison of the class would be the user's code


def put_ticks(into: Attributes, usage: Fields) -> None:
    """The cost as xAI says it, in parts of a dollar so small that they are whole, and what it ran for it."""
    ticks = whole_number(usage.get("cost_in_usd_ticks"))
    if ticks is not None and 0 <= ticks < _FORTUNE * _TICKS:
        into[keys.LLM_COST_TOTAL] = ticks / _TICKS
    put_server_tools(into, usage.get("server_side_tool_usage_details"))


def put_searches(into: Attributes, usage: Fields) -> None:
    """What Perplexity and OpenRouter say with the bill: searches that they made, and what Perplexity thought."""
    thoughts, searches = (whole_number(usage.get(name)) for name in ("reasoning_tokens", "num_search_queries"))
    if thoughts:
        into[keys.LLM_TOKEN_COUNT_REASONING] = thoughts
    if searches:
        into[keys.SERVER_TOOLS_PREFIX + "search_queries"] = searches
    put_server_tools(into, usage.get("server_tool_use"))


def put_server_tools(into: Attributes, counted: object) -> None:
    """How often the provider ran which tool of its own."""
    for name, count in islice(kept(counted).items(), _MOST_TOOLS):
        if whole_number(count):
            into[keys.SERVER_TOOLS_PREFIX + name] = count
