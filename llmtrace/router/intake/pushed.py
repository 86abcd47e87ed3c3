"""The quick way for what a Prometheus pushes: decoded and checked in C, thousands of alerts a second.

It takes only what is wholly ordinary, and says None to all else; that goes the careful way, which also knows what to
complain about. Both come to the same alerts: a test compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from llmtrace.router.intake.body import MOST_ALERTS
from llmtrace.router.intake.severities import AS_SENT, severity_of
from llmtrace.router.intake.texts import LONGEST_ANNOTATION, LONGEST_LABEL
from llmtrace.router.model import SEVERITY, SOURCE, Alert, Annotation, Status
from llmtrace.secrets import redact, suspected

_LONGEST_URL: Final = 1_024
_FIRST_YEAR: Final = "1970"
_MOST_KNOWN: Final = 4_096
_LONGEST_KNOWN: Final = 2_048
"""Characters of the texts of a body; larger ones seldom come again."""
_REASON: Final = Annotation.REASON.value
_RUNBOOK_URL: Final = Annotation.RUNBOOK_URL.value
_SOURCE_URL: Final = Annotation.SOURCE_URL.value


class _Pushed(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815 - Alertmanager's own name
    endsAt: str = ""  # noqa: N815 - Alertmanager's own name
    generatorURL: str = ""  # noqa: N815 - Alertmanager's own name


_DECODER: Final = msgspec.json.Decoder(list[_Pushed])


def read(body: bytes, timeout: timedelta, now: datetime) -> list[Alert] | None:
    """The alerts of a body, or None where the careful way must look."""
    try:
        pushed = _DECODER.decode(body)
        if len(pushed) > MOST_ALERTS or not _is_ordinary(pushed):
            return None
        return [_alert(each, timeout, now) for each in pushed]
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return None


def _is_ordinary(pushed: Iterable[_Pushed]) -> bool:
    """Whether nothing has to be cleaned: names that labels may have, texts that are short, no secret, no NUL."""
    said: set[str] = set()
    for each in pushed:
        labels, annotations = each.labels, each.annotations
        if not labels or not all(map(_is_name, labels)) or not all(labels.values()) or not all(annotations.values()):
            return False
        if max(map(len, labels.values())) > LONGEST_LABEL or len(each.generatorURL) > _LONGEST_URL:
            return False
        if annotations and max(map(len, annotations.values())) > LONGEST_ANNOTATION:
            return False
        said.update(annotations.values(), labels.values(), annotations)
    return _is_clean(said - _clean)


_clean: Final[set[str]] = set()
"""Texts that were looked at and hold nothing: most come again and again."""


def _is_clean(texts: Collection[str]) -> bool:
    together = "\n".join(texts)
    if "\x00" in together or suspected(together):
        return False
    if len(_clean) > _MOST_KNOWN:
        _clean.clear()
    if len(together) < _LONGEST_KNOWN:
        _clean.update(texts)
    return True


@lru_cache(4_096)
def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


@lru_cache(1_024)
def _url(text: str) -> str:
    """The same for all alerts of a rule."""
    return redact(text)


def _alert(given: _Pushed, timeout: timedelta, now: datetime) -> Alert:
    starts_at, ends_at = _moment(given.startsAt), _moment(given.endsAt)
    over = ends_at is not None and ends_at <= now
    sent, said = given.annotations, given.labels.get(SEVERITY, "")
    severity = severity_of(said).value
    annotations: dict[str, str] = {}
    if (reason := sent.get("description") or sent.get("summary")) is not None:
        annotations[_REASON] = reason
    if (runbook := sent.get("runbook")) is not None:
        annotations[_RUNBOOK_URL] = runbook
    if given.generatorURL:
        annotations[_SOURCE_URL] = _url(given.generatorURL)
    if said and said != severity:
        annotations[AS_SENT] = said
    annotations.update(sent)
    return Alert(
        {SOURCE: "alertmanager", **given.labels, SEVERITY: severity},
        annotations,
        starts_at or now,
        Status.RESOLVED if over else Status.FIRING,
        ends_at if ends_at is not None else now + timeout,
    )


def _moment(text: str) -> datetime | None:
    """None for the year 1, which stands for no time at all."""
    if text == "" or text < _FIRST_YEAR:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
