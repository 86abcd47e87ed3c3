"""`capture_content=False`: takes the content out of spans, ours and third parties', by key; structure stays.

In the name spaces of the conventions (OpenInference, ``gen_ai`` and those of well-known frameworks) only what stands in
the lists below is kept: a text that nobody thought of is content. Outside of them keys are the user's own and stay, as
do alert tags, metadata, tags, user and session.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.trace import Link, Status

from llmtrace._record import SpanRecord
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

_CONTENT_SPACES: Final = (
    "input.",
    "output.",
    "llm.",
    "message.",
    "message_content.",
    "retrieval.",
    "reranker.",
    "embedding.",
    "document.",
    "tool.",
    "tool_call.",
    "decision.",
    "prompt.",
    "image.",
    "audio.",
    "video.",
    "completion.",
    "annotations",
    "evaluations",
    "trace.annotations",
    "trace.evaluations",
    "session.annotations",
    "session.evaluations",
    "gen_ai.",
    "traceloop.",
    "ai.",
    "mlflow.",
    "langfuse.",
    "langsmith.",
    "pydantic_ai.",
    "logfire.",
    "haystack.",
    "crewai.",
    "mcp.",
)
"""Name spaces of conventions: an attribute in them is kept only if it is named below, or is a number or a truth."""
_CONTENT_NAMES: Final = frozenset(
    {
        "all_messages_events",
        "body",
        "content",
        "error.message",
        "error.stack",
        "event.body",
        "events",
        "final_result",
        "input",
        "inputs",
        "logfire.msg",
        "message",
        "messages",
        "model_request_parameters",
        "new_messages",
        "output",
        "outputs",
        "prompt",
        "completion",
        "request_data",
        "response_data",
        "system_instructions",
        "tool_arguments",
        "tool_response",
        exc.EXCEPTION_MESSAGE,
        keys.CITATIONS,
    }
)
"""Content outside of these name spaces."""
_KEPT: Final = frozenset(
    {
        keys.INPUT_MIME_TYPE,
        keys.OUTPUT_MIME_TYPE,
        keys.LLM_MODEL_NAME,
        "llm.request.model_name",
        "llm.response.model_name",
        keys.LLM_PROVIDER,
        keys.LLM_SYSTEM,
        keys.LLM_FINISH_REASON,
        keys.PROMPT_VERSION,
        keys.TOOL_NAME,
        "tool.id",
        "embedding.model_name",
        "reranker.model_name",
        "decision.model_name",
        "decision.request.model_name",
        "decision.response.model_name",
        "decision.provider",
        "decision.system",
        "prompt.id",
        "prompt.vendor",
        "prompt.url",
        "ai.model.id",
        "ai.model.provider",
        "ai.operationId",
        "ai.response.finishReason",
        "ai.response.id",
        "ai.response.model",
        "ai.toolCall.id",
        "ai.toolCall.name",
        "gen_ai.agent.id",
        "gen_ai.agent.name",
        "gen_ai.agent.version",
        "gen_ai.conversation.id",
        "gen_ai.data_source.id",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.openai.request.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.openai.response.system_fingerprint",
        "gen_ai.operation.name",
        "gen_ai.output.type",
        "gen_ai.prompt.name",
        "gen_ai.provider.name",
        "gen_ai.request.encoding_formats",
        "gen_ai.request.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.system",
        "gen_ai.token.type",
        "gen_ai.tool.call.id",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
        "gen_ai.workflow.name",
        "langfuse.observation.type",
        "langfuse.observation.model.name",
        "langfuse.environment",
        "langfuse.release",
        "mcp.method.name",
        "mcp.session.id",
        "mlflow.spanType",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.user_id",
        "traceloop.entity.name",
        "traceloop.entity.path",
        "traceloop.span.kind",
        "traceloop.workflow.name",
        "logfire.span_type",
        "logfire.level_num",
    }
)
_KEPT_ENDS: Final = (
    "." + keys.MESSAGE_ROLE,
    "." + keys.MESSAGE_NAME,
    "." + keys.MESSAGE_TOOL_CALL_ID,
    "." + keys.MESSAGE_FUNCTION_CALL_NAME,
    "." + keys.CONTENT_TYPE,
    ".message_content.id",
    "." + keys.TOOL_CALL_ID,
    "." + keys.TOOL_CALL_FUNCTION_NAME,
    "." + keys.DOCUMENT_ID,
    "." + keys.DOCUMENT_SCORE,
    ".document.mime_type",
    ".audio.mime_type",
    "." + keys.TOOL_NAME,
    ".role",
    ".finish_reason",
    ".annotation.name",
    ".annotation.label",
    ".annotation.annotator_kind",
    ".annotation.identifier",
    ".evaluation.name",
    ".evaluation.label",
    ".evaluation.annotator_kind",
    ".evaluation.identifier",
)
_PARAMETERS: Final = (keys.LLM_INVOCATION_PARAMETERS, "embedding.invocation_parameters")
_PARAMETER_TEXTS: Final = frozenset({"model", "service_tier", "reasoning_effort", "encoding_format"})
_VECTORS: Final = ("embedding.vector", ".embedding")
_BARE_EVENT_KEYS: Final = frozenset({"id", "index", "role", "finish_reason", "name", "event.name"})
_HEADERS: Final = frozenset(
    {"Traceback (most recent call last):", "Exception Group Traceback (most recent call last):"}
)
_MARGIN: Final = re.compile(r"[ ]*\|[ ]?")
"""What an exception group puts before each of its lines."""
_FRAME: Final = re.compile(
    r'[\s|]*File "[^"\n]*", line \d+(?:, in [^\n]+)?|[\s|]*\[Previous line repeated \d+ more times?\]'
)
_FOREIGN_FRAME: Final = re.compile(r"\s+at [\w.$<>/]{1,200} ?\([\w.$/:-]{1,300}:\d+\)")
_ERROR_TYPE: Final = re.compile(r"([\s|]*[A-Za-z_][\w.]*)(?::.*)?")
_CONNECTORS: Final = frozenset(
    {
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    }
)


def without_content(record: SpanRecord) -> SpanRecord:
    """The span without messages, prompts, arguments, results, documents, vectors, media and exception texts.

    Kept are types, frames of stack traces, model, tokens, counts, scores, ids, and whatever the user set under keys of
    his own.
    """
    return record._replace(
        attributes=_structure(record.attributes),
        events=tuple(_event(event) for event in record.events),
        links=tuple(Link(link.context, _structure(link.attributes or {})) for link in record.links),
        status=_status(record),
    )


def _structure(attributes: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in attributes.items():
        if key in _PARAMETERS:
            kept[key] = _parameters(value)
        elif key == exc.EXCEPTION_STACKTRACE:
            kept[key] = frames(value) if isinstance(value, str) else ""
        elif _is_kept(key) or (_is_number(value) and not key.endswith(_VECTORS)):
            kept[key] = value
    return kept


@lru_cache(maxsize=4096)
def _is_kept(key: str) -> bool:
    if key in _KEPT:
        return True
    if key.startswith(_CONTENT_SPACES):
        return key.endswith(_KEPT_ENDS)
    return key not in _CONTENT_NAMES


def _is_number(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _parameters(value: object) -> str:
    """Invocation parameters without texts: a temperature is structure, a stop sequence or a system prompt is none."""
    try:
        parsed = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, Mapping):
        return "{}"
    kept = {
        name: item
        for name, item in parsed.items()
        if _is_number(item) or (name in _PARAMETER_TEXTS and isinstance(item, str))
    }
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def _event(event: Event) -> Event:
    if event.name == alert.EVENT_NAME:
        return event
    attributes = _structure(event.attributes or {})
    if event.name.startswith("gen_ai."):
        attributes = {
            key: value
            for key, value in attributes.items()
            if "." in key or key in _BARE_EVENT_KEYS or _is_number(value)
        }
    return Event(event.name, attributes, event.timestamp)


def _status(record: SpanRecord) -> Status:
    """A description is an exception's text; of ``Type: text`` the type stays if the span recorded such an exception."""
    description = record.status.description
    if description is None:
        return record.status
    named = description.partition(":")[0]
    types = (str((event.attributes or {}).get(exc.EXCEPTION_TYPE, "")) for event in record.events)
    is_type = any(named in (kind, kind.rpartition(".")[2]) for kind in types if kind)
    return Status(record.status.status_code, named if is_type else None)


def frames(stack_trace: str) -> str:
    """A stack trace's files, lines and functions, and the types of its exceptions: no source lines, no messages."""
    kept: list[str] = []
    is_in_frames = False
    for line in stack_trace.splitlines():
        plain = line.strip(" |+-")
        if plain in _HEADERS or _FRAME.fullmatch(line) or _FOREIGN_FRAME.fullmatch(line):
            kept.append(line)
            is_in_frames = True
        elif plain in _CONNECTORS:
            kept.append(line)
        elif is_in_frames and plain and not _MARGIN.sub("", line).startswith(" "):
            # The first line at the margin after the frames: the exception. Its message may go on below.
            found = _ERROR_TYPE.fullmatch(line)
            kept.append(found[1] if found else "")
            is_in_frames = False
    return "\n".join(kept)
