"""The shape of ``alerts.yaml``: which keys there are and what each may hold. References are checked in ``load``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from llmtrace.router import matchers
from llmtrace.router.config.access import IntakeOptions, WebOptions
from llmtrace.router.config.cron import Schedule, Timezone
from llmtrace.router.config.document import PlainText
from llmtrace.router.config.enrich import EnrichOptions
from llmtrace.router.config.settings import Listen
from llmtrace.router.config.strict import Duration, Strict, wrong
from llmtrace.router.config.times import TimeInterval
from llmtrace.router.config.watch import WatchdogOptions
from llmtrace.router.matchers import Matcher
from llmtrace.router.model import GROUP_BY_ALL, Escalation, Rollout, Tier

PHOENIX_TRACE: Final = "http://localhost:6006/redirects/traces/{trace_id}"

SERVER: Final = "postgresql+psycopg://"

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\{[^}]*\}?")
_SHORTEST_RETENTION: Final = timedelta(days=1)
_HIGHEST_PORT: Final = 65_535


def _label(value: Any) -> str:
    if value == GROUP_BY_ALL or (isinstance(value, str) and _LABEL.fullmatch(value)):
        return str(value)
    raise wrong("no label name; allowed: letters, digits and _, or '...' for all labels")


def _labels(value: list[str]) -> list[str]:
    if GROUP_BY_ALL in value and len(value) > 1:
        raise wrong("'...' beside other labels; allowed: ['...'] alone for all labels, or the labels one by one")
    if len(set(value)) < len(value):
        raise wrong("a label that is named twice; allowed: each label once")
    return value


def _matcher(value: Any) -> Matcher:
    if not isinstance(value, str):
        raise wrong("no matcher; allowed: a quoted string such as 'severity=\"critical\"'")
    if isinstance(value, PlainText):
        raise wrong("without quotes, and YAML gives some characters a meaning; allowed: a quoted string, in '...'")
    try:
        return matchers.parse(value)
    except matchers.MatcherError as error:
        raise wrong(f"no matcher: {error}") from error


def _matchers(value: Any) -> Any:
    if not isinstance(value, list):
        raise wrong("no list of matchers; allowed: a list of quoted strings such as ['severity=\"critical\"']")
    return value


def listen(value: Any) -> Listen:
    """Read ``host:port``.

    Raises:
        PydanticCustomError: with what is allowed.
    """
    host, _, port = str(value).rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not port.isascii() or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise wrong("no address to listen on; allowed: host:port such as 127.0.0.1:4319")
    return Listen(host, int(port))


def _url(value: Any) -> str:
    allowed = "allowed: http://host[:port]/path or https://..."
    try:
        parts = urlsplit(str(value))
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise wrong(f"no URL; {allowed}") from error
    if not valid or not str(value).isprintable() or " " in str(value):
        raise wrong(f"no URL; {allowed}")
    if parts.username is not None:
        raise wrong(f"a URL with a name or password in it; {allowed}")
    return str(value)


def _trace_link(value: Any) -> str:
    url = _url(value)
    found = set(_PLACEHOLDER.findall(url))
    if "{trace_id}" not in found or found - {"{trace_id}", "{span_id}"}:
        raise wrong("no link to a trace; allowed: a URL that holds {trace_id} and, if wished, {span_id}")
    return url


def _store(value: Any) -> str:
    if isinstance(value, str) and value.startswith(SERVER) and urlsplit(value).hostname and urlsplit(value).path[1:]:
        return value
    name = str(value).removeprefix("sqlite:///")
    if not isinstance(value, str) or not value.startswith("sqlite:///") or name in ("", ":memory:") or "?" in name:
        raise wrong(
            f"no store; allowed: sqlite:///FILE, relative to this file, sqlite:////path/FILE, {SERVER}HOST/NAME"
        )
    return name


Label = Annotated[str, BeforeValidator(_label)]
Url = Annotated[str, BeforeValidator(_url)]
Address = Annotated[Listen, BeforeValidator(listen), WithJsonSchema({"type": "string", "description": "host:port"})]
OneMatcher = Annotated[
    Matcher, BeforeValidator(_matcher), WithJsonSchema({"type": "string", "description": 'name operator "value"'})
]


class EscalationStep(Strict):
    """Who is told too when nobody has acknowledged for so long."""

    after: Duration = Field(
        description="how long after the incident opened, unless somebody has acknowledged it by then"
    )
    receivers: Annotated[list[str], Field(min_length=1)] = Field(description="who is told too")

    def plain(self) -> Escalation:
        """As the policy holds it."""
        return Escalation(self.after, tuple(self.receivers))


class Options(Strict):
    """The keys that a tier and a route share: how alerts are told. None: not said here."""

    receivers: list[str] | None = Field(default=None, description="who is told")
    group_by: Annotated[list[Label], AfterValidator(_labels)] | None = Field(
        default=None,
        description="labels whose equal values make one notification; `['...']` alone means all but the severity, each "
        "alert its own",
    )
    group_wait: Duration | None = Field(default=None, description="how long a new group waits for more alerts")
    group_interval: Duration | None = Field(
        default=None, description="the least time between two notifications of a group"
    )
    repeat_interval: Duration | None = Field(
        default=None, description="how long the same alert at the same or a lower severity is not told again"
    )
    resolve_after: Duration | None = Field(
        default=None,
        description="an event (such as a tagged span) that does not recur for so long is over; `1h` where nothing is "
        "said",
    )
    escalate: list[EscalationStep] | None = Field(
        default=None,
        description="steps in the order of their times, the last one well before `resolve_after`; not for digests",
    )
    schedule: Schedule | None = Field(
        default=None,
        description="of a digest: when its receivers get one mail about all of it, as in cron, such as `0 8 * * 1`; "
        "without it a digest is told once a day, like other messages",
    )
    timezone: Timezone | None = Field(
        default=None, description="of the `schedule`: a name such as `Europe/Berlin`; `UTC` where nothing is said"
    )
    mute_time_intervals: list[str] | None = Field(
        default=None, description="names of `time_intervals` in which nobody is told; children do not inherit them"
    )

    def said(self) -> dict[str, Any]:
        """The keys that are said here, lists as tuples."""
        said = {name: value for name in Options.model_fields if (value := getattr(self, name)) is not None}
        return {name: _frozen(value) for name, value in said.items()}


def _frozen(value: Any) -> Any:
    return (
        tuple(step.plain() if isinstance(step, EscalationStep) else step for step in value)
        if isinstance(value, list)
        else value
    )


class TierOptions(Options):
    """Defaults for every route of a tier."""


class Route(Options):
    """Which alerts, and how they are told; children see only what their parent matches."""

    tier: Tier | None = Field(
        default=None,
        description="`page`, `channel` or `digest`; without it, here and on the parents, the severity chooses: "
        "critical pages, error and warning go to the channel, info to the digest",
    )
    matchers: Annotated[list[OneMatcher], BeforeValidator(_matchers)] = Field(
        default_factory=list, description="quoted strings, all of which must hold; none at all matches every alert"
    )
    continues: bool = Field(
        default=False, alias="continue", description="`true`: after this route the next ones are tried too"
    )
    routes: list[Route] = Field(
        default_factory=list,
        description="children: the first that matches takes the alert; where none does, this route does",
    )


class FallbackOptions(Strict):
    """Who is told what another receiver refused, or did not take for so long."""

    receiver: str = Field(description="who is told; not of digests")
    after: Duration = Field(
        default=timedelta(minutes=10), description="how long the other may fail; what it refuses is told at once"
    )


class SilenceOptions(Strict):
    """A silence that stands in the file."""

    matchers: Annotated[list[OneMatcher], BeforeValidator(_matchers), Field(min_length=1)] = Field(
        description="whom it holds back"
    )
    starts_at: datetime | None = Field(default=None, description="from when on; UTC where no zone is said")
    ends_at: datetime = Field(description="until when")
    created_by: str = Field(default="", description="who made it")
    comment: str = Field(default="", description="why")


class InhibitOptions(Strict):
    """While one of ``source_matchers`` fires, those of ``target_matchers`` with the same ``equal`` labels are held."""

    source_matchers: Annotated[list[OneMatcher], BeforeValidator(_matchers), Field(min_length=1)] = Field(
        description="while such an alert fires"
    )
    target_matchers: Annotated[list[OneMatcher], BeforeValidator(_matchers), Field(min_length=1)] = Field(
        description="such alerts are not told"
    )
    equal: list[Label] = Field(default_factory=list, description="where these labels are equal")


class RolloutOptions(Strict):
    """How far the rules that match are on their way to waking people. Regulated alerts take no part."""

    matchers: Annotated[list[OneMatcher], BeforeValidator(_matchers)] = Field(
        default_factory=list,
        description="""which alerts, such as ['alertname="answer-slow"']; none at all matches every alert""",
    )
    mode: Rollout = Field(
        description="`shadow`: all is recorded and nobody is told; `notify`: what would page is told in the channel; "
        "`page`: as the routes say"
    )
    receivers: Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None,
        description="with `notify`: who is told instead of those whom a page would wake; without it those of "
        "`tiers.channel`",
    )


class FlappingOptions(Strict):
    """An alert of a source with states that begins to fire too often is told once it fires steadily."""

    begins: Annotated[int, Field(ge=0, le=100)] = Field(
        default=2, description="so many beginnings are told at once; `0`: all of them, and nothing is damped"
    )
    within: Duration = Field(default=timedelta(hours=1), description="in so long, at most `1d`")
    steady: Duration = Field(
        default=timedelta(minutes=10), description="how long a further one must fire without an end before it is told"
    )

    @model_validator(mode="after")
    def _short_enough(self) -> Self:
        if not timedelta(0) < self.within <= timedelta(days=1):
            raise wrong("not allowed; allowed: more than 0s, up to 1d", key="within")
        if not timedelta(0) < self.steady <= self.within:
            raise wrong("not allowed; allowed: more than 0s, up to within", key="steady")
        return self


class LinkOptions(Strict):
    """Where a reader of an alert can look further."""

    trace: Annotated[str, BeforeValidator(_trace_link)] = Field(
        default=PHOENIX_TRACE, description="a URL that holds `{trace_id}` and, if wished, `{span_id}`"
    )


class RetentionOptions(Strict):
    """How long what is over is kept. The audit trail is kept longer, for whoever has to account for it."""

    alerts: Duration = Field(
        default=timedelta(days=30),
        description="alerts, decisions and deliveries that are over; what fires, waits or is open stays",
    )
    audit: Duration = Field(
        default=timedelta(days=400),
        description="the audit trail. It is cut at its beginning only, and what is left still verifies",
    )

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        for key in ("alerts", "audit"):
            if getattr(self, key) < _SHORTEST_RETENTION:
                raise wrong("too short; allowed: 1d and more", key=key)
        return self


class RouterFile(Strict):
    """The whole file."""

    version: Literal[1] = Field(description="`1`")
    listen: Address = Field(
        default=Listen("127.0.0.1", 4319),
        json_schema_extra={"default": "127.0.0.1:4319"},
        description="`host:port`; port 0 is any free one. The flag `--listen` wins over `LLMTRACE_ROUTER_LISTEN`, that "
        "over this key. Another address than a loopback one needs `intake.auth` and `web.auth`",
    )
    store: Annotated[str, BeforeValidator(_store)] = Field(
        default="router.db",
        json_schema_extra={"default": "sqlite:///router.db"},
        description="`sqlite:///FILE`, relative to this file, `sqlite:////absolute/FILE`, or "
        "`postgresql+psycopg://USER:PASSWORD@HOST/NAME` (extra `postgres`; best written `${DATABASE_URL}`). With "
        "SQLite, accepted alerts that are not decided yet stand in a second file, `FILE.inbox`: both belong together",
    )
    retention: RetentionOptions = Field(default=RetentionOptions(), description="how long what is over is kept")
    external_url: Url | None = Field(
        default=None,
        description="what readers call the router by, in links and as `externalURL`; without it the address that it "
        "listens on",
    )
    links: LinkOptions = Field(default=LinkOptions(), description="where a reader of an alert can look further")
    intake: IntakeOptions = Field(default=IntakeOptions(), description="who may send alerts, and how they are read")
    web: WebOptions = Field(default=WebOptions(), description="who may read the lists and act")
    fallback: FallbackOptions | None = Field(
        default=None, description="who is told when another receiver refused a message, or did not take it in time"
    )
    silences: list[SilenceOptions] = Field(
        default_factory=list,
        description="who matches is not told for a time; people make others by the API and the command line",
    )
    inhibit: list[InhibitOptions] = Field(
        default_factory=list, description="alerts that are not told while another one says more"
    )
    flapping: FlappingOptions = Field(
        default=FlappingOptions(), description="when an alert that comes and goes is told; regulated ones always are"
    )
    rollout: list[RolloutOptions] = Field(
        default_factory=list,
        description="rules that do not wake anybody yet; the first entry that matches an alert counts",
    )
    enrich: EnrichOptions = Field(default=EnrichOptions(), description="what a message says beside what its alert says")
    watchdog: WatchdogOptions = Field(default=WatchdogOptions(), description="who notices that nothing happens")
    time_intervals: dict[str, list[TimeInterval]] = Field(
        default_factory=dict, description="name -> a list of times in Alertmanager's words, one of which must hold"
    )
    receivers: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="name -> one or more notifiers; all of them are told"
    )
    tiers: dict[Tier, TierOptions] = Field(
        default_factory=dict, description="defaults for every route of `page`, `channel` or `digest`"
    )
    routes: list[Route] = Field(default_factory=list, description="the route tree")

    @model_validator(mode="after")
    def _somebody_is_told(self) -> Self:
        if not self.receivers:
            raise wrong("no receiver; at least one is needed: receivers: {NAME: {console: {}}}", key="receivers")
        return self
