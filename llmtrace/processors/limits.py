"""Size limits of a span: room for long conversations, and no end to what would be too long for a backend to take.

Two steps around redaction. `coarse` comes before it, so that a text of 10 MB does not cost 10 MB of patterns; it leaves
a margin behind each cut, because a secret may have been cut in half there. `fine` comes after it and takes the margin
away, with whatever half secret is in it; it closes the JSON that was cut, and marks the cut.

What is cut or left out is said: ``llmtrace.truncated.<key>`` is the length that a text had, ``llmtrace.omitted.<list>``
how many entries of a list's middle are missing. Kind, model, counts, first and last messages stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from opentelemetry.sdk.trace import Event
from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.trace import Link, Status

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import DEFAULT_TEXT_LIMIT, MARK_MORE, MARK_TRUNCATED, to_text, truncate
from llmtrace.processors.bounds import Limits
from llmtrace.processors.cutting import cut
from llmtrace.processors.sizing import (
    ENTRY,
    FIXED,
    LONGEST_KEY,
    LONGEST_NAME,
    PER_ATTRIBUTE,
    bytes_of,
    left_by,
    size_of,
)
from llmtrace.secrets import MARK
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

_T = TypeVar("_T")


_MARGIN: Final = 2_048
"""Characters behind a cut that redaction sees and nobody else: longer than any secret but private keys, which are
recognised by how they begin."""
_FLOOR: Final = 512
"""Below so many characters a text is not cut to make room for the others; then entries of lists are left out."""
_MARKER: Final = 64
_LIGHT: Final = 65_536
_MOST_SMALL: Final = 64
"""Spans below so many bytes are remembered between the steps, and so many of them: it holds none for long."""
_DERIVED: Final = 2 * 4 * (DEFAULT_TEXT_LIMIT + _MARKER)
"""Bytes that may be derived at the end: two texts with the type of each, and their keys."""
_LIST_ENTRY: Final = re.compile(r"(.+?)\.(\d+)\..+")
_OTHERS: Final = keys.OMITTED_PREFIX + "attributes"
_SPAN_NAME: Final = keys.TRUNCATED_PREFIX + "span.name"
_STATUS: Final = keys.TRUNCATED_PREFIX + "span.status.description"
_OF_MESSAGE: Final = re.compile(
    r"llm\.(?:in|out)put_messages\.\d+\.message\.(?:role|content|(?:contents|tool_calls)\.0\..+)"
)
"""What a message is about: of the first and the last one it stays when the middle of the list is gone."""
_PROTECTED: Final = ("llmtrace.", "openinference.", "llm.token_count.", "llm.cost.", "llm.prompt_template.version")
_PROTECTED_KEYS: Final = frozenset(
    {
        keys.LLM_MODEL_NAME,
        keys.LLM_PROVIDER,
        keys.LLM_SYSTEM,
        keys.LLM_FINISH_REASON,
        keys.LLM_INVOCATION_PARAMETERS,
        keys.INPUT_VALUE,
        keys.INPUT_MIME_TYPE,
        keys.OUTPUT_VALUE,
        keys.OUTPUT_MIME_TYPE,
        keys.TOOL_NAME,
        keys.AGENT_NAME,
        keys.SESSION_ID,
        keys.USER_ID,
        keys.METADATA,
        keys.TAGS,
        exc.EXCEPTION_TYPE,
        exc.EXCEPTION_MESSAGE,
        exc.EXCEPTION_STACKTRACE,
    }
)


_MEANING: Final = frozenset({keys.LLM_MODEL_NAME, keys.TOOL_NAME, keys.AGENT_NAME, keys.SESSION_ID, keys.USER_ID})
"""Short texts that are of no use when cut, whatever a limit says."""


class SizeLimits:
    """The two steps. `coarse` before redaction, `fine` after it."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Take the limits; without any, the defaults."""
        self._limits = limits or Limits()
        self._small: dict[int, tuple[SpanRecord, int]] = {}
        """The records that were found small last, and the bytes left: nobody need measure them again."""

    def coarse(self, record: SpanRecord) -> SpanRecord:
        """Bound what redaction has to read: leave out the middle of endless lists, cut endless texts roughly."""
        return self._limited(record, margin=_MARGIN)

    def fine(self, record: SpanRecord) -> SpanRecord:
        """Bring the span to its final size: take the margins away, close and mark what was cut."""
        return self._limited(record, margin=0)

    def closing(self, derive: Callable[[SpanRecord], SpanRecord]) -> Callable[[SpanRecord], SpanRecord]:
        """`fine` and then one that adds a few texts of at most the default length: cut where these may be too much."""
        has_room_for_text = self._limits.text >= DEFAULT_TEXT_LIMIT

        def derive_within_limits(record: SpanRecord) -> SpanRecord:
            fit = self.fine(record)
            made = derive(fit)
            if made is fit:
                return fit
            has_room = self._left_by(fit) >= _DERIVED and len(made.attributes) <= self._limits.attributes
            return made if has_room and has_room_for_text else self.fine(made)

        return derive_within_limits

    def _left_by(self, record: SpanRecord) -> int:
        """The bytes that a small span leaves; below zero where one has to look closer."""
        known = self._small.get(id(record))
        if known is not None and known[0] is record:
            return known[1]
        left = left_by(record, self._limits)
        if self._limits.span - left < _LIGHT:
            if len(self._small) >= _MOST_SMALL:
                self._small.clear()
            self._small[id(record)] = record, left
        return left

    def _limited(self, record: SpanRecord, margin: int) -> SpanRecord:
        if self._left_by(record) >= 0:
            return record
        limits = self._limits
        events = _ends(record.events, limits.events, _is_telling)
        links = _ends(record.links, limits.events if limits.links is None else limits.links, lambda _: False)
        groups = [record.attributes, *(event.attributes or {} for event in events)]
        groups += [link.attributes or {} for link in links]
        counts = [limits.attributes, *[_or(limits.event_attributes, limits.attributes)] * len(events)]
        counts += [_or(limits.link_attributes, limits.attributes)] * len(links)
        own, *others = _Fitting(limits, margin).fit(groups, counts)
        name = _short(record.name, LONGEST_NAME, margin, own.attributes, _SPAN_NAME)
        status = record.status
        if status.description:
            description = _short(status.description, self._limits.text, margin, own.attributes, _STATUS)
            status = Status(status.status_code, description)
        return record._replace(
            name=name,
            attributes=own.attributes,
            events=[_event(event, group) for event, group in zip(events, others, strict=False)],
            links=[
                Link(link.context, group.attributes) for link, group in zip(links, others[len(events) :], strict=True)
            ],
            status=status,
            dropped_attributes=record.dropped_attributes + own.dropped,
            dropped_events=record.dropped_events + len(record.events) - len(events),
            dropped_links=record.dropped_links + len(record.links) - len(links),
        )


