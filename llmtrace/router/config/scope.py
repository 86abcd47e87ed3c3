"""Whose alerts a digest is about: the team of its routes, or else what they match, at any severity and in any tier.

A digest's routes take what is least urgent. What paged the same team, and what was held back of it, belongs beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llmtrace.router.matchers import Matcher, Operator
from llmtrace.router.model import SEVERITY

TEAM: Final = "team"
EVERYBODY: Final = "all teams"
_LABELLED: Final = frozenset({Operator.EQUAL, Operator.NOT_EQUAL, Operator.MATCHES, Operator.NOT_MATCHES})
"""The others compare numbers, which say how bad it is."""


@dataclass(frozen=True, slots=True)
class Scope:
    """All alerts; or those that fulfil every matcher of one of ``either``, and where it says so what no route takes."""

    either: tuple[tuple[Matcher, ...], ...] = ()
    is_unrouted: bool = False

    @property
    def is_all(self) -> bool:
        """Whether it leaves nothing out."""
        return not self.either

    @property
    def labels(self) -> Sequence[str]:
        """The labels that it asks for."""
        return sorted({matcher.name for matchers in self.either for matcher in matchers})

    def covers(self, labels: Mapping[str, str], *, is_unrouted: bool) -> bool:
        """Whether an alert belongs to it."""
        if self.is_all or (self.is_unrouted and is_unrouted):
            return True
        return any(all(matcher.matches(labels) for matcher in matchers) for matchers in self.either)

    def __str__(self) -> str:
        if self.is_all:
            return EVERYBODY
        parts = [" and ".join(map(_words, matchers)) for matchers in self.either]
        return " or ".join([*parts, *(["what no route takes"] if self.is_unrouted else [])])


def scope_of(ways: Iterable[Sequence[Matcher]], *, is_unrouted: bool) -> Scope:
    """Of routes, each with the matchers on the way to it. One that is about everything makes the others needless."""
    found = tuple(dict.fromkeys(_whose(way) for way in ways))
    return Scope() if () in found else Scope(found, is_unrouted=is_unrouted)


def _whose(way: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """A route that names its team is about the team, whatever else it asks for."""
    said = [matcher for matcher in way if matcher.operator in _LABELLED and matcher.name != SEVERITY]
    return tuple([matcher for matcher in said if matcher.name == TEAM] or said)


def _words(matcher: Matcher) -> str:
    is_name = matcher.name == TEAM and matcher.operator is Operator.EQUAL and matcher.value
    return f"team {matcher.value}" if is_name else str(matcher)
