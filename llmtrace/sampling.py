"""Which traces are kept, as plain data: the presets by name, and the policy behind ``production``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace.exceptions import ConfigurationError

Ratio = Callable[[str, Mapping[str, Any]], float]
"""The name of a trace's first span in this process and the attributes it starts with -> a probability."""

KeepIf = Callable[[ReadableSpan], bool]
"""A rule of your own: an ended span -> whether its trace is kept. Runs on llmtrace's thread, not on the caller's."""


class Preset(StrEnum):
    """The presets by name."""

    DEVELOPMENT = "development"
    """Keep every trace."""
    PRODUCTION = "production"
    """Keep 1 %, and every trace that somebody will ask for: `SamplingPolicy` with its defaults."""
    COLLECTOR = "collector"
    """Send every trace, and leave the decision to an OpenTelemetry Collector."""
    OFF = "off"
    """Record nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPolicy:
    """What ``production`` keeps, and in which bounds. Wrong values are refused when it is made.

    Args:
        ratio: the share of ordinary traces that is kept, 0 to 1; or a function of the first span's name and attributes.
        errors: keep every trace with an error: status ERROR, or a recorded exception.
        cancelled: count a cancelled task, an abandoned generator and an interrupt as errors too.
        slow: keep every trace that takes so many seconds, while it is open already; None: no such rule.
        cost: keep every trace with a span that costs so many US dollars.
        trace_cost: the same for all model calls of a trace together; None: the limit of `cost`.
        keep_if: a rule of your own.
        rule_cap: traces a second, averaged over a minute, that rules may keep; above it a random sample of them is kept
            and says what it stands for. None: no cap.
        trust_upstream: believe every caller that says it has kept a trace. False: those that the middleware trusts.
        grace: seconds that spans are waited for after the trace's last local root has ended.
        max_age: seconds after which an open trace is decided by chance.
        max_traces: open traces at most; beyond them the oldest are decided by chance.
        max_spans: ended spans in the buffer at most.
        max_bytes: their size at most, roughly; under pressure the contents of ordinary traces go first.
        grave_spans: ended spans of dropped traces that stay at hand, should an error come late.
    """

    ratio: float | Ratio = 0.01
    errors: bool = True
    cancelled: bool = False
    slow: float | None = 10.0
    cost: float | None = None
    trace_cost: float | None = None
    keep_if: KeepIf | None = None
    rule_cap: float | None = 100.0
    trust_upstream: bool = False
    grace: float = 5.0
    max_age: float = 600.0
    max_traces: int = 20_000
    max_spans: int = 50_000
    max_bytes: int = 64 * 2**20
    grave_spans: int = 4_096

    @property
    def asks_cost(self) -> bool:
        """Whether the verdict may depend on what a span cost."""
        return self.cost is not None or self.trace_cost is not None or self.keep_if is not None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not callable(self.ratio):
            _number("ratio", self.ratio, "a number from 0 to 1, or a function", most=1.0)
        for name in ("errors", "cancelled", "trust_upstream"):
            _of_type(name, getattr(self, name), bool, "True, False")
        for name in ("slow", "cost", "trace_cost", "rule_cap"):
            if getattr(self, name) is not None:
                _number(name, getattr(self, name), "a number above 0, or None", above_zero=True)
        for name in ("grace", "max_age"):
            _number(name, getattr(self, name), "seconds above 0", above_zero=True)
        for name in ("max_traces", "max_spans", "max_bytes", "grave_spans"):
            _of_type(name, getattr(self, name), int, "a whole number, 0 or more")
            _number(name, getattr(self, name), "a whole number, 0 or more")
        rule: object = self.keep_if
        if rule is not None and not callable(rule):
            _refuse("keep_if", rule, "a function of an ended span, or None")


def _number(name: str, value: object, allowed: str, *, most: float = math.inf, above_zero: bool = False) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value != math.inf
    if not is_number or not 0 <= value <= most or (above_zero and not value):  # type: ignore[operator] # a number
        _refuse(name, value, allowed)


def _of_type(name: str, value: object, kind: type, allowed: str) -> None:
    if type(value) is not kind:
        _refuse(name, value, allowed)


def _refuse(name: str, value: object, allowed: str) -> None:
    msg = f"SamplingPolicy({name}={value!r:.80}); allowed: {allowed}"
    raise ConfigurationError(msg)


class Reason(StrEnum):
    """Why a trace was kept: ``llmtrace.sampling.reason``."""

    ERROR = "error"
    SLOW = "slow"
    ALERT = "alert"
    """It carries an alert tag."""
    FORCED = "forced"
    """`span.keep()`, or the attribute ``llmtrace.keep``."""
    COST = "cost"
    RULE = "rule"
    """`SamplingPolicy.keep_if` said so, or failed."""
    UPSTREAM = "upstream"
    """A trusted caller has kept it."""
    CHANCE = "chance"
    """One of the share that is kept of ordinary traces."""
    SHUTDOWN = "shutdown"
    """The process ended before it was decided."""


def policy_of(sampling: Preset | SamplingPolicy) -> SamplingPolicy | None:
    """The policy of a preset; None where nothing is decided in this process."""
    if isinstance(sampling, SamplingPolicy):
        return sampling
    return SamplingPolicy() if sampling is Preset.PRODUCTION else None


_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_WORDS: Final = {"true": True, "false": False, "none": None}
_TIMES: Final = ("slow", "grace", "max_age")
_IN_CODE_ONLY: Final = ("keep_if",)


def read_sampling(setting: str, text: object) -> Preset | SamplingPolicy:
    """A preset by name; ``production`` may be followed by values: ``production:ratio=0.05,slow=5s,rule_cap=none``.

    Raises:
        ConfigurationError: naming the setting, the value and what is allowed.
    """
    word, colon, values = str(text).strip().partition(":")
    try:
        preset = Preset(word.strip().lower())
    except ValueError:
        allowed = f"{', '.join(Preset)}, production:ratio=0.05,slow=5s"
        msg = f"{setting}={text!r:.80} is no sampling preset; allowed: {allowed}"
        raise ConfigurationError(msg) from None
    if not colon:
        return preset
    if preset is not Preset.PRODUCTION:
        msg = f"{setting}={text!r:.80}: only production takes values; allowed: {preset.value}"
        raise ConfigurationError(msg)
    try:
        return SamplingPolicy(**dict(_value(pair) for pair in values.split(",") if pair.strip()))
    except ConfigurationError as error:
        msg = f"{setting}={text!r:.200}: {error}"
        raise ConfigurationError(msg) from None


def _value(pair: str) -> tuple[str, Any]:
    name, _, text = (part.strip() for part in pair.partition("="))
    names = [field.name for field in fields(SamplingPolicy) if field.name not in _IN_CODE_ONLY]
    if name not in names:
        msg = f"no value {name!r:.40}; allowed: {', '.join(names)}"
        raise ConfigurationError(msg)
    if text.lower() in _WORDS:
        return name, _WORDS[text.lower()]
    number = text.rstrip("msh") if name in _TIMES else text
    try:
        return name, int(text) if text.isdigit() else float(number) * _UNITS[text[len(number) :] or "s"]
    except (ValueError, KeyError):
        msg = f"{name}={text!r:.40} is no value; allowed: a number, a time such as 5s, true, false, none"
        raise ConfigurationError(msg) from None
