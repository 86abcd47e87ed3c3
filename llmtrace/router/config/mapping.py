"""A mapping file: where in another tool's JSON the fields of the generic alert stand. Data, not code."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.model import Status
from llmtrace.semconv.alert import Severity

FIELDS: Final = (
    "name", "severity", "status", "reason", "value", "threshold", "count", "model", "prompt_version", "segment", "team",
    "priority", "environment", "service", "regulated", "trace_ids", "trace_url", "source_url", "runbook_url",
    "starts_at", "ends_at",
)  # fmt: skip
"""Of the generic alert, as a mapping may name them."""

_PATH: Final = re.compile(r"[^.\[\]]+(\[\d{1,4}\])*(\.[^.\[\]]+(\[\d{1,4}\])*)*")
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")

_WORDS: Final = {
    "severity": [each.value for each in Severity],
    "status": [each.value for each in Status],
    "regulated": ["true", "false"],
}
"""What a mapping may say of these; of other fields anything."""
_NO_DEFAULT: Final = ("starts_at", "ends_at", "count")
"""Of one alert each."""

Path = tuple[str | int, ...]


def _path(value: Any) -> Path:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise wrong("no path; allowed: keys with dots between them and [0] for an item, such as monitor.tags[0]")
    return tuple(int(index) if index else name for index, name in _STEP.findall(value))


def _paths(value: Any) -> list[Path]:
    return [_path(each) for each in (value if isinstance(value, list) else [value])]


def _field(value: Any) -> str:
    if value not in FIELDS:
        raise wrong(f"no field of an alert; allowed: {', '.join(FIELDS)}")
    return str(value)


def _text(value: Any) -> Any:
    """YAML reads what a tool calls 1 or true as a number or a truth value."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


def _meanings(value: Any) -> Any:
    return {_text(name): _text(meaning) for name, meaning in value.items()} if isinstance(value, dict) else value


_TEXT: Final[dict[str, Any]] = {"type": "string"}
Paths = Annotated[
    list[Path],
    BeforeValidator(_paths),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]
FieldName = Annotated[str, BeforeValidator(_field)]


class AlertMapping(Strict):
    """Of several paths the first that leads somewhere counts; what is sent is looked up in ``values``, in any case."""

    version: Literal[1] = Field(description="`1`")
    alerts: Annotated[
        Path | None,
        BeforeValidator(lambda value: None if value is None else _path(value)),
        WithJsonSchema(_TEXT),
    ] = Field(default=None, description="where the list of alerts is; without it the body is one alert")
    fields: dict[FieldName, Paths] = Field(
        description="field of the generic alert -> a path, or several of which the first that leads somewhere counts"
    )
    values: dict[FieldName, Annotated[dict[str, str], BeforeValidator(_meanings)]] = Field(
        default_factory=dict, description="field -> what the tool says -> what it means here, in any case"
    )
    defaults: dict[FieldName, Annotated[str, BeforeValidator(_text)]] = Field(
        default_factory=dict, description="field -> what it is where nothing is found"
    )
    labels: dict[str, Paths] = Field(default_factory=dict, description="further labels -> their paths")
    annotations: dict[str, Paths] = Field(default_factory=dict, description="further annotations -> their paths")

    @model_validator(mode="after")
    def _makes_alerts(self) -> Self:
        if "name" not in self.fields and "name" not in self.defaults:
            raise wrong("names no alert; allowed: a path for name, or a name under defaults", key="fields")
        if own := [field for field in _NO_DEFAULT if field in self.defaults]:
            raise wrong(f"{own[0]} is each alert's own; allowed: other fields", key="defaults")
        for field, allowed in _WORDS.items():
            said = self.values.get(field, {}).values()
            for place, words in (
                ("values", said),
                ("defaults", [self.defaults[field]] if field in self.defaults else []),
            ):
                if unknown := [word for word in words if word not in allowed]:
                    raise wrong(f"{field} {unknown[0]!r} is none; allowed: {', '.join(allowed)}", key=place)
        return self
