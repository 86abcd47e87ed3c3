"""The key ``intake.phoenix`` of ``alerts.yaml``: which annotations of a Phoenix become alerts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.strict import Duration, Strict, wrong
from llmtrace.semconv.alert import Severity

_NAME: Final = re.compile(r"[\w][\w .:/-]{0,100}")
_SHORTEST: Final = timedelta(seconds=1)


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or " " in value or "@" in value:
        raise wrong("no address; allowed: http://host[:port] or https://...")
    return value.rstrip("/")


def _word(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise wrong("no name; allowed: letters, digits, spaces and . : / _ -")
    return value


def _secret(value: Any) -> SecretStr:
    if not isinstance(value, str) or not value:
        raise wrong("no key; allowed: text, best written ${PHOENIX_API_KEY}")
    return SecretStr(value)


Word = Annotated[str, BeforeValidator(_word)]


class ScoreOptions(Strict):
    """When an annotation is an alert: one of the conditions is enough."""

    below: float | None = Field(default=None, description="a score below this")
    above: float | None = Field(default=None, description="a score above this")
    labels: list[Word] = Field(default_factory=list, description="one of these labels")
    severity: Severity = Field(default=Severity.WARNING, description="how bad that is")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.below is None and self.above is None and not self.labels:
            raise wrong("no condition; allowed: one or more of below, above, labels")
        return self


class PhoenixOptions(Strict):
    """A Phoenix that is asked for new annotations of its spans."""

    url: Annotated[str, BeforeValidator(_address)] = Field(description="where it is, such as `http://localhost:6006`")
    project: Word = Field(default="default", description="the project's name")
    api_key: Annotated[SecretStr, BeforeValidator(_secret)] | None = Field(
        default=None, description="where it asks for one; best written `${PHOENIX_API_KEY}`"
    )
    every: Duration = Field(default=timedelta(seconds=30), description="how often it is asked")
    window: Duration = Field(
        default=timedelta(days=1), description="how long after a span began its annotations are looked at"
    )
    scores: Annotated[dict[Word, ScoreOptions], Field(min_length=1)] = Field(
        description="annotation -> when it is an alert"
    )

    @model_validator(mode="after")
    def _not_too_often(self) -> Self:
        if self.every < _SHORTEST:
            raise wrong("too often; allowed: 1s and more", key="every")
        return self
