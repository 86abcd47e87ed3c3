"""Messages and documents that a span carries as one JSON string, or as nested values -> the flattened form.

``span.set_attribute("llm.input_messages", json.dumps(messages))`` stands in many tutorials. Phoenix shows nothing for
such messages, and its page breaks on such documents. What cannot be parsed is kept as the text of one message or
document.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes import Attributes, put_documents, put_messages, put_tools
from llmtrace._record import SpanRecord
from llmtrace.semconv import trace as keys


def _put_tools(into: Attributes, list_key: str, value: object) -> None:  # noqa: ARG001 - same shape as its siblings
    put_tools(into, value)


_LISTS: Final[dict[str, Callable[[Attributes, str, object], Any]]] = {
    keys.LLM_INPUT_MESSAGES: put_messages,
    keys.LLM_OUTPUT_MESSAGES: put_messages,
    keys.LLM_TOOLS: _put_tools,
    keys.RETRIEVAL_DOCUMENTS: put_documents,
    keys.RERANKER_INPUT_DOCUMENTS: put_documents,
    keys.RERANKER_OUTPUT_DOCUMENTS: put_documents,
}


def flatten_json_strings(record: SpanRecord) -> SpanRecord:
    """Replace each list that came as one value by its flattened attributes; flattened ones that are there win."""
    if _LISTS.keys().isdisjoint(record.attributes.keys()):
        return record
    found = [key for key in _LISTS if key in record.attributes]
    attributes: Attributes = {key: value for key, value in record.attributes.items() if key not in found}
    for key in found:
        flat: Attributes = {}
        _LISTS[key](flat, key, _parsed(record.attributes[key]))
        if not any(name.startswith(f"{key}.") for name in attributes):
            attributes.update(flat)
    return record.with_attributes(attributes)


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return value
    # A JSON number or string is no list of anything: the text itself is what there is to show.
    return parsed if isinstance(parsed, list | dict) else value
