"""The tables of `docs/reference/alerts-yaml.md`, from the schemas. `python tests/router/reference_tables.py` writes.

In the page a table stands between `<!-- keys of NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from llmtrace.router.config import access, cases, durations, enrich, lookup, phoenix, schema, times, watch
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.intake import change
from llmtrace.router.notifiers import KINDS
from llmtrace.router.notifiers.keyed import Outgoing

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[2] / "docs/reference/alerts-yaml.md"
MARKED = re.compile(r"(<!-- keys of (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
MODELS: dict[str, type[BaseModel]] = {
    "the-file": schema.RouterFile,
    "retention": schema.RetentionOptions,
    "links": schema.LinkOptions,
    "fallback": schema.FallbackOptions,
    "intake": access.IntakeOptions,
    "web": access.WebOptions,
    "source": access.MappedOptions,
    "auth": access.Auth,
    "hmac": access.Signed,
    "mapping": AlertMapping,
    "route": schema.Route,
    "escalate": schema.EscalationStep,
    "phoenix": phoenix.PhoenixOptions,
    "score": phoenix.ScoreOptions,
    "enrich": enrich.EnrichOptions,
    "lookup": lookup.LookupFile,
    "lookup-entry": lookup.LookupEntry,
    "change": change.GivenChange,
    "watchdog": watch.WatchdogOptions,
    "heartbeat": watch.HeartbeatOptions,
    "flapping": schema.FlappingOptions,
    "rollout": schema.RolloutOptions,
    "silence": schema.SilenceOptions,
    "inhibit": schema.InhibitOptions,
    "time-interval": times.TimeInterval,
    "times": times.TimeRange,
    "tests": cases.CaseFile,
    "test": cases.Case,
    "alert-of-a-test": cases.AlertGiven,
    "act-of-a-test": cases.ActGiven,
    "silence-of-a-test": cases.SilenceGiven,
    "message-of-a-test": cases.Expected,
    "decision-of-a-test": cases.ExpectedDecision,
    "digest-of-a-test": cases.ExpectedDigest,
    **{name: kind.settings for name, kind in KINDS.items() if kind.settings.model_fields},
}


def table(model: type[BaseModel]) -> str:
    """One row for each key of a mapping."""
    rows = ["| key | meaning | default |", "|---|---|---|"]
    for name, field in sorted(model.model_fields.items(), key=lambda each: is_last(model, each[0])):
        meaning = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{field.alias or name}` | {meaning} | {default_of(model, name, field)} |")
    return "\n".join(rows) + "\n"


def is_last(model: type[BaseModel], name: str) -> bool:
    """Whether it is what few people set of a notifier."""
    return issubclass(model, Outgoing) and name in Outgoing.model_fields


def default_of(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """As the file would say it."""
    if field.is_required() or (model, name) == (schema.RouterFile, "receivers"):
        return "must be set"
    if isinstance(field.json_schema_extra, dict) and "default" in field.json_schema_extra:
        return f"`{field.json_schema_extra['default']}`"
    if issubclass(model, schema.Options) and name in schema.Options.model_fields:
        return "the parent's, the tier's"
    return shown(field.get_default(call_default_factory=True))


def shown(value: Any) -> str:
    """A value in YAML's words."""
    if value in (None, PydanticUndefined, "") or value in ([], {}):
        return "none"
    if isinstance(value, BaseModel):
        return "see there"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, timedelta):
        return f"`{durations.text(value)}`"
    return f"`{value.value if isinstance(value, StrEnum) else value}`"


def written(page: str) -> str:
    """The page with its tables as the schemas have them."""
    return MARKED.sub(lambda found: f"{found[1]}{table(MODELS[found['name']])}{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
