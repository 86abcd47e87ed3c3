"""Fields of dicts, mappings and SDK objects, read without raising and without reading anything empty.

An SDK object is read from where pydantic stores its fields: that costs a tenth of asking it, and runs no property.
Everything else has to be asked, and may answer anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import islice
from time import perf_counter_ns
from typing import Any, Final, Protocol

from llmtrace._values.serialize import MARK_TIME_UNCOUNTED
from llmtrace._values.spending import spending

AttributeValue = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
Attributes = dict[str, Any]
"""Flat attributes on their way to a span: key -> str, bool, int, float or a tuple of one of them."""

MOST_LISTED: Final = 10_000
"""Entries that are taken from a sequence that is no list: its length cannot be believed."""
_READING: Final = 500_000
"""Nanoseconds that reading such a sequence may take."""
_MOST_A_READ: Final = 300_000
"""Nanoseconds that one read counts at most: the thread may have had to wait for its turn in the middle of it."""
_LARGEST: Final = 2**63


class Fields(Protocol):
    """What a dict and an SDK object have in common."""

    def get(self, name: str, /) -> Any:
        """The value of a field; None where there is none."""


_NOTHING: Final[dict[str, Any]] = {}


class _Asked:
    """An object that has to be asked, field by field."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def get(self, name: str, /) -> Any:
        return read(self._value, name)


def fields(value: object) -> Fields:
    """The fields of a dict, a mapping or an object of any kind; of None, none."""
    kind = type(value)
    if kind is dict:
        return value  # type: ignore[return-value]  # a dict by its exact type
    if value is None:
        return _NOTHING
    try:
        if hasattr(kind, "__pydantic_fields__"):
            stored: dict[str, Any] = value.__dict__
            extra = value.__pydantic_extra__  # type: ignore[attr-defined]  # every pydantic object has it
            return {**stored, **extra} if extra else stored
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a hostile class; it is asked, and fails there
        return _Asked(value)
    return _Asked(value)


def kept(value: object) -> dict[str, Any]:
    """A copy of the fields of a dict or an SDK object that have a value, to be added to; of anything else, empty."""
    found = fields(value)
    if type(found) is not dict:
        return {}
    return {name: item for name, item in found.items() if type(name) is str and item is not None}


def read(value: object, name: str) -> Any:
    """The field `name` of a mapping or an object, properties included; None where there is none or reading it fails."""
    kind = type(value)
    if kind is dict:
        return value.get(name)  # type: ignore[attr-defined]  # a dict by its exact type
    left = spending.left
    if left is None:
        return _asked(value, name)
    if left <= 0:
        return None
    began = perf_counter_ns()
    found = _asked(value, name)
    spending.left = left - min(perf_counter_ns() - began, _MOST_A_READ)
    return found


def _asked(value: object, name: str) -> Any:
    kind = type(value)
    try:
        if issubclass(kind, dict):
            return dict.get(value, name)  # type: ignore[call-overload]  # a dict by the line above
        if issubclass(kind, Mapping):
            return value.get(name)  # type: ignore[attr-defined]  # a mapping by the line above
        return getattr(value, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a property of a foreign object may raise anything
        return None


def first(value: object, names: Iterable[str]) -> Any:
    """The first field of `names` that is there."""
    for name in names:
        found = read(value, name)
        if found is not None:
            return found
    return None


def either(found: Fields, *names: str) -> Any:
    """The first field of `names` that is there, of fields at hand: one field, spelt as several APIs spell it."""
    for name in names:
        value = found.get(name)
        if value is not None:
            return value
    return None


def text(value: object) -> str | None:
    """The text that a field holds, as a plain str; None where it is empty or no text."""
    kind = type(value)
    if kind is str:
        return value or None  # type: ignore[return-value]  # a str by its exact type
    if issubclass(kind, str):
        return str.__str__(value) or None
    return None


def whole_number(value: object) -> int | None:
    """The count that a field holds, as a plain int that fits on the wire; None where it is none."""
    kind = type(value)
    if kind is not int:
        if kind is bool or not issubclass(kind, int | float):
            return None
        if issubclass(kind, float):
            return int(float.__float__(value)) if float.is_integer(value) and abs(value) < _LARGEST else None  # type: ignore[arg-type]
        value = int.__int__(value)  # type: ignore[arg-type]  # an int by the lines above
    return value if -_LARGEST <= value < _LARGEST else None  # type: ignore[operator,return-value]


def entries(value: object) -> Sequence[Any]:
    """The entries of a list or tuple; of anything else, none."""
    kind = type(value)
    if kind is list or kind is tuple:
        return value  # type: ignore[return-value]  # by its exact type
    if issubclass(kind, list):
        return tuple(list.__iter__(value))  # type: ignore[arg-type]
    if issubclass(kind, tuple):
        return tuple(tuple.__iter__(value))  # type: ignore[arg-type]
    return ()


def listed(value: object) -> Sequence[Any]:
    """A list as it is, nothing as an empty one, any other value as a list of one.

    An iterator is one value: reading it would take it away from the app.
    """
    if value is None:
        return ()
    kind = type(value)
    if kind is list or kind is tuple:
        return value  # type: ignore[return-value]  # by its exact type
    if issubclass(kind, list | tuple):
        return entries(value)
    try:
        if not issubclass(kind, _SCALARS) and issubclass(kind, _SEQUENCES):
            return _read_in_time(value)  # type: ignore[arg-type]  # a sequence by the line above
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a foreign sequence may raise anything
        return (value,)
    return (value,)


def _read_in_time(value: Iterable[Any]) -> Sequence[Any]:
    """The entries of a foreign sequence, as many as there is time for, and a mark where there was none for all."""
    found: list[Any] = []
    stop = perf_counter_ns() + _READING
    for item in islice(value, MOST_LISTED):
        found.append(item)
        if perf_counter_ns() > stop:
            found.append(MARK_TIME_UNCOUNTED)
            break
    return found


_SCALARS: Final = (str, bytes, bytearray, memoryview)
_SEQUENCES: Final = (Sequence, AbstractSet, ValuesView)
