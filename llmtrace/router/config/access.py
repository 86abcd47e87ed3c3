"""Who may come in: the keys ``intake`` and ``web`` of ``alerts.yaml``, with tokens, signatures and mappings."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.phoenix import PhoenixOptions
from llmtrace.router.config.strict import Duration, Strict, wrong

_SHORTEST: Final = 16
_PATH: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_DAY: Final = timedelta(days=1)


MAPPED: Final = ("arize", "langfuse", "langsmith", "opik")
"""Tools whose JSON is read by a mapping that comes with the router."""


class Scheme(StrEnum):
    """Whose way of signing a request it is."""

    STANDARD = "standard"
    ARIZE = "arize"
    PAGERDUTY = "pagerduty"


def _secret(value: Any) -> SecretStr:
    if not isinstance(value, str) or len(value) < _SHORTEST:
        raise wrong(f"too short for a secret; allowed: text of at least {_SHORTEST} characters")
    return SecretStr(value)


Secret = Annotated[SecretStr, BeforeValidator(_secret)]


class Signed(Strict):
    """``secrets``: any of them counts, so that a new one can come before the old one goes."""

    secrets: Annotated[list[Secret], Field(min_length=1)] = Field(
        description="any of them may have signed, so that a new one can come before the old one goes"
    )
    scheme: Scheme = Field(
        default=Scheme.STANDARD, description="`standard` (Standard Webhooks), `arize` or `pagerduty`"
    )
    tolerance: Duration = Field(default=timedelta(minutes=5), description="how old a signature may be")


class Auth(Strict):
    """A request needs one of the bearer tokens, or one of the signatures."""

    bearer: list[Secret] = Field(
        default_factory=list,
        description="tokens of at least 16 characters; `authorization: Bearer` with any of them opens",
    )
    hmac: Signed | None = Field(default=None, description="signed requests; each is taken once")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.bearer and self.hmac is None:
            raise wrong("no way in; allowed: bearer: [TOKEN, ...], hmac: {secrets: [SECRET, ...]}, or both")
        return self


class SourceOptions(Strict):
    """One source. Of those with states an alert is over after ``resolve_timeout`` unless it is heard of again."""

    auth: Auth | None = Field(default=None, description="who may send here; without it `intake.auth` counts")
    resolve_timeout: Duration = Field(
        default=_DAY,
        description="how long an alert fires unless it is heard of again or gives its own end; `5m` for `api`",
    )


class ApiOptions(SourceOptions):
    """Alertmanager's own API: whoever pushes there repeats himself, so that the time is Alertmanager's."""

    resolve_timeout: Duration = Field(
        default=timedelta(minutes=5),
        description="how long an alert fires unless it is heard of again or gives its own end",
    )


class MappedOptions(SourceOptions):
    """A source whose JSON is read by a mapping file, relative to this file."""

    mapping: str | None = Field(
        default=None,
        description="a file, relative to this one, that says where the fields stand; without it the built-in one",
    )


class NamedOptions(SourceOptions):
    """A source of one's own."""

    mapping: str = Field(description="a file, relative to this one, that says where the fields stand")


def _own(value: dict[str, NamedOptions]) -> dict[str, NamedOptions]:
    """A source of one's own has a path of its own."""
    taken = {*IntakeOptions.model_fields, *(name.replace("_", "-") for name in IntakeOptions.model_fields)}
    for name in value:
        if name in taken or not _PATH.fullmatch(name):
            raise wrong(
                "no name for a source; allowed: letters, digits, _ and -, and no path of the router's", key=name
            )
    return value


class IntakeOptions(Strict):
    """``auth`` is for every source that names none of its own."""

    auth: Auth | None = Field(
        default=None,
        description="for every source that names none of its own; without any, everybody on this machine may send",
    )
    otlp: SourceOptions = Field(
        default=SourceOptions(), description="spans with alert tags, at `/v1/traces`; metrics at `/v1/metrics`"
    )
    api: ApiOptions = Field(default=ApiOptions(), description="Alertmanager's own API, at `/api/v2/alerts`")
    alertmanager: SourceOptions = Field(
        default=SourceOptions(), description="Alertmanager's webhook, at `/ingest/alertmanager`"
    )
    grafana: SourceOptions = Field(
        default=SourceOptions(), description="Grafana's webhook contact point, at `/ingest/grafana`"
    )
    arize: MappedOptions = Field(default=MappedOptions(), description="Arize's webhooks, at `/ingest/arize`")
    langfuse: MappedOptions = Field(default=MappedOptions(), description="Langfuse's alerts, at `/ingest/langfuse`")
    langsmith: MappedOptions = Field(default=MappedOptions(), description="LangSmith's alerts, at `/ingest/langsmith`")
    opik: MappedOptions = Field(default=MappedOptions(), description="Opik's alerts, at `/ingest/opik`")
    generic: SourceOptions = Field(default=SourceOptions(), description="the generic JSON, at `/ingest/generic`")
    phoenix: PhoenixOptions | None = Field(
        default=None, description="a Phoenix that is asked for annotations, such as a judge's low scores"
    )
    change: SourceOptions = Field(
        default=SourceOptions(), description="deploys and other changes, at `/ingest/change`; no alerts"
    )
    arize_events: SourceOptions = Field(
        default=SourceOptions(),
        description="Arize's platform events, at `/ingest/arize-events`: a failed task is an alert, all else a change",
    )
    pagerduty: SourceOptions = Field(
        default=SourceOptions(), description="what people do in PagerDuty, at `/ingest/pagerduty`"
    )
    opsgenie: SourceOptions = Field(
        default=SourceOptions(),
        description="what people do in Jira Service Management or Opsgenie, at `/ingest/opsgenie`",
    )
    splunk_oncall: SourceOptions = Field(
        default=SourceOptions(), description="what people do in Splunk On-Call, at `/ingest/splunk_oncall`"
    )
    sources: Annotated[dict[str, NamedOptions], AfterValidator(_own)] = Field(
        default_factory=dict, description="name -> a tool of one's own, at `/ingest/NAME`"
    )

    def auth_of(self, options: SourceOptions) -> Auth | None:
        """What a source asks for."""
        return options.auth or self.auth


class WebOptions(Strict):
    """The reading and acting side."""

    auth: Auth | None = Field(
        default=None, description="who may read and act; without it everybody on this machine may"
    )
