"""What the answers of all providers have in common: a model, counts, and words that are the output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text, whole_number
from llmtrace._attributes.values import put_value
from llmtrace._values.serialize import to_json
from llmtrace.semconv import trace as keys

MOST_CHOICES: Final = 256
"""Choices of one answer that are recorded; providers offer 128 at most."""
_FARTHEST: Final = 100_000
"""Beyond this nothing is taken without a second look: no place, no count."""

Counts = tuple[tuple[str, str], ...]
"""Field of the provider -> attribute."""


def put_model(into: Attributes, model: object) -> None:
    """The model that answered; without one, the one that was asked for stays."""
    if type(model) is str and model:
        into[keys.LLM_MODEL_NAME] = model
    elif (name := text(model)) is not None:
        into[keys.LLM_MODEL_NAME] = name


def put_identity(into: Attributes, identity: object) -> None:
    """By which the provider knows the answer."""
    words = text(identity)
    if words is not None:
        into[keys.RESPONSE_ID] = words


def put_citations(into: Attributes, parts: Iterable[object]) -> None:
    """What the parts of an answer refer to; nothing where they refer to nothing."""
    found: list[Any] = []
    for part in parts:
        known = fields(part)
        found += entries(known.get("citations")) or entries(known.get("annotations"))
    if found:
        into[keys.CITATIONS] = to_json(found)


def put_counts(into: Attributes, source: Fields, counts: Counts) -> None:
    """The counts that the provider sent; one that it did not send is not made up."""
    get = source.get
    for field, key in counts:
        count = get(field)
        if type(count) is int and 0 <= count < _FARTHEST:
            into[key] = count
        elif count is not None and (number := whole_number(count)) is not None:
            into[key] = number


def sum_of(*counts: int | None) -> int | None:
    """The sum of those that are known; None where none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def put_output(into: Attributes, words: Iterable[str]) -> None:
    """The words of the answer as ``output.value``; an answer without words gets one later, from its messages."""
    joined = "".join(words)
    if joined:
        into[keys.OUTPUT_VALUE] = joined
        into[keys.OUTPUT_MIME_TYPE] = keys.MIME_TEXT


def put_error(into: Attributes, error: object) -> None:
    """Why an answer broke off, as the output where there are no words."""
    if error is not None and keys.OUTPUT_VALUE not in into:
        put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, error)


def texts_of(parts: object) -> str:
    """The texts of the parts of a content, and what was said aloud, without what the model thought."""
    spoken = []
    for part in each(entries(parts)):
        found = fields(part)
        kind = text(found.get("type"))
        if kind is None or kind in ("text", "output_text", "refusal"):
            spoken.append(text(part) or _text_of(found) or text(found.get("refusal")) or "")
        elif kind in ("audio", "output_audio"):
            spoken.append(text(found.get("transcript")) or "")
    return "".join(spoken)


def _text_of(part: Fields) -> str | None:
    """A part's text; OpenAI's Assistants put it in an object."""
    words = part.get("text")
    return text(words) if type(words) is str else text(words) or text(fields(words).get("value"))


def place_of(index: object, position: int) -> int:
    """The place that an entry claims; its position where it claims none, or an absurd one."""
    return index if type(index) is int and 0 <= index < _FARTHEST else position
