"""Metrics from every span that ends, before anything is sampled away: rates and costs stay true at 1 %.

It reads structure only: kind, status, times, counts, scores and names. A value of an attribute is redacted once, before
it is first used; beyond `MOST_VALUES` different ones of an attribute all further ones count as ``_OTHER``, so that a
model that invents tool names does not make a series for each. A span is an exemplar only where its sampled flag says
that it is surely exported: what a rule keeps later is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_TYPE
from opentelemetry.trace import SpanContext, StatusCode

from llmtrace._metering import Meters, Series
from llmtrace._record import Seen
from llmtrace.processors.gen_ai.request import provider
from llmtrace.processors.span_facts import findings, number, top_score
from llmtrace.semconv import alert, metrics
from llmtrace.semconv import trace as keys
from llmtrace.semconv.metrics import Instrument

MOST_VALUES: Final = 100
"""Different values of one attribute that are told apart."""
_LONGEST_VALUE: Final = 128
_MOST_CACHED: Final = 4_096
_SECONDS: Final = 1e-9

_Labels = dict[str, str | None]
_Names = Callable[..., _Labels]
"""Makes attributes of a group's values; None: left out."""


class _Group:
    """The series of one kind of span with one set of attributes, looked up once."""

    __slots__ = ("_labels", "_meters", "_series")

    def __init__(self, meters: Meters, labels: Mapping[str, str]) -> None:
        self._meters = meters
        self._labels = labels
        self._series: dict[object, Series] = {}

    def record(self, instrument: Instrument, value: float, exemplar: SpanContext | None, *more: str) -> None:
        """Measure; `more` is the value of the last attribute of the metric, where it is no part of the group."""
        key = (instrument.name, more) if more else instrument.name
        series = self._series.get(key)
        if series is None:
            known = {
                **self._labels,
                **dict(zip(instrument.attributes[-len(more) :], more, strict=True) if more else ()),
            }
            labels = tuple((name, known[name]) for name in instrument.attributes if name in known)
            series = self._series[key] = self._meters.series(instrument, labels)
        series.record(value, exemplar)


