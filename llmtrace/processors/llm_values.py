"""`input.value` and `output.value` of LLM spans, made from their messages where nobody set them.

Phoenix's lists and filters read these two, its transcript the messages. They are derived here, on the worker, because
rendering a conversation as JSON costs more than recording it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from llmtrace._attributes import Attributes
from llmtrace._record import SpanRecord
from llmtrace._serialize import to_json
from llmtrace.semconv import trace as keys

_SIDES: Final = (
    (keys.LLM_INPUT_MESSAGES, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE),
    (keys.LLM_OUTPUT_MESSAGES, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE),
)


def derive_llm_values(record: SpanRecord) -> SpanRecord:
    """Add the missing values to an LLM span; any other span passes."""
    if record.attributes.get(keys.SPAN_KIND) != keys.KIND_LLM:
        return record
    added: Attributes = {}
    for list_key, value_key, mime_key in _SIDES:
        if value_key not in record.attributes:
            messages = _messages(record, f"{list_key}.")
            if messages:
                added[value_key] = to_json({"messages": messages})
                added[mime_key] = keys.MIME_JSON
    return record.with_attributes({**record.attributes, **added}) if added else record


def _messages(record: SpanRecord, prefix: str) -> list[dict[str, Any]]:
    """The flattened messages as a list of dicts, each with the keys that its message has."""
    messages: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in record.attributes.items():
        if key.startswith(prefix):
            index, _, field = key[len(prefix) :].partition(".")
            if index.isdigit():
                messages[int(index)][field.removeprefix("message.")] = value
    return [messages[index] for index in sorted(messages)]
