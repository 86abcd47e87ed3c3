"""Compares what a test expects with what came of it, and shows the difference as a diff that can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from llmtrace.router.config import durations
from llmtrace.router.config.cases import Case, Expected, ExpectedDecision, ExpectedDigest
from llmtrace.router.rehearsal.digests import Bundled
from llmtrace.router.rehearsal.run import Decided, Rehearsed, Told


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a test holds; ``lines`` show the difference where it does not."""

    name: str
    holds: bool
    lines: tuple[str, ...] = ()


def judge(case: Case, rehearsed: Rehearsed) -> Verdict:
    """Every message that is expected must be sent, no other; each expected decision made, each expected digest sent."""
    told = _pair(case.expect, rehearsed.told)
    missing = [wanted for wanted in case.decisions if not any(_decides(wanted, made) for made in rehearsed.decided)]
    unsent = [wanted for wanted in case.digests if not any(_bundles(wanted, sent) for sent in rehearsed.digests)]
    if not missing and not unsent and all(wanted is not None and found is not None for wanted, found in told):
        return Verdict(case.name, holds=True)
    lines = ["messages (- expected, + sent):", *(f"  {line}" for pair in told for line in _difference(*pair))]
    lines += [] if told else ["    none"]
    lines += ["decisions (- expected):"]
    lines += [f"  - {_words(wanted)}" for wanted in missing]
    lines += [f"    {_words(made)}" for made in rehearsed.decided] or ["    none"]
    lines += _digests(unsent, rehearsed.digests) if case.digests else []
    return Verdict(case.name, holds=False, lines=tuple(lines))


_Pair = tuple[Expected | None, Told | None]


def _pair(expected: Sequence[Expected], told: Sequence[Told]) -> list[_Pair]:
    """Each expectation with the first message that fulfils it and none before; the others alone. In order of time."""
    left = list(told)
    pairs: list[_Pair] = []
    for wanted in expected:
        found = next((each for each in left if _fulfils(wanted, each)), None)
        if found is not None:
            left.remove(found)
        pairs.append((wanted, found))
    pairs += [(None, each) for each in left]
    return sorted(pairs, key=_moment)


def _moment(pair: _Pair) -> tuple[timedelta, bool]:
    wanted, found = pair
    return (found if wanted is None else wanted).at, wanted is None  # type: ignore[union-attr]


def _fulfils(wanted: Expected, told: Told) -> bool:
    return (
        (wanted.at, set(wanted.receivers)) == (told.at, set(told.receivers))
        and wanted.tier in (None, told.tier)
        and wanted.reason in (None, told.reason)
        and wanted.phase in (None, told.phase)
        and wanted.step in (None, told.step)
        and (wanted.alerts is None or sorted(wanted.alerts) == sorted(told.alerts))
    )


def _decides(wanted: ExpectedDecision, made: Decided) -> bool:
    return (
        (wanted.at, wanted.alert, wanted.reason) == (made.at, made.alert, made.reason)
        and wanted.tier in (None, made.tier)
        and wanted.route in (None, made.route)
    )


def _bundles(wanted: ExpectedDigest, sent: Bundled) -> bool:
    return (wanted.at, wanted.receiver) == (sent.at, sent.receiver) and wanted.alerts in (None, sent.alerts)


def _digests(unsent: Sequence[ExpectedDigest], sent: Sequence[Bundled]) -> list[str]:
    shown = [f"    {_bundle(each)}" for each in sent] or ["    none: no route and no tier has a schedule"]
    return ["digests (- expected):", *(f"  - {_bundle(each)}" for each in unsent), *shown]


def _bundle(what: ExpectedDigest | Bundled) -> str:
    """One line: when, who, and how many of which alert."""
    alerts = [f"{number} {name}" for name, number in sorted((what.alerts or {}).items())]
    said = "" if what.alerts is None else f"({', '.join(alerts) or 'nothing'})"
    return f"{durations.text(what.at):>6}  {what.receiver:<24} {said}".rstrip()


def _difference(wanted: Expected | None, found: Told | None) -> Iterator[str]:
    if wanted is not None and found is not None:
        yield f"  {_words(wanted)}"
    elif wanted is not None:
        yield f"- {_words(wanted)}"
    elif found is not None:
        yield f"+ {_words(found)}"


def _words(what: Expected | Told | ExpectedDecision | Decided) -> str:
    """One line: when, who or which alert, and what else is said."""
    when = durations.text(what.at)
    if isinstance(what, Expected | Told):
        who = ", ".join(sorted(what.receivers)) or "nobody"
        alerts = None if what.alerts is None else f"({', '.join(sorted(what.alerts))})"
        step = f"step {what.step}" if what.step else None
        said = [what.tier, what.reason, what.phase, step, alerts]
    else:
        who, said = what.alert, [what.reason, what.tier, what.route]
    return f"{when:>6}  {who:<24} {' '.join(str(each) for each in said if each is not None)}".rstrip()