class SpanMetrics:
    """The observer. For the worker's thread alone."""

    def __init__(
        self,
        meters: Meters,
        redact: Callable[[str], str],
        *,
        cost: Callable[[Seen], float | None] | None = None,
        names_traces: bool = True,
    ) -> None:
        """Make the observer.

        Args:
            meters: where measurements go.
            redact: takes the secrets out of a text.
            cost: what a call cost whose span does not say it.
            names_traces: whether a span whose sampled flag is set is surely exported, and may be an exemplar.
        """
        self._meters = meters
        self._redact = redact
        self._cost = cost
        self._names_traces = names_traces
        self._known: dict[str, dict[str, str]] = {}
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._observers: dict[object, Callable[[Seen], None]] = {
            keys.KIND_LLM: self._observe_call,
            keys.KIND_EMBEDDING: self._observe_call,
            keys.KIND_RERANKER: self._observe_call,
            keys.KIND_TOOL: self._observe_tool,
            keys.KIND_AGENT: self._observe_agent,
            keys.KIND_RETRIEVER: self._observe_retrieval,
            keys.KIND_EVALUATOR: self._observe_evaluation,
        }

    def __call__(self, record: Seen) -> None:
        """Measure a span."""
        if not self._meters.is_ready:
            return
        kind = record.attributes.get(keys.SPAN_KIND)
        observe = self._observers.get(kind) if type(kind) is str else None
        if observe is not None:
            observe(record)
        for event in record.events:
            if event.name == alert.EVENT_NAME:
                self._observe_tag(record, event.attributes or {})

    def _exemplar(self, record: Seen) -> SpanContext | None:
        if not self._names_traces:
            return None
        context: SpanContext = record.context
        return context if context.trace_flags & 1 else None

    def _observe_call(self, record: Seen) -> None:
        attributes = record.attributes
        operation, model_key = _CALLS[attributes[keys.SPAN_KIND]]
        group = self._group(
            _call,
            operation,
            attributes.get(keys.LLM_REQUEST_MODEL_NAME) or attributes.get(model_key),
            attributes.get(keys.LLM_PROVIDER),
            attributes.get(keys.LLM_SYSTEM),
            attributes.get(keys.PROMPT_VERSION),
            _error(record),
        )
        exemplar = self._exemplar(record)
        group.record(metrics.OPERATION_DURATION, record.duration * _SECONDS, exemplar)
        for key, way in _WAYS:
            tokens = number(attributes.get(key))
            if tokens is not None and tokens >= 0:
                group.record(metrics.TOKEN_USAGE, tokens, exemplar, way)
        first = number(attributes.get(keys.TIME_TO_FIRST_TOKEN))
        if first is not None and first >= 0:
            group.record(metrics.TIME_TO_FIRST_CHUNK, first, exemplar)
        cost = number(attributes.get(keys.LLM_COST_TOTAL))
        if cost is None and self._cost is not None:
            cost = self._cost(record)
        if cost is not None and cost >= 0:
            group.record(metrics.COST, cost, None)
        outcome = attributes.get(keys.STREAM_OUTCOME)
        if outcome is not None:
            group.record(metrics.STREAM_OUTCOMES, 1, None, self._value(metrics.OUTCOME, outcome))

    def _observe_tool(self, record: Seen) -> None:
        name = record.attributes.get(keys.TOOL_NAME, record.name)
        group = self._group(_tool, name, _error(record))
        group.record(metrics.TOOL_DURATION, record.duration * _SECONDS, self._exemplar(record))
        if record.status.status_code is StatusCode.ERROR:
            group.record(metrics.TOOL_ERRORS, 1, None)

    def _observe_agent(self, record: Seen) -> None:
        name = record.attributes.get(keys.AGENT_NAME, record.name)
        group = self._group(_agent, name, _error(record))
        group.record(metrics.AGENT_DURATION, record.duration * _SECONDS, self._exemplar(record))

    def _observe_retrieval(self, record: Seen) -> None:
        exemplar = self._exemplar(record)
        group = self._group(_retrieval, record.name, _error(record))
        group.record(metrics.OPERATION_DURATION, record.duration * _SECONDS, exemplar)
        found = number(record.attributes.get(keys.RETRIEVAL_COUNT))
        if found is not None and found >= 0:
            group.record(metrics.RETRIEVAL_DOCUMENTS, found, exemplar)
            if found == 0:
                group.record(metrics.RETRIEVAL_EMPTY, 1, None)
        best = top_score(record.attributes)
        if best is not None and best >= 0:
            group.record(metrics.RETRIEVAL_TOP_SCORE, best, exemplar)

    def _observe_evaluation(self, record: Seen) -> None:
        for name, score, label in findings(record.attributes):
            is_negative = score is not None and score < 0
            if score is not None and not is_negative:
                self._group(_evaluation, name, None).record(metrics.SCORES, score, self._exemplar(record))
            word = metrics.NEGATIVE if is_negative and label is None else label
            self._group(_evaluation, name, word).record(metrics.EVALUATIONS, 1, None)

    def _observe_tag(self, record: Seen, tag: Mapping[str, Any]) -> None:
        key = tag.get(alert.KEY) or f"{record.attributes.get(keys.SPAN_KIND)}-{record.name}"
        group = self._group(_tag, tag.get(alert.SEVERITY), key)
        group.record(metrics.ALERTS, 1, None)

    def _group(self, names: _Names, *given: object) -> _Group:
        """The group of the attributes that `names` makes of these values; what is no text is left out."""
        key = (names, *[value if type(value) is str else None for value in given])
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_CACHED:
                self._groups.clear()
            labels = {name: self._value(name, value) for name, value in names(*key[1:]).items() if value}
            group = self._groups[key] = _Group(self._meters, labels)
        return group

    def _value(self, name: str, value: object) -> str:
        """What stands for a value of an attribute: redacted, cut, and one of a bounded number."""
        if type(value) is not str:
            return metrics.OTHER
        known = self._known.setdefault(name, {})
        shown = known.get(value)
        if shown is None:
            if len(known) >= MOST_VALUES:
                return metrics.OTHER
            shown = known[value] = self._redact(value)[:_LONGEST_VALUE]
        return shown


def _call(
    operation: str, model: str | None, said: str | None, system: str | None, version: str | None, error: str | None
) -> _Labels:
    # By the conventions' word for it, and by the model's name where nobody said.
    owner = provider({keys.LLM_PROVIDER: said, keys.LLM_SYSTEM: system}, model)
    return {
        metrics.OPERATION: operation,
        metrics.PROVIDER: owner,
        metrics.MODEL: model,
        metrics.PROMPT_VERSION: version,
        metrics.ERROR: error,
    }


def _tool(name: str | None, error: str | None) -> _Labels:
    return {metrics.TOOL: name, metrics.ERROR: error}


def _agent(name: str | None, error: str | None) -> _Labels:
    return {metrics.AGENT: name, metrics.ERROR: error}


def _retrieval(name: str | None, error: str | None) -> _Labels:
    return {metrics.OPERATION: "retrieval", metrics.RETRIEVAL: name, metrics.ERROR: error}


def _evaluation(name: str | None, label: str | None) -> _Labels:
    return {metrics.EVALUATION: name, metrics.LABEL: label}


def _tag(severity: str | None, key: str | None) -> _Labels:
    return {metrics.SEVERITY: severity, metrics.KEY: key}


_CALLS: Final = {
    keys.KIND_LLM: ("chat", keys.LLM_MODEL_NAME),
    keys.KIND_EMBEDDING: ("embeddings", keys.EMBEDDING_MODEL_NAME),
    keys.KIND_RERANKER: ("rerank", keys.RERANKER_MODEL_NAME),
}
_WAYS: Final = ((keys.LLM_TOKEN_COUNT_PROMPT, "input"), (keys.LLM_TOKEN_COUNT_COMPLETION, "output"))


def _error(record: Seen) -> str | None:
    """The type of the exception that failed the span."""
    if record.status.status_code is not StatusCode.ERROR:
        return None
    for event in reversed(record.events):
        found = (event.attributes or {}).get(EXCEPTION_TYPE) if event.name == "exception" else None
        if type(found) is str:
            return found
    return metrics.OTHER
