"""What matchers leave possible, as far as that can be said without an alert: contradictions and implications. Pure.

It knows the four severities, words given one by one, and numbers; of other patterns it claims nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product
from typing import Final

from llmtrace.router import patterns
from llmtrace.router.matchers import Matcher, Operator, number
from llmtrace.router.model import SEVERITY
from llmtrace.semconv.alert import Severity

MOST_CASES: Final = 256
"""How many combinations of words are looked at for one route; beyond, it counts as reached."""

_NUMERIC: Final = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
_BELOW: Final = frozenset({Operator.LESS, Operator.AT_MOST})
_STRICT: Final = frozenset({Operator.LESS, Operator.MORE})

Case = Mapping[str, str]
"""Label -> the word that it holds."""


_Bound = tuple[float, bool]
"""A limit (negated for those from above) and whether it is excluded itself: the tighter of two is the greater."""


def contradiction(matchers: Sequence[Matcher]) -> Matcher | None:
    """The first matcher that holds for nothing that those before it leave; None: some alert may match them all."""
    for index, matcher in enumerate(matchers):
        before = [other for other in matchers[: index + 1] if other.name == matcher.name]
        if words(matcher.name, before) == frozenset() or _no_number(before):
            return matcher
    return None


def words(name: str, matchers: Iterable[Matcher]) -> frozenset[str] | None:
    """All values that the label may have; None where there is no end of them."""
    own = [matcher for matcher in matchers if matcher.name == name]
    found = frozenset(Severity) if name == SEVERITY else next(filter(None, map(_given, own)), None)
    return None if found is None else frozenset(word for word in found if all(_may(each, word) for each in own))


def cases(names: Iterable[str], matchers: Sequence[Matcher]) -> list[Case] | None:
    """Every combination of words of these labels that the matchers leave; None where there are too many."""
    finite = {name: found for name in names if (found := words(name, matchers)) is not None}
    combined = list(islice(product(*map(sorted, finite.values())), MOST_CASES + 1))
    return None if len(combined) > MOST_CASES else [dict(zip(finite, each, strict=True)) for each in combined]


def implied(matcher: Matcher, matchers: Sequence[Matcher], case: Case) -> bool:
    """Whether the matcher holds for every alert of the case that matches the others."""
    if matcher in matchers:
        return True
    if matcher.name in case and (case[matcher.name] or matcher.operator not in _NUMERIC):
        return matcher.matches(case)
    if matcher.operator not in _NUMERIC:
        return False
    known = _bound((each for each in matchers if each.name == matcher.name), matcher.operator)
    wanted = _bound([matcher], matcher.operator)
    return known is not None and wanted is not None and known >= wanted


def _given(matcher: Matcher) -> frozenset[str] | None:
    if matcher.operator is Operator.EQUAL:
        return frozenset({matcher.value})
    return patterns.literals(matcher.value) if matcher.operator is Operator.MATCHES else None


def _may(matcher: Matcher, word: str) -> bool:
    """A number is looked for in the annotations too where the label is empty."""
    return matcher.matches({matcher.name: word}) or (matcher.operator in _NUMERIC and not word)


def _no_number(matchers: Sequence[Matcher]) -> bool:
    low, high = _bound(matchers, Operator.MORE), _bound(matchers, Operator.LESS)
    if low is None or high is None:
        return False
    return low[0] > -high[0] or (low[0] == -high[0] and (low[1] or high[1]))


def _bound(matchers: Iterable[Matcher], side: Operator) -> _Bound | None:
    """The tightest bound on the side of this operator."""
    below = side in _BELOW
    limits = ((each, number(each.value)) for each in matchers)
    found = [
        (-limit if below else limit, each.operator in _STRICT)
        for each, limit in limits
        if limit is not None and each.operator in _NUMERIC and (each.operator in _BELOW) is below
    ]
    return max(found, default=None)
