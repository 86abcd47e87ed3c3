"""The generic alert: a JSON object with a published schema, which mappings of other tools produce too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from llmtrace.router.config import Links
from llmtrace.router.intake.body import bounded, read_json
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.severities import AS_SENT, as_sent, severity_of
from llmtrace.router.intake.texts import LONGEST_ANNOTATION, LONGEST_LABEL, clean, label_name, leap, unknown_fields
from llmtrace.router.model import ALERTNAME, REGULATED, SEVERITY, SOURCE, Alert, Annotation, Status
from llmtrace.semconv.alert import Severity

MOST_SEGMENTS: Final = 32
MOST_TRACES: Final = 10
LEFT_OUT: Final = "left_out"
"""The annotation that names fields of another tool's alert which could not be read."""
_TRACE_ID_LENGTH: Final = 32
_TEXTS: Final = frozenset(
    {
        "name", "reason", "model", "prompt_version", "team", "priority", "environment", "service", "trace_url",
        "source_url", "runbook_url",
    }
)  # fmt: skip
_MAPS: Final = frozenset({"segment", "labels", "annotations"})

Text = Annotated[str, Field(max_length=LONGEST_ANNOTATION)]
Number = float | Annotated[str, Field(max_length=64)]
Moment = Annotated[datetime | None, BeforeValidator(leap)]


def _segment(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


class GenericAlert(BaseModel):
    """One alert. Only ``name`` must be there; fields that it does not know are kept as annotations."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True, coerce_numbers_to_str=True)

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]
    severity: Annotated[Severity, BeforeValidator(severity_of)] = Severity.WARNING
    status: Annotated[Literal["firing", "resolved"], BeforeValidator(_lower)] = "firing"
    reason: Text | None = None
    value: Number | None = None
    threshold: Number | None = None
    count: Annotated[int, Field(ge=1)] = 1
    model: Text | None = None
    prompt_version: Text | None = None
    segment: Annotated[dict[str, Text], BeforeValidator(_segment)] = {}
    team: Text | None = None
    priority: Text | None = None
    environment: Text | None = None
    service: Text | None = None
    regulated: bool = False
    trace_ids: Annotated[list[Text], BeforeValidator(_list)] = []
    trace_url: Text | None = None
    source_url: Text | None = None
    runbook_url: Text | None = None
    starts_at: Moment = None
    ends_at: Moment = None
    labels: dict[str, Text] = {}
    annotations: dict[str, Text] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_nothing(cls, data: Any) -> Any:
        """Many senders write null for what they do not say."""
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class GenericBody(BaseModel):
    """Several alerts in one request. A single alert may also be the whole body."""

    alerts: list[GenericAlert]


def read(body: bytes, source: str, links: Links, timeout: timedelta, now: datetime) -> list[Alert]:
    """The alerts of a body in the generic format.

    Raises:
        RefusedError: 400 or 413.
    """
    data = read_json(body)
    several = isinstance(data, dict) and isinstance(data.get("alerts"), list)
    return build(bounded(data["alerts"] if several else [data]), source, links, timeout, now)


def build(
    items: Sequence[Any], source: str, links: Links, timeout: timedelta, now: datetime, *, is_foreign: bool = False
) -> list[Alert]:
    """An alert of each object, or none at all. ``is_foreign``: who sent it does not know this format.

    Raises:
        RefusedError: 400, which names the alert and the field.
    """
    found = [_fitted(item, index) if is_foreign else (_validate(item, index), item) for index, item in enumerate(items)]
    return [_alert(given, item, source, links, timeout, now) for given, item in found]


def _fitted(item: Any, index: int) -> tuple[GenericAlert, Any]:
    """The alert, and what of the item it is made of: all, as a rule."""
    try:
        return GenericAlert.model_validate(item), item
    except ValidationError as error:
        item = _fitting(item, error)
    except RecursionError:
        pass  # it is refused in words
    return _validate(item, index), item


def _fitting(item: Any, error: ValidationError) -> Any:
    """Of another tool's alert what fits: no alert is lost over a text that is long or a field of another shape."""
    wrong = {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False) if each["loc"]}
    cut = {field: _cut(field, item[field]) for field in wrong & set(item)}
    left_out = sorted(field for field, value in cut.items() if value is None and field != "name")
    kept = {field: value for field, value in item.items() if field not in left_out} | {
        field: value for field, value in cut.items() if value is not None
    }
    return {**kept, "annotations": {**kept.get("annotations", {}), LEFT_OUT: ", ".join(left_out)}}


def _cut(field: str, value: Any) -> Any:
    """None: nothing of it fits."""
    if isinstance(value, str) and field in _TEXTS:
        return value[: LONGEST_LABEL if field == "name" else LONGEST_ANNOTATION]
    if isinstance(value, dict) and field in _MAPS:
        return {str(name): str(text)[:LONGEST_ANNOTATION] for name, text in value.items() if _is_scalar(text)}
    return None


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float)


def _validate(item: Any, index: int) -> GenericAlert:
    try:
        return GenericAlert.model_validate(item)
    except (ValidationError, RecursionError) as error:
        where = ""
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"alerts[{index}]: {where or 'no alert'}") from error


def _alert(
    given: GenericAlert, item: Mapping[str, Any], source: str, links: Links, timeout: timedelta, now: datetime
) -> Alert:
    status = Status(given.status)
    ended = status is Status.RESOLVED
    ends_at = _aware(given.ends_at)
    if ended:
        ends_at = ends_at or now
    elif ends_at is None or ends_at <= now:
        ends_at = now + timeout
    annotations = _annotations(given, as_sent(item.get("severity")), links)
    return Alert(_labels(given, source), annotations, _aware(given.starts_at) or now, status, ends_at)


def _labels(given: GenericAlert, source: str) -> dict[str, str]:
    labels: dict[str, object] = {label_name(name): value for name, value in given.labels.items()}
    segments = sorted(given.segment.items())[:MOST_SEGMENTS]
    ours = {
        ALERTNAME: given.name,
        SEVERITY: given.severity.value,
        "service": given.service,
        "environment": given.environment,
        "team": given.team,
        "priority": given.priority,
        "model": given.model,
        "prompt_version": given.prompt_version,
        REGULATED: "true" if given.regulated else None,
        **{f"segment_{label_name(name)}": value for name, value in segments},
    }
    labels |= {name: value for name, value in ours.items() if value is not None}
    return clean({SOURCE: source, **labels}.items(), LONGEST_LABEL)


def _annotations(given: GenericAlert, severity_as_sent: str | None, links: Links) -> dict[str, str]:
    trace = next(iter(given.trace_ids), "")
    url = given.trace_url or (links.trace_url(trace, "") if len(trace) == _TRACE_ID_LENGTH else None)
    annotations: dict[str, object] = {
        AS_SENT: severity_as_sent,
        **dict(unknown_fields(given.__pydantic_extra__ or {})),
        **given.annotations,
        Annotation.REASON: given.reason or given.annotations.get(Annotation.REASON),
        Annotation.VALUE: _number(given.value),
        Annotation.THRESHOLD: _number(given.threshold),
        Annotation.COUNT: given.count,
        Annotation.TRACE_ID: trace,
        Annotation.TRACE_URL: url,
        Annotation.SOURCE_URL: given.source_url,
        Annotation.RUNBOOK_URL: given.runbook_url or given.annotations.get(Annotation.RUNBOOK_URL),
    }
    if len(given.trace_ids) > 1:
        annotations["trace_ids"] = ",".join(given.trace_ids[:MOST_TRACES])
    return clean(annotations.items(), LONGEST_ANNOTATION)


def _number(value: float | str | None) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
