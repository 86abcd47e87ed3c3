"""Label matchers: Alertmanager's ``= != =~ !~``, and ``< <= > >=`` for numbers, wherever alerts are chosen.

A missing label is the empty string. Regular expressions are RE2's and match the whole value, so that a rule means the
same here and in Alertmanager.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

from llmtrace.router import patterns
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
_BARE_QUOTE: Final = re.compile(r'(?:[^"\\]|\\.|\\$)*"', re.DOTALL)
_LIST: Final = frozenset(",{}")
"""Where Alertmanager reads several matchers in one text, which here would be one that never holds."""
_ESCAPES: Final = MappingProxyType({'\\"': '"', "\\\\": "\\", "\\n": "\n"})
_NO_MEASURES: Final[Mapping[str, str]] = MappingProxyType({})


class MatcherError(ValueError):
    """A matcher cannot be read. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison of one label. Read one from text with ``parse``."""

    name: str
    operator: Operator
    value: str
    _holds: Callable[[str], bool] = field(init=False, repr=False, compare=False)
    """Of the label's text. Made once: a decision asks thousands of matchers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_holds", _test(self.operator, self.value))

    def matches(self, labels: Mapping[str, str], measures: Mapping[str, str] = _NO_MEASURES) -> bool:
        """Whether it holds. A number is looked for in ``labels``, then in ``measures`` (an alert's annotations)."""
        label = labels.get(self.name, "")
        if not label and self.operator in _NUMERIC:
            label = measures.get(self.name, "")
        return self._holds(label)

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
    for matcher in matchers:  # noqa: SIM110 - half the time of all()
        if not matcher.matches(labels, measures):
            return False
    return True


def number(text: str) -> float | None:
    """The finite number that ``text`` spells, else None."""
    bare = text.strip()
    value = float(bare) if _NUMBER.fullmatch(bare) else math.inf
    return value if math.isfinite(value) else None


def _unquote(value: str) -> str:
    """Escapes count in bare values too, as Alertmanager has it."""
    inner = value
    if value.startswith('"'):
        closed = len(value) > 1 and value.endswith('"')
        inner = value[1:-1] if closed else value[1:]
        if not closed or _ends_escaped(inner):
            raise MatcherError(f"the quotes around {value} do not close")
    elif not _LIST.isdisjoint(value):
        raise MatcherError(f"commas and braces in {value} without quotes; allowed: one matcher, its value in quotes")
    if _BARE_QUOTE.match(inner):
        raise MatcherError(f'a quote inside of {value}; allowed: \\" in its place')
    return re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), inner, flags=re.DOTALL)


def _ends_escaped(text: str) -> bool:
    """Whether the character after the text would be an escaped one."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _test(symbol: Operator, value: str) -> Callable[[str], bool]:
    """What a matcher asks of a label's text."""
    if symbol in _NUMERIC:
        return _comparison(symbol, value)
    if symbol is Operator.EQUAL:
        return partial(operator.eq, value)
    if symbol is Operator.NOT_EQUAL:
        return partial(operator.ne, value)
    try:
        matches = patterns.compiled(value)
    except patterns.PatternError as error:
        raise MatcherError(f"{value!r} is no regular expression of RE2: {error}") from error
    return matches if symbol is Operator.MATCHES else lambda label: not matches(label)


def _comparison(symbol: Operator, value: str) -> Callable[[str], bool]:
    limit = number(value)
    if limit is None:
        raise MatcherError(f"{symbol} compares numbers, and {value!r} is none")
    compare = _NUMERIC[symbol]

    def holds(label: str) -> bool:
        found = number(label)
        return found is not None and compare(found, limit)

    return holds
