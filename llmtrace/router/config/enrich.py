"""The key ``enrich`` of ``alerts.yaml``: what a message says beside what its alert says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from llmtrace.router.config.strict import Duration, Strict, wrong

PLACEHOLDERS: Final = (
    "alertname", "severity", "service", "environment", "team", "priority", "model", "prompt_version", "kind", "source",
    "trace_id", "span_id",
)  # fmt: skip
_SEGMENT: Final = "segment_"
_FOUND: Final = re.compile(r"\{[^}]*\}?")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,40}", re.ASCII)
_LONGEST: Final = timedelta(seconds=5)


def _template(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or " " in value:
        raise wrong("no link; allowed: http://... or https://..., with labels in braces such as {alertname}")
    for found in _FOUND.findall(value):
        name = found[1:-1]
        if not found.endswith("}") or not (name in PLACEHOLDERS or name.startswith(_SEGMENT)):
            raise wrong(f"{found}: no placeholder; allowed: {', '.join(PLACEHOLDERS)} and segment_NAME, in braces")
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or _FOUND.search(value):
        raise wrong("no address; allowed: http://... or https://... without placeholders")
    return value


def _names(value: Mapping[str, str]) -> Mapping[str, str]:
    for name in value:
        if not _NAME.fullmatch(name):
            raise wrong("no name; allowed: letters, digits, spaces, _ and -", key=name)
    return value


Template = Annotated[str, BeforeValidator(_template)]
Address = Annotated[str, BeforeValidator(_address)]


class EnrichOptions(Strict):
    """None of it may hold up a page for longer than ``timeout``."""

    lookup: str | None = Field(
        default=None, description="a file, relative to this one, of labels and annotations for alerts that lack them"
    )
    changes: Duration = Field(
        default=timedelta(hours=2), description="how old a change may be that is told with an alert of its service"
    )
    runbook: Template | None = Field(
        default=None, description="where the runbook of an alert is that names none, such as `https://.../{alertname}`"
    )
    links: Annotated[dict[str, Template], AfterValidator(_names)] = Field(
        default_factory=dict, description="name -> a further link, with labels in braces; left out where one is missing"
    )
    health: Annotated[dict[str, Address], AfterValidator(_names)] = Field(
        default_factory=dict,
        description="name -> an address that is asked when a page is sent: vector database, provider status, gateway",
    )
    timeout: Duration = Field(default=timedelta(seconds=1), description="how long all of this may take, at most `5s`")

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        if not timedelta(0) < self.timeout <= _LONGEST:
            raise wrong("not allowed; allowed: more than 0s, up to 5s", key="timeout")
        return self
