"""Alertmanager's two forms: the webhook that it sends (version 4), and its own API that a Prometheus pushes to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from llmtrace.router.intake.body import bounded, read_json
from llmtrace.router.intake.pushed import read as pushed_quickly
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.severities import AS_SENT, as_sent, severity_of
from llmtrace.router.intake.texts import (
    LONGEST_ANNOTATION,
    LONGEST_LABEL,
    clean,
    label_name,
    leap,
    texts,
    unknown_fields,
)
from llmtrace.router.model import SEVERITY, SOURCE, Alert, Annotation, Status

ALERTMANAGER: Final = "alertmanager"
LONGEST_NAME: Final = 256
_NEVER: Final = 1970
"""Alertmanager writes the year 1 for an end that is not known."""


def _zero_is_none(value: Any) -> Any:
    return None if value == "" or (isinstance(value, str) and value.startswith("0001-")) else leap(value)


def _text(value: Any) -> Any:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _names(value: Any) -> Any:
    """Newer senders name labels as they like; here they become names that rules can use.

    A name that is one already keeps its value, whatever becomes of others.
    """
    if not isinstance(value, dict):
        return value
    found = {label_name(str(name))[:LONGEST_NAME]: text for name, text in value.items()}
    return found | {name: text for name, text in value.items() if name in found}


def _nothing(value: Any) -> Any:
    """A sender written in Go says null for a map that is empty."""
    return {} if value is None else value


def _said(value: Any) -> Any:
    """As Go reads it: null is an empty text."""
    return "" if value is None else value


def _word(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Moment = Annotated[datetime | None, BeforeValidator(_zero_is_none)]
Text = Annotated[str, BeforeValidator(_text)]
Said = Annotated[str, BeforeValidator(_said)]


class _Alert(BaseModel):
    """One alert, as both forms write it. Fields that it does not know are kept as annotations."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True, coerce_numbers_to_str=True)

    labels: Annotated[dict[str, Text], BeforeValidator(_names), Field(min_length=1)]
    annotations: Annotated[dict[str, Text], BeforeValidator(_nothing)] = {}
    startsAt: Moment = None  # noqa: N815 - Alertmanager's own name
    endsAt: Moment = None  # noqa: N815 - Alertmanager's own name
    generatorURL: Text = ""  # noqa: N815 - Alertmanager's own name
    status: Annotated[Literal["firing", "resolved"] | None, BeforeValidator(_word)] = None
    fingerprint: Any = ""
    values: Any = None


class _Pushed(_Alert):
    """As Alertmanager's own API takes it: it is as strict as Alertmanager."""

    model_config = ConfigDict(coerce_numbers_to_str=False)

    labels: Annotated[dict[str, Said], BeforeValidator(_names), Field(min_length=1)]
    annotations: Annotated[dict[str, Said], BeforeValidator(_nothing)] = {}
    status: Any = None  # what is read from such an API has one too, and may be posted to another


class _Webhook(BaseModel):
    """The webhook's body, as far as it is read. Alertmanager says version 4, Grafana says 1."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    alerts: list[_Alert]


_PUSHED: Final = TypeAdapter(list[_Pushed])
_WEBHOOK: Final = TypeAdapter(_Webhook)


def read_webhook(body: bytes, timeout: timedelta, now: datetime, source: str = ALERTMANAGER) -> list[Alert]:
    """The alerts of Alertmanager's webhook, version 4, and of those that look like it.

    Raises:
        RefusedError: 400 or 413.
    """
    webhook: _Webhook = _validate(_WEBHOOK, read_json(body))
    return [_alert(alert, alert.status, timeout, now, source) for alert in bounded(webhook.alerts)]


def read_push(body: bytes, timeout: timedelta, now: datetime) -> list[Alert]:
    """The alerts that a client of Alertmanager's API pushes; one whose end is past is resolved.

    Raises:
        RefusedError: 400 or 413.
    """
    quick = pushed_quickly(body, timeout, now)
    return read_carefully(body, timeout, now) if quick is None else quick


def read_carefully(body: bytes, timeout: timedelta, now: datetime) -> list[Alert]:
    """The same, of a body that is not wholly ordinary, or is wrong.

    Raises:
        RefusedError: 400 or 413.
    """
    pushed: list[_Pushed] = _validate(_PUSHED, read_json(body))
    return [_alert(alert, None, timeout, now, ALERTMANAGER) for alert in bounded(pushed)]


def _validate(form: TypeAdapter[Any], data: Any) -> Any:
    try:
        return form.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}") from error


def _alert(given: _Alert, status: str | None, timeout: timedelta, now: datetime, source: str) -> Alert:
    ends_at = _aware(given.endsAt)
    over = status == Status.RESOLVED if status is not None else ends_at is not None and ends_at <= now
    if over:
        ends_at = ends_at or now
    elif ends_at is None or ends_at <= now:
        ends_at = now + timeout
    kind = Status.RESOLVED if over else Status.FIRING
    return Alert(_labels(given, source), _annotations(given), _aware(given.startsAt) or now, kind, ends_at)


def _labels(given: _Alert, source: str) -> dict[str, str]:
    labels = {SOURCE: source, **given.labels, SEVERITY: severity_of(given.labels.get(SEVERITY, "")).value}
    return texts(labels.items(), LONGEST_LABEL)


def _annotations(given: _Alert) -> dict[str, str]:
    """Prometheus's customs under our names; the sender's own words stay beside them."""
    sent = given.annotations
    annotations: dict[str, object] = {
        Annotation.REASON: sent.get("description") or sent.get("summary"),
        Annotation.RUNBOOK_URL: sent.get("runbook"),
        Annotation.SOURCE_URL: given.generatorURL,
        AS_SENT: as_sent(given.labels.get(SEVERITY)),
        Annotation.VALUE: _value(given.values),
        **dict(unknown_fields(given.__pydantic_extra__ or {})),
        **sent,
    }
    return clean(annotations.items(), LONGEST_ANNOTATION)


def _value(values: object) -> object:
    """What Grafana measured: the one value, or all of them by their names."""
    found = values if isinstance(values, Mapping) else {}
    said = {name: value for name, value in found.items() if isinstance(value, str | int | float)}
    if len(said) <= 1:
        return next(iter(said.values()), None)
    return ", ".join(f"{name}={value}" for name, value in said.items())


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.year < _NEVER:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
