"""Alert tags on the wire: the ``llmtrace.alert.*`` keys, severities, and which attributes a slim span may carry.

A tag is a span event named ``llmtrace.alert``. The service half writes it, the router reads it; neither spells a key
of its own. The keys and their meaning are documented in ``docs/reference/attributes.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from llmtrace.semconv import trace

EVENT_NAME: Final = "llmtrace.alert"
PREFIX: Final = "llmtrace.alert."
SEVERITY: Final = "llmtrace.alert.severity"
KEY: Final = "llmtrace.alert.key"
REASON: Final = "llmtrace.alert.reason"
TEAM: Final = "llmtrace.alert.team"
PRIORITY: Final = "llmtrace.alert.priority"
RUNBOOK_URL: Final = "llmtrace.alert.runbook_url"
REGULATED: Final = "llmtrace.alert.regulated"
SOURCE: Final = "llmtrace.alert.source"
COUNT: Final = "llmtrace.alert.count"
SEGMENT_PREFIX: Final = "llmtrace.alert.segment."

TRACE_SEVERITY: Final = "llmtrace.trace.alert_severity"
"""On a trace's root: the most severe tag below it. Never itself an alert."""

SOURCE_TAG: Final = "tag"
SOURCE_RULE_PREFIX: Final = "rule:"
"""Before the name of the hint rule that tagged the span."""


class Severity(StrEnum):
    """How bad it is, worst first, in PagerDuty's four words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst; a smaller rank is more severe."""
        return _RANKS[self]

    def is_worse_than(self, word: object) -> bool:
        """Whether it is more severe than the severity in `word`; than nothing, and than no severity, it is."""
        return not isinstance(word, str) or word not in _WORDS or self.rank < Severity(word).rank


_WORDS: Final = frozenset(severity.value for severity in Severity)
_RANKS: Final = MappingProxyType({severity: rank for rank, severity in enumerate(Severity)})

AttributeValue = str | bool | int | float


@dataclass(frozen=True, slots=True)
class AlertTag:
    """One severity hint, as ``tag_alert`` took it or as it came over the wire."""

    severity: Severity
    reason: str | None = None
    key: str | None = None
    team: str | None = None
    priority: str | None = None
    runbook_url: str | None = None
    regulated: bool = False
    source: str = SOURCE_TAG
    count: int = 1
    segment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def to_attributes(self) -> dict[str, AttributeValue]:
        """The tag as flat attributes, for the event and (the most severe one) for the span."""
        optional: dict[str, AttributeValue | None] = {
            REASON: self.reason,
            KEY: self.key,
            TEAM: self.team,
            PRIORITY: self.priority,
            RUNBOOK_URL: self.runbook_url,
            REGULATED: self.regulated or None,
            COUNT: self.count if self.count != 1 else None,
        }
        return {
            SEVERITY: self.severity.value,
            SOURCE: self.source,
            **{key: value for key, value in optional.items() if value is not None},
            **{SEGMENT_PREFIX + name: value for name, value in self.segment.items()},
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, object]) -> AlertTag:
        """Read a tag from attributes of any sender.

        Raises:
            ValueError: where there is no severity, or one that is none of the four.
        """
        count = attributes.get(COUNT)
        return cls(
            Severity(str(attributes.get(SEVERITY)).lower()),
            reason=_text(attributes.get(REASON)),
            key=_text(attributes.get(KEY)),
            team=_text(attributes.get(TEAM)),
            priority=_text(attributes.get(PRIORITY)),
            runbook_url=_text(attributes.get(RUNBOOK_URL)),
            regulated=_truth(attributes.get(REGULATED)),
            source=_text(attributes.get(SOURCE)) or SOURCE_TAG,
            count=count if isinstance(count, int) and count > 0 else 1,
            segment=MappingProxyType(
                {
                    key.removeprefix(SEGMENT_PREFIX): str(value)
                    for key, value in attributes.items()
                    if key.startswith(SEGMENT_PREFIX)
                }
            ),
        )


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _truth(value: object) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"


_SLIM_KEYS: Final = frozenset(
    {
        trace.SPAN_KIND,
        trace.AGENT_NAME,
        trace.TOOL_NAME,
        trace.LLM_MODEL_NAME,
        trace.LLM_PROVIDER,
        trace.LLM_SYSTEM,
        trace.LLM_FINISH_REASON,
        trace.PROMPT_VERSION,
        trace.SESSION_ID,
        trace.RETRIEVAL_TOP_K,
        trace.RETRIEVAL_COUNT,
        trace.STREAM_OUTCOME,
        trace.TIME_TO_FIRST_TOKEN,
        trace.TOTAL_SECONDS,
        trace.CACHE_WRITE_1H_TOKENS,
        trace.GUARDRAIL_SCORE,
        TRACE_SEVERITY,
    }
)
_SLIM_PREFIXES: Final = (PREFIX, "llm.token_count.", "llm.cost.")
_SLIM_SCORE: Final = re.compile(
    rf"{re.escape(trace.EVALUATIONS)}\.[0-9]{{1,3}}\.({re.escape(trace.EVALUATION_NAME)}|{re.escape(trace.EVALUATION_SCORE)})"
)


def is_slim_key(key: str) -> bool:
    """Whether a span attribute may travel to the router and be stored there.

    A list of what is allowed, not of what is forbidden: a key that nobody thought of is content until it stands here.
    """
    return key in _SLIM_KEYS or key.startswith(_SLIM_PREFIXES) or _SLIM_SCORE.fullmatch(key) is not None
