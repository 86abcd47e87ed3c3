"""`input.value` and `output.value` of LLM spans, made from their messages where nobody set them.

Phoenix's lists and filters read these two, its transcript the messages. They are derived here, on the worker, because
rendering a conversation as JSON costs more than recording it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from llmtrace._attributes import Attributes
from llmtrace._record import SpanRecord
from llmtrace._values.plain import quote
from llmtrace._values.serialize import DEFAULT_TEXT_LIMIT, clean_text, to_json
from llmtrace.processors.escaped_texts import EscapedTexts
from llmtrace.semconv import trace as keys

_SIDES: Final = (
    (keys.LLM_INPUT_MESSAGES, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE),
    (keys.LLM_OUTPUT_MESSAGES, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE),
)
_MOST_DIGITS: Final = 9
_MOST_KEYS: Final = 512
_MOST_PLANS: Final = 256


def derive_llm_values(record: SpanRecord) -> SpanRecord:
    """Add the missing values to an LLM span; any other span passes."""
    attributes = record.attributes
    if attributes.get(keys.SPAN_KIND) != keys.KIND_LLM:
        return record
    asked = tuple(attributes)
    plan = _plans.get(asked)
    if plan is None:
        plan = _planned(asked)
    if not plan:
        return record
    added: Attributes = {}
    for side in plan:
        added[side.value_key] = _written(side, attributes)
        added[side.mime_key] = keys.MIME_JSON
    return record.with_attributes({**attributes, **added})


class _Side(NamedTuple):
    """How the value of one side is written.

    Attributes:
        value_key: its key.
        mime_key: the key that says what it is.
        messages: for each message its fields, and the attributes that they stand in.
        pieces: the JSON with a gap for each text: every second piece.
        read: reads the texts out of the attributes.
    """

    value_key: str
    mime_key: str
    messages: tuple[tuple[tuple[str, str], ...], ...]
    pieces: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], Sequence[Any]]


_escaped: Final = EscapedTexts()


def _written(side: _Side, attributes: Mapping[str, Any]) -> str:
    """What `to_json` makes of the messages; most of it stands ready, since the keys of most calls are the same."""
    values = side.read(attributes)
    if all([type(value) is str for value in values]):  # noqa: C419 - a generator takes longer than all of them
        pieces = list(side.pieces)
        pieces[1::2] = _escaped.of(values)
        text = "".join(pieces)
        if len(text) <= DEFAULT_TEXT_LIMIT:
            return clean_text(text)
    return to_json({"messages": [{field: attributes[key] for field, key in message} for message in side.messages]})


_plans: dict[tuple[str, ...], tuple[_Side, ...]] = {}
"""By all keys of a span: the calls of a service have few different ones."""


def _planned(asked: tuple[str, ...]) -> tuple[_Side, ...]:
    sides: dict[str, dict[int, dict[str, str]]] = {}
    for key in asked:
        place = _place(key)
        if place is not None:
            side, index, field = place
            sides.setdefault(side, {}).setdefault(index, {})[field] = key
    plan = tuple(
        _side(value_key, mime_key, sides[list_key])
        for list_key, value_key, mime_key in _SIDES
        if list_key in sides and value_key not in asked
    )
    if len(asked) <= _MOST_KEYS:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        _plans[asked] = plan
    return plan


def _side(value_key: str, mime_key: str, found: dict[int, dict[str, str]]) -> _Side:
    messages = tuple(tuple(found[index].items()) for index in sorted(found))
    pieces: list[str] = []
    asked: list[str] = []
    start = '{"messages":['
    for message in messages:
        start += "{"
        for field, key in message:
            pieces += (f'{start}{quote(field)}:"', "")
            asked.append(key)
            start = '",'
        start = '"},'
    # Asked for one key alone, it would give no tuple.
    read = itemgetter(*asked) if len(asked) > 1 else lambda attributes: tuple(attributes[key] for key in asked)
    return _Side(value_key, mime_key, messages, (*pieces, '"}]}'), read)


def _place(key: str) -> tuple[str, int, str] | None:
    """Which side, which message, which of its fields; None for a key of something else."""
    for side, _, _ in _SIDES:
        if key.startswith(f"{side}."):
            index, _, field = key[len(side) + 1 :].partition(".")
            is_index = index.isdecimal() and len(index) <= _MOST_DIGITS
            return (side, int(index), field.removeprefix("message.")) if is_index else None
    return None
