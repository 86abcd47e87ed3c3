"""User-given attributes -> ones that OTLP carries: bounded, and independent of what the caller does to them later."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from time import perf_counter_ns
from typing import Any, Final

from llmtrace._attributes import Attributes
from llmtrace._guard import guarded
from llmtrace._values.serialize import to_json, to_text

_MOST_ITEMS: Final = 10_000
"""Items of a list that stays a list; a longer one becomes the beginning of its JSON."""
_MOST_ATTRIBUTES: Final = 10_000
_ATTRIBUTES_BUDGET: Final = 2_000_000
"""What one call may bring, in number and in nanoseconds of rendering: a mapping may be endless."""


def is_plain(kind: type) -> bool:
    """Whether values of exactly this type can be an attribute as they are."""
    return kind is str or kind is int or kind is bool or kind is float


def clean_value(value: object) -> Any:
    """An attribute value of any type -> one that OTLP carries, independent of what the caller does to it later."""
    kind = type(value)  # by identity: a foreign object may lie about its class, or its metaclass raise when compared
    if is_plain(kind):
        return value
    if kind is list or kind is tuple:
        if len(value) > _MOST_ITEMS:  # type: ignore[arg-type] # as below
            return to_json(value)
        items: tuple[object, ...] = tuple(value)  # type: ignore[arg-type] # it is a list or a tuple
        return items if all(is_plain(type(item)) for item in items) else to_json(items)
    return to_json(value) if kind is dict else to_text(value)


def clean_attributes(attributes: Mapping[str, Any] | None) -> Attributes:
    """User-given attributes -> ours; None values are left out, as OpenTelemetry demands."""
    cleaned: Attributes = {}
    if attributes is None:
        return cleaned
    with guarded("reading attributes"):
        stop = perf_counter_ns() + _ATTRIBUTES_BUDGET
        for key, value in islice(attributes.items(), _MOST_ATTRIBUTES):
            if value is None:
                continue
            cleaned[key if type(key) is str else to_text(key)] = clean_value(value)
            if not is_plain(type(value)) and perf_counter_ns() > stop:
                break
    return cleaned
