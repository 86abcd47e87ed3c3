"""The metrics: name, kind, unit, attributes and buckets of each, once. Documented in ``docs/reference/metrics.md``.

The ``gen_ai.`` ones are OpenTelemetry's GenAI conventions, which are still in development: the names of the model
call's metrics are those of the released ``opentelemetry-semantic-conventions``; those of tools and agents are newer.
What the conventions have no word for is named under ``llmtrace.``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE

OPERATION: Final = gen_ai.GEN_AI_OPERATION_NAME
PROVIDER: Final = gen_ai.GEN_AI_PROVIDER_NAME
MODEL: Final = gen_ai.GEN_AI_REQUEST_MODEL
TOKEN_TYPE: Final = gen_ai.GEN_AI_TOKEN_TYPE
TOOL: Final = gen_ai.GEN_AI_TOOL_NAME
AGENT: Final = gen_ai.GEN_AI_AGENT_NAME
EVALUATION: Final = gen_ai.GEN_AI_EVALUATION_NAME
LABEL: Final = gen_ai.GEN_AI_EVALUATION_SCORE_LABEL
ERROR: Final = ERROR_TYPE
PROMPT_VERSION: Final = "gen_ai.prompt.version"
RETRIEVAL: Final = "llmtrace.retrieval.name"
OUTCOME: Final = "llmtrace.stream.outcome"
SEVERITY: Final = "llmtrace.alert.severity"
KEY: Final = "llmtrace.alert.key"
REASON: Final = "llmtrace.reason"
BACKEND: Final = "llmtrace.backend"

NEGATIVE: Final = "negative"
"""The label of a score below 0 that was given none: a histogram cannot hold it."""
OTHER: Final = "_OTHER"
"""Stands for every value of an attribute beyond those that are told apart: OpenTelemetry's word, for error types."""
OVERFLOW: Final = "otel.metric.overflow"
"""The one attribute of what is counted beyond the bound of one metric, as in OpenTelemetry's SDK."""


class Kind(Enum):
    """How a metric is measured."""

    HISTOGRAM = "histogram"
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric. `buckets` are the upper bounds of a histogram's."""

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_SCORES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0)
_CALL: Final = (OPERATION, PROVIDER, MODEL, PROMPT_VERSION)

