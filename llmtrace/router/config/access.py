"""Who may come in: the keys ``intake`` and ``web`` of ``alerts.yaml``, with tokens, signatures and mappings."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.strict import Duration, Strict, wrong

_SHORTEST: Final = 16
_DAY: Final = timedelta(days=1)


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

    secrets: Annotated[list[Secret], Field(min_length=1)]
    scheme: Scheme = Scheme.STANDARD
    tolerance: Duration = timedelta(minutes=5)


class Auth(Strict):
    """A request needs one of the bearer tokens, or one of the signatures."""

    bearer: list[Secret] = Field(default_factory=list)
    hmac: Signed | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.bearer and self.hmac is None:
            raise wrong("no way in; allowed: bearer: [TOKEN, ...], hmac: {secrets: [SECRET, ...]}, or both")
        return self


class SourceOptions(Strict):
    """One source. Of those with states an alert is over after ``resolve_timeout`` unless it is heard of again."""

    auth: Auth | None = None
    resolve_timeout: Duration = _DAY


class ApiOptions(SourceOptions):
    """Alertmanager's own API: whoever pushes there repeats himself, so that the time is Alertmanager's."""

    resolve_timeout: Duration = timedelta(minutes=5)


class MappedOptions(SourceOptions):
    """A source whose JSON is read by a mapping file, relative to this file."""

    mapping: str | None = None


class NamedOptions(SourceOptions):
    """A source of one's own."""

    mapping: str


class IntakeOptions(Strict):
    """``auth`` is for every source that names none of its own."""

    auth: Auth | None = None
    otlp: SourceOptions = SourceOptions()
    api: ApiOptions = ApiOptions()
    alertmanager: SourceOptions = SourceOptions()
    arize: MappedOptions = MappedOptions()
    generic: SourceOptions = SourceOptions()
    pagerduty: SourceOptions = SourceOptions()
    sources: dict[str, NamedOptions] = Field(default_factory=dict)

    def auth_of(self, options: SourceOptions) -> Auth | None:
        """What a source asks for."""
        return options.auth or self.auth


class WebOptions(Strict):
    """The reading and acting side."""

    auth: Auth | None = None
