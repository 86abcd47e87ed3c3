"""Label matchers: Alertmanager's ``= != =~ !~``, and ``< <= > >=`` for numbers, wherever alerts are chosen.

A missing label is the empty string. Regular expressions match the whole value; they are written in the part of the
syntax that Python and RE2 share, so that a rule means the same here and in Alertmanager.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final, Protocol

from llmtrace.router.model import Alert


class Operator(StrEnum):
    """How a label is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    NOT_MATCHES = "!~"
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


_NUMERIC: Final[Mapping[Operator, Callable[[float, float], bool]]] = MappingProxyType(
    {
        Operator.LESS: operator.lt,
        Operator.AT_MOST: operator.le,
        Operator.MORE: operator.gt,
        Operator.AT_LEAST: operator.ge,
    }
)
_SYNTAX: Final = re.compile(r"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!=|!~|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL | re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPES: Final = MappingProxyType({'\\"': '"', "\\\\": "\\", "\\n": "\n"})
_NOT_RE2: Final = re.compile(r"\\[1-9]|\(\?(?:[=!(>#]|<[=!]|P=)", re.ASCII)
_NO_MEASURES: Final[Mapping[str, str]] = MappingProxyType({})


class MatcherError(ValueError):
    """A matcher cannot be read. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of one label. Read one from text with ``parse``."""

    name: str
    operator: Operator
    value: str

    def __post_init__(self) -> None:
        if self.operator in _NUMERIC and number(self.value) is None:
            raise MatcherError(f"{self.operator} compares numbers, and {self.value!r} is none")
        if self.operator in (Operator.MATCHES, Operator.NOT_MATCHES):
            _check_pattern(self.value)

    def matches(self, labels: Mapping[str, str], measures: Mapping[str, str] = _NO_MEASURES) -> bool:
        """Whether it holds. A number is looked for in ``labels``, then in ``measures`` (an alert's annotations)."""
        compare = _NUMERIC.get(self.operator)
        if compare is not None:
            found, limit = number(labels.get(self.name) or measures.get(self.name, "")), number(self.value)
            return found is not None and limit is not None and compare(found, limit)
        label = labels.get(self.name, "")
        if self.operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            return (label == self.value) is (self.operator is Operator.EQUAL)
        return (_pattern(self.value).fullmatch(label) is not None) is (self.operator is Operator.MATCHES)

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{escaped}"'


class _Matching(Protocol):
    """A matcher, as far as it is asked here."""

    def matches(self, labels: Mapping[str, str], measures: Mapping[str, str], /) -> bool:
        """Whether it holds."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Whoever matches is not told from ``starts_at`` until ``ends_at``, because of ``comment``."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str

    def mutes(self, alert: Alert, now: datetime) -> bool:
        """Whether the alert is not to be told now."""
        return self.starts_at <= now < self.ends_at and all_match(self.matchers, alert.labels, alert.annotations)


def parse(text: str) -> Matcher:
    r"""Read ``name operator value``; the value may stand in double quotes, with ``\"``, ``\\`` and ``\n``.

    Raises:
        MatcherError: where the text is no matcher.
    """
    found = _SYNTAX.fullmatch(text)
    if found is None:
        raise MatcherError("not of the form name operator value, with one of = != =~ !~ < <= > >=")
    name, symbol, value = found.groups()
    return Matcher(name, Operator(symbol), _unquote(value))


def all_match(matchers: Iterable[_Matching], labels: Mapping[str, str], measures: Mapping[str, str]) -> bool:
    """Whether every matcher holds; none at all holds always."""
    return all(matcher.matches(labels, measures) for matcher in matchers)


def number(text: str) -> float | None:
    """The finite number that ``text`` spells, else None."""
    bare = text.strip()
    value = float(bare) if _NUMBER.fullmatch(bare) else math.inf
    return value if math.isfinite(value) else None


def _unquote(value: str) -> str:
    if not value.startswith('"') and not value.endswith('"'):
        return value
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        raise MatcherError(f"the quotes around {value} do not close")
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), quoted[1], flags=re.DOTALL)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Kept for good, unlike in `re` itself: patterns come from the rules, and there may be more than 512."""
    return re.compile(text, re.ASCII)


def _check_pattern(pattern: str) -> None:
    try:
        _pattern(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise MatcherError(f"{pattern!r} is no regular expression: {error}") from error
    foreign = _NOT_RE2.search(re.sub(r"\\[^1-9]", "", pattern))
    if foreign is not None:
        raise MatcherError(f"{pattern!r} uses {foreign[0]!r}, which RE2 does not have")