OPERATION_DURATION: Final = Instrument(
    gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION,
    Kind.HISTOGRAM,
    "s",
    "GenAI operation duration.",
    (*_CALL, ERROR),
    _SECONDS,
)
TOKEN_USAGE: Final = Instrument(
    gen_ai_metrics.GEN_AI_CLIENT_TOKEN_USAGE,
    Kind.HISTOGRAM,
    "{token}",
    "Number of input and output tokens used.",
    (*_CALL, TOKEN_TYPE),
    _TOKENS,
)
TIME_TO_FIRST_CHUNK: Final = Instrument(
    gen_ai_metrics.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK,
    Kind.HISTOGRAM,
    "s",
    "Time from the request to the first chunk of a streamed answer.",
    _CALL,
    _SECONDS,
)
TOOL_DURATION: Final = Instrument(
    "gen_ai.execute_tool.duration", Kind.HISTOGRAM, "s", "Duration of a tool call.", (TOOL, ERROR), _SECONDS
)
AGENT_DURATION: Final = Instrument(
    "gen_ai.invoke_agent.duration", Kind.HISTOGRAM, "s", "Duration of an agent's run.", (AGENT, ERROR), _SECONDS
)
COST: Final = Instrument("llmtrace.llm.cost", Kind.COUNTER, "{USD}", "What model calls cost, in US dollars.", _CALL)
STREAM_OUTCOMES: Final = Instrument(
    "llmtrace.stream.outcomes", Kind.COUNTER, "{stream}", "How streams ended.", (*_CALL, OUTCOME)
)
TOOL_ERRORS: Final = Instrument(
    "llmtrace.tool.errors", Kind.COUNTER, "{error}", "Tool calls that failed.", (TOOL, ERROR)
)
RETRIEVAL_DOCUMENTS: Final = Instrument(
    "llmtrace.retrieval.documents",
    Kind.HISTOGRAM,
    "{document}",
    "Documents that a retrieval returned.",
    (RETRIEVAL,),
    (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
RETRIEVAL_TOP_SCORE: Final = Instrument(
    "llmtrace.retrieval.top_score",
    Kind.HISTOGRAM,
    "1",
    "The best score among a retrieval's documents.",
    (RETRIEVAL,),
    _SCORES,
)
RETRIEVAL_EMPTY: Final = Instrument(
    "llmtrace.retrieval.empty", Kind.COUNTER, "{retrieval}", "Retrievals that returned nothing.", (RETRIEVAL,)
)
SCORES: Final = Instrument(
    "llmtrace.evaluation.score", Kind.HISTOGRAM, "1", "Scores of evaluations.", (EVALUATION,), _SCORES
)
EVALUATIONS: Final = Instrument(
    "llmtrace.evaluation.results", Kind.COUNTER, "{evaluation}", "Evaluations, by what they said.", (EVALUATION, LABEL)
)
ALERTS: Final = Instrument(
    "llmtrace.alerts", Kind.COUNTER, "{alert}", "Alert tags on spans, before coalescing.", (SEVERITY, KEY)
)

TRACES_KEPT: Final = Instrument(
    "llmtrace.traces.kept", Kind.COUNTER, "{trace}", "Traces that were kept, by the reason.", (REASON,)
)
TRACES_DROPPED: Final = Instrument(
    "llmtrace.traces.dropped", Kind.COUNTER, "{trace}", "Traces that were sampled away.", (REASON,)
)
TRACES_EVICTED: Final = Instrument(
    "llmtrace.traces.evicted", Kind.COUNTER, "{trace}", "Traces decided early because the buffer was full."
)
TRACES_PARTIAL: Final = Instrument(
    "llmtrace.traces.partial", Kind.COUNTER, "{trace}", "Traces kept without some of their spans."
)
BUFFER_SPANS: Final = Instrument(
    "llmtrace.buffer.spans", Kind.GAUGE, "{span}", "Spans that wait for the verdict on their trace."
)
SPANS_LOST: Final = Instrument(
    "llmtrace.spans.lost", Kind.COUNTER, "{span}", "Spans that were lost, by the reason.", (REASON, BACKEND)
)
SPANS_DELIVERED: Final = Instrument(
    "llmtrace.spans.delivered", Kind.COUNTER, "{span}", "Spans that a backend has taken.", (BACKEND,)
)
SPANS_UNOBSERVED: Final = Instrument(
    "llmtrace.spans.unobserved",
    Kind.COUNTER,
    "{span}",
    "Spans that hints and metrics did not look at, because they ended faster than that.",
)
ALERTS_SENT: Final = Instrument(
    "llmtrace.alerts.sent", Kind.COUNTER, "{span}", "Tagged spans that left for the router, after coalescing."
)

OF_SPANS: Final = (
    OPERATION_DURATION,
    TOKEN_USAGE,
    TIME_TO_FIRST_CHUNK,
    TOOL_DURATION,
    AGENT_DURATION,
    COST,
    STREAM_OUTCOMES,
    TOOL_ERRORS,
    RETRIEVAL_DOCUMENTS,
    RETRIEVAL_TOP_SCORE,
    RETRIEVAL_EMPTY,
    SCORES,
    EVALUATIONS,
    ALERTS,
)
"""Measured on every span, whatever is kept of them."""
OF_OURSELVES: Final = (
    TRACES_KEPT,
    TRACES_DROPPED,
    TRACES_EVICTED,
    TRACES_PARTIAL,
    BUFFER_SPANS,
    SPANS_LOST,
    SPANS_DELIVERED,
    SPANS_UNOBSERVED,
    ALERTS_SENT,
)
"""What llmtrace did with the spans of this process."""
