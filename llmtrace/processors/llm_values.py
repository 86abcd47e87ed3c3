"""`input.value` and `output.value` of LLM spans, made from their messages where nobody set them.

Phoenix's lists and filters read these two, its transcript the messages. They are derived here, on the worker, because
rendering a conversation as JSON costs more than recording it.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes import Attributes
from llmtrace._record import SpanRecord
from llmtrace._values.serialize import to_json
from llmtrace.semconv import trace as keys

_SIDES: Final = (
    (keys.LLM_INPUT_MESSAGES, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE),
    (keys.LLM_OUTPUT_MESSAGES, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE),
)


def derive_llm_values(record: SpanRecord) -> SpanRecord:
    """Add the missing values to an LLM span; any other span passes."""
    if record.attributes.get(keys.SPAN_KIND) != keys.KIND_LLM:
        return record
    sides = _messages(record)
    added: Attributes = {}
    for list_key, value_key, mime_key in _SIDES:
        messages = sides.get(list_key)
        if messages and value_key not in record.attributes:
            added[value_key] = to_json({"messages": [messages[index] for index in sorted(messages)]})
            added[mime_key] = keys.MIME_JSON
    return record.with_attributes({**record.attributes, **added}) if added else record


_Messages = dict[int, dict[str, Any]]


def _messages(record: SpanRecord) -> dict[str, _Messages]:
    """For each side the flattened messages by their index, each with the keys that its message has."""
    sides: dict[str, _Messages] = {}
    for key, value in record.attributes.items():
        place = _places[key] if key in _places else _place(key)
        if place is not None:
            side, index, field = place
            sides.setdefault(side, {}).setdefault(index, {})[field] = value
    return sides


_places: dict[str, tuple[str, int, str] | None] = {}
"""Keys that were taken apart before: there are a few hundred, and each is met in every call."""
_MOST_PLACES: Final = 4_096


def _place(key: str) -> tuple[str, int, str] | None:
    """Which side, which message, which of its fields; None for a key of something else."""
    found = None
    for side, _, _ in _SIDES:
        if key.startswith(f"{side}."):
            index, _, field = key[len(side) + 1 :].partition(".")
            found = (side, int(index), field.removeprefix("message.")) if index.isdigit() else None
    if len(_places) >= _MOST_PLACES:
        _places.clear()
    _places[key] = found
    return found