@dataclass(slots=True)
class _Group:
    """The attributes of the span, of one event or of one link, while they are made to fit."""

    attributes: dict[str, Any]
    most: int = 0
    dropped: int = 0

    def excess(self, room: int) -> tuple[int, int]:
        """Attributes and bytes that are too many, with room for the marker that will say so."""
        return len(self.attributes) + 1 - self.most, _least_size(self.attributes) + _MARKER - room

    def pop(self, key: str) -> int:
        """Leave an attribute out; what it cost."""
        self.dropped += 1
        return _cost(key, self.attributes.pop(key))

    def say(self, marker: str, left_out: int) -> None:
        """Add to the number of what was left out."""
        if left_out:
            self.attributes[marker] = _number(self.attributes.get(marker)) + left_out


class _Fitting:
    """Makes the attributes of one span fit, all groups together."""

    def __init__(self, limits: Limits, margin: int) -> None:
        self._limits = limits
        self._margin = margin

    def fit(self, groups: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> list[_Group]:
        """The groups, each with what is left of it.

        Args:
            groups: the attributes of the span, of its events and of its links.
            counts: how many each of them may have.
        """
        own = self._limits.span if len(groups) == 1 else self._limits.span * 2 // 3
        other = (self._limits.span - own) // max(len(groups) - 1, 1)
        fitted = [
            self._left_out(_with_short_keys(group), count, other if i else own)
            for i, (group, count) in enumerate(zip(groups, counts, strict=True))
        ]
        allowed = min(self._limits.text, _level([group.attributes for group in fitted], self._limits.span))
        for group in fitted:
            self._cut(group.attributes, allowed)
        return fitted

    def _left_out(self, attributes: dict[str, Any], most: int, room: int) -> _Group:
        """Leave out the middle of the longest lists, then other attributes, until all could fit at `_FLOOR`."""
        count, size = len(attributes) - most, _least_size(attributes) - room
        if count <= 0 and size <= 0:
            return _Group(attributes)
        group = _Group(attributes, most)
        for name, entries in _lists(attributes):
            self._leave_out_middle(group, name, entries, room)
        self._leave_out_others(group, room)
        return group

    def _leave_out_middle(self, group: _Group, name: str, entries: list[list[str]], room: int) -> None:
        count, size = group.excess(room)
        middle = len(entries) // 2
        left_out = 0
        for index in sorted(range(1, len(entries) - 1), key=lambda index: abs(index - middle)):
            if count <= 0 and size <= 0:
                break
            size -= sum(group.pop(key) for key in entries[index])
            count -= len(entries[index])
            left_out += 1
        group.say(keys.OMITTED_PREFIX + name, left_out)

    def _leave_out_others(self, group: _Group, room: int) -> None:
        count, size = group.excess(room)
        left_out = 0
        for key in list(group.attributes)[::-1]:
            if count <= 0 and size <= 0:
                break
            if key not in _PROTECTED_KEYS and not key.startswith(_PROTECTED) and not _OF_MESSAGE.fullmatch(key):
                size -= group.pop(key)
                count -= 1
                left_out += 1
        group.say(_OTHERS, left_out)

    def _cut(self, attributes: dict[str, Any], allowed: int) -> None:
        for key, value in list(attributes.items()):
            if self._margin and key.startswith(keys.TRUNCATED_PREFIX) and isinstance(value, int):
                attributes[key] = abs(value)  # below zero it would be ours; see `_short`
            elif isinstance(value, str):
                if len(value) <= LONGEST_NAME and (key in _MEANING or key.startswith(_PROTECTED)):
                    continue
                attributes[key] = _short(value, allowed, self._margin, attributes, keys.TRUNCATED_PREFIX + key)
            elif type(value) not in FIXED:
                attributes[key] = _short_value(value, allowed, attributes, keys.TRUNCATED_PREFIX + key)


def _cost(key: str, value: object) -> int:
    """Bytes of an attribute when its text is cut to the floor."""
    size = min(bytes_of(value[:_FLOOR]), _FLOOR) if isinstance(value, str) else min(size_of(value), _FLOOR)
    return len(key) + size + PER_ATTRIBUTE


def _least_size(attributes: Mapping[str, Any]) -> int:
    return sum(_cost(key, value) for key, value in attributes.items())


def _lists(attributes: Mapping[str, Any]) -> list[tuple[str, list[list[str]]]]:
    """The flattened lists, the longest first, each as the keys of its entries in order."""
    found: dict[str, dict[int, list[str]]] = {}
    for key in attributes:
        entry = _LIST_ENTRY.fullmatch(key)
        if entry:
            found.setdefault(entry[1], {}).setdefault(int(entry[2][:9]), []).append(key)
    lists = [(name, [entries[index] for index in sorted(entries)]) for name, entries in found.items()]
    return sorted(lists, key=lambda item: -sum(len(entry) for entry in item[1]))


def _level(groups: Sequence[Mapping[str, Any]], room: int) -> int:
    """The characters that each text may have so that all fit: long texts are cut first, all to the same length."""
    fixed = 0
    lengths: list[int] = []
    for group in groups:
        for key, value in group.items():
            fixed += len(key) + PER_ATTRIBUTE
            lengths.append(bytes_of(value) if isinstance(value, str) else size_of(value))
    room -= fixed
    if sum(lengths) <= room:
        return room
    for index, length in enumerate(sorted(lengths)):
        level = room // (len(lengths) - index)
        if length > level:
            # A level of bytes is one of characters for ASCII; where it is not, a third is certainly enough.
            return max(_FLOOR, level if _is_ascii(groups) else level // 3)
        room -= length
    return _FLOOR


def _is_ascii(groups: Sequence[Mapping[str, Any]]) -> bool:
    return all(value.isascii() for group in groups for value in group.values() if isinstance(value, str))


def _short(text: str, allowed: int, margin: int, attributes: dict[str, Any], marker: str) -> str:
    """The text, cut if it must be; how long it was goes into the attributes under `marker`.

    Between the two steps the length is negative: the margin is still there.
    """
    before = attributes.get(marker)
    if isinstance(before, int) and before < 0 and not margin:
        attributes[marker] = -before
        return text if MARK.fullmatch(text) else cut(text[:-_MARGIN], allowed, -before)
    if len(text) <= allowed + margin:
        return text
    attributes[marker] = -len(text) if margin else len(text)
    return text[: allowed + margin] if margin else cut(text, allowed, len(text))


def _short_value(value: object, allowed: int, attributes: dict[str, Any], marker: str) -> Any:
    """A value that is no text: of a sequence the first entries, of anything else the beginning of its JSON."""
    size = size_of(value)
    if size <= allowed:
        return value
    if not isinstance(value, list | tuple):
        attributes[marker] = size
        return to_text(value, limit=allowed) if isinstance(value, Mapping) else MARK_TRUNCATED.format(size)
    attributes[marker] = len(value)
    kept: list[Any] = []
    room = allowed
    for item in value:
        room -= size_of(item) + ENTRY
        if room < 0:
            break
        kept.append(item)
    if all(isinstance(item, str) for item in value):
        kept.append(MARK_MORE.format(len(value) - len(kept)))
    return tuple(kept)


def _with_short_keys(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key if len(key) <= LONGEST_KEY else truncate(key, LONGEST_KEY): value for key, value in attributes.items()}


def _or(limit: int | None, otherwise: int) -> int:
    return otherwise if limit is None else limit


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _ends(items: Sequence[_T], most: int, is_wanted: Callable[[_T], bool]) -> Sequence[_T]:
    """The first and the last of too many, and among those between the wanted ones."""
    if len(items) <= most:
        return items
    half = most // 2
    between = items[half : len(items) - half]
    wanted = [item for item in between if is_wanted(item)][: max(most // 4, min(most, 1))]
    last = (most - len(wanted)) // 2
    return [*items[: most - len(wanted) - last], *wanted, *items[len(items) - last :]]


def _is_telling(event: Event) -> bool:
    return event.name in (alert.EVENT_NAME, "exception")


def _event(event: Event, group: _Group) -> Event:
    return Event(truncate(event.name, LONGEST_NAME), group.attributes, event.timestamp)
