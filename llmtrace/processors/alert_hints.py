"""The step that tags spans by rule: the same event and attributes as `tag_alert`, with ``rule:<name>`` as the source.

It runs on every span before the verdict on its trace, so that a tag keeps the trace. What a rule looks for stands in
`llmtrace.hints`, what the conditions mean in `llmtrace.processors.hint_conditions`.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from opentelemetry.sdk.trace import Event

from llmtrace._record import Seen, SpanRecord
from llmtrace.hints import EVERY_KIND, HintRule
from llmtrace.processors.hint_conditions import condition, scope
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys
from llmtrace.semconv.alert import AlertTag, Severity

MOST_TRACES: Final = 10_000
"""Traces whose worst severity is remembered until their root has ended; beyond it the oldest are forgotten."""


class _Prepared:
    """A rule with everything worked out that does not depend on the span."""

    def __init__(self, rule: HintRule) -> None:
        self._condition = condition(rule)
        self._scope = scope(rule)
        self._unless_tagged = rule.unless_tagged
        self._tag = AlertTag(
            Severity(rule.severity),
            key=rule.key or rule.name,
            team=rule.team,
            priority=rule.priority,
            runbook_url=rule.runbook_url,
            regulated=rule.regulated,
            source=alert.SOURCE_RULE_PREFIX + rule.name,
            segment=rule.segment,
        )

    def tag(self, record: Seen) -> AlertTag | None:
        """The tag for this span; None where the rule has nothing to say."""
        reason = self._condition(record)
        if reason is None or not self._scope(record) or (self._unless_tagged and is_tagged(record)):
            return None
        return replace(self._tag, reason=reason)


class AlertHints:
    """The step. Holds the worst severity of each trace until its root comes by, which ends after its children."""

    def __init__(self, rules: Sequence[HintRule]) -> None:
        by_kind: defaultdict[str, list[_Prepared]] = defaultdict(list)
        for rule in rules:
            prepared = _Prepared(rule)
            for kind in (EVERY_KIND,) if EVERY_KIND in rule.kinds else {*rule.kinds}:
                by_kind[kind].append(prepared)
        self._everywhere = tuple(by_kind.pop(EVERY_KIND, ()))
        self._by_kind = {kind: (*found, *self._everywhere) for kind, found in by_kind.items()}
        self._worst: OrderedDict[int, Severity] = OrderedDict()

    def __call__(self, record: Seen) -> Seen:
        """The record with the tags that the rules give it; the same object where they give none."""
        rules = self._by_kind.get(record.attributes.get(keys.SPAN_KIND, ""), self._everywhere)
        tags = [tag for rule in rules if (tag := rule.tag(record)) is not None] if rules else None
        if tags:
            record = stamped(record.whole(), tags)
            self._remember(record.context.trace_id, min((tag.severity for tag in tags), key=lambda word: word.rank))
        return self._with_trace_severity(record) if self._worst else record

    def _remember(self, trace_id: int, severity: Severity) -> None:
        if severity.is_worse_than(self._worst.get(trace_id)):
            self._worst[trace_id] = severity
        if len(self._worst) > MOST_TRACES:
            self._worst.popitem(last=False)

    def _with_trace_severity(self, record: Seen) -> Seen:
        """A local root with the worst that a rule found in its trace; `tag_alert` writes its own on the open root."""
        if record.parent is not None and not record.parent.is_remote:
            return record
        worst = self._worst.get(record.context.trace_id)
        if worst is None or not worst.is_worse_than(record.attributes.get(alert.TRACE_SEVERITY)):
            return record
        return record.plus({alert.TRACE_SEVERITY: worst.value})


def is_tagged(record: Seen) -> bool:
    """Whether the span carries an alert tag."""
    return any(event.name == alert.EVENT_NAME for event in record.events)


@dataclass(slots=True)
class _Stamping:
    """A record's events and attributes while tags are put on them, by the rules of `tag_alert`."""

    events: list[Event]
    attributes: dict[str, Any]
    at: int

    def put(self, tag: AlertTag) -> None:
        for event in self.events:
            if event.name == alert.EVENT_NAME and (event.attributes or {}).get(alert.KEY) == tag.key:
                if not tag.severity.is_worse_than((event.attributes or {}).get(alert.SEVERITY)):
                    return
                self.events.remove(event)
                break
        written = tag.to_attributes()
        self.events.append(Event(alert.EVENT_NAME, written, self.at))
        if tag.severity.is_worse_than(self.attributes.get(alert.SEVERITY)):
            # Of the milder tag nothing stays: its team would be told of the wrong one.
            for key in [key for key in self.attributes if key.startswith(alert.PREFIX)]:
                del self.attributes[key]
            self.attributes.update(written)


def stamped(record: SpanRecord, tags: Sequence[AlertTag]) -> SpanRecord:
    """The record with these tags: the same key again is the same alert, and the most severe one is the span's."""
    stamping = _Stamping(list(record.events), dict(record.attributes), record.end_time)
    for tag in tags:
        stamping.put(tag)
    return record._replace(attributes=stamping.attributes, events=stamping.events)
