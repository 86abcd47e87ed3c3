"""The shape of a file of rule tests: what happens when, and who must be told of it, when and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from llmtrace.router.config import document
from llmtrace.router.config.document import Document
from llmtrace.router.config.schema import OneMatcher
from llmtrace.router.config.strict import Duration, Strict, wrong
from llmtrace.router.config.validation import read_text, validate
from llmtrace.router.model import ALERTNAME, SEVERITY, Act, Phase, Reason, Status, Tier
from llmtrace.semconv.alert import Severity

START: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""Where a test says nothing: a Monday at noon."""


def _text(value: Any) -> str:
    """YAML reads ``true`` and ``3`` as what they are; in labels they are text."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise wrong("not text; allowed: a string or a number")
    return str(value)


def _labels(value: dict[str, str]) -> dict[str, str]:
    if not value.get(ALERTNAME):
        raise wrong(f"without {ALERTNAME}, by which an alert is known; allowed: any name", key=ALERTNAME)
    if value.get(SEVERITY) not in list(Severity):
        raise wrong(f"no severity; allowed: {', '.join(Severity)}", key=SEVERITY)
    return value


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


Text = Annotated[
    str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"], "description": "text"})
]
Repetitions = Annotated[int, Field(ge=1, le=1_000)]
Count = Annotated[int, Field(ge=1)]


class Moment(Strict):
    """What has its time in a test."""

    at: Duration = Field(default=timedelta(0), description="how long after the start of the test")


class AlertGiven(Moment):
    """An alert that comes in."""

    labels: Annotated[dict[str, Text], AfterValidator(_labels)] = Field(
        description="its labels; `alertname` and `severity` must be there"
    )
    annotations: dict[str, Text] = Field(default_factory=dict, description="its annotations, such as `value`")
    status: Status = Field(default=Status.FIRING, description="`resolved`: word that it is over")
    lasts: Duration | None = Field(
        default=None,
        description="how long it fires unless it is heard of again, as of a source with states; "
        "without it, it is an event as a tagged span is, which is over after `resolve_after`",
    )
    times: Repetitions = Field(default=1, description="how often it comes")
    every: Duration = Field(default=timedelta(minutes=1), description="the time between two of these")


class ActGiven(Moment):
    """What a person does."""

    act: Act = Field(description="to every incident that is open then")
    by: str = Field(default="somebody", description="who does it")
    alert: str | None = Field(default=None, description="only to incidents that told the alert of this name")


class SilenceGiven(Moment):
    """A silence that a person makes."""

    matchers: Annotated[list[OneMatcher], Field(min_length=1, description="whom it holds")]
    lasts: Duration = Field(description="how long")
    by: str = Field(default="somebody", description="who makes it")


class Expected(Moment):
    """A message that must be sent. What is not said is not compared."""

    receivers: list[str] = Field(description="who is told, in any order")
    tier: Tier | None = Field(default=None, description="how loudly")
    reason: Reason | None = Field(default=None, description="why; the reasons are listed below")
    phase: Phase | None = Field(default=None, description="what is said of the incident")
    step: int | None = Field(default=None, description="which escalation step it is; 0 is none")
    alerts: list[str] | None = Field(default=None, description="the names of the alerts that are told, in any order")


class ExpectedDecision(Moment):
    """A decision that must be made, such as one by which nobody is told. What is not said is not compared."""

    alert: str = Field(description="the alert's name")
    reason: Reason = Field(description="why it was decided so")
    tier: Tier | None = Field(default=None, description="in which tier")
    route: str | None = Field(default=None, description='by which route, as `explain` writes it: `/{team="a"}`')


class ExpectedDigest(Moment):
    """A digest that must be sent. What is not said is not compared."""

    receiver: str = Field(description="who gets it")
    alerts: dict[str, Count] | None = Field(
        default=None, description="how many alerts of each name it tells, such as `{answer-slow: 3}`; `{}`: none"
    )


class Case(Strict):
    """One test."""

    name: str = Field(description="what the rules promise, in words")
    start: Annotated[datetime, AfterValidator(_aware)] = Field(
        default=START, description="when it begins; a Monday at noon, UTC, unless muted times matter"
    )
    alerts: list[AlertGiven] = Field(default_factory=list, description="what comes in")
    acts: list[ActGiven] = Field(default_factory=list, description="what people do")
    silences: list[SilenceGiven] = Field(default_factory=list, description="what people silence")
    expect: list[Expected] = Field(description="every message, no more and no less, up to the end of the test")
    decisions: list[ExpectedDecision] = Field(default_factory=list, description="decisions that must be among all")
    digests: list[ExpectedDigest] = Field(
        default_factory=list,
        description="digests with a `schedule` that must be among all; the next one after the end is there too, "
        "with what waits for it",
    )
    until: Duration | None = Field(
        default=None,
        description="the end of the test; by default the last moment that the test names, but for `digests`, "
        "and after the last alert at least the longest `group_wait` and `group_interval` of a page or a channel",
    )


class CaseFile(Strict):
    """Tests of one file of rules."""

    version: Literal[1] = Field(description="`1`")
    rules: str = Field(default="alerts.yaml", description="the rules, relative to this file; `--config` wins")
    environment: dict[str, Text] = Field(
        default_factory=dict,
        description="variables that the rules name and the environment does not set: testing needs no secret",
    )
    tests: Annotated[list[Case], Field(min_length=1, description="the tests")]


def load_cases(file: Path) -> tuple[Document, CaseFile]:
    """Read a file of tests.

    Raises:
        ConfigurationError: for the first thing in it that is wrong.
    """
    opened = document.read(file.name, read_text(file), {})
    parsed: CaseFile = validate(opened, (), CaseFile, opened.data)
    return opened, parsed
