"""Coalescing: of a storm of equal alerts a few spans leave, and they say how many they stand for.

Equal are tags that the router makes the same alert of. The first one opens a window and leaves at once; so does each
that is more severe than all before it in the window. The others are counted, and when the window is over one span
stands for them: the first of the most severe, with the count. Pure: no thread, no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.sdk.trace import Event

from llmtrace._record import SpanRecord
from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity

INTERVAL: Final = 10.0
"""Seconds of a window."""
MOST_KEYS: Final = 1_000
"""Different alerts in all windows that are open; those beyond it become one alert of their own."""
MOST_LEAVING: Final = len(Severity) + 1
"""Spans that leave for one alert in one window, at most: one for each rise in severity, and one with the count."""
OVERFLOW_KEY: Final = "llmtrace-alert-overflow"

_LONGEST: Final = 256
_LABELS: Final = (trace.SPAN_KIND, trace.LLM_MODEL_NAME, trace.PROMPT_VERSION)
_TAG_LABELS: Final = (alert.TEAM, alert.PRIORITY, alert.REGULATED, alert.SOURCE)

Prepare = Callable[[SpanRecord], SpanRecord | None]
"""What a span goes through before it is kept here or leaves: redaction and sizes. None: it goes nowhere."""


@dataclass(slots=True)
class _Window:
    """One alert's window: until when it is open, how bad it was, and who waits."""

    until: float
    worst: Severity
    waiting: SpanRecord | None = None
    waiting_severity: Severity | None = None
    count: int = 0


class Coalescing:
    """The open windows. Not thread-safe."""

    def __init__(self, prepare: Prepare, *, interval: float = INTERVAL, most_keys: int = MOST_KEYS) -> None:
        self._prepare = prepare
        self._interval = interval
        self._most_keys = most_keys
        self._windows: dict[tuple[str, ...], _Window] = {}

    @property
    def next_due(self) -> float | None:
        """When the oldest window is over; None where none is open."""
        return next(iter(self._windows.values())).until if self._windows else None

    def take(self, record: SpanRecord, now: float) -> list[SpanRecord]:
        """Take a slim span; returns what leaves now."""
        leaving = self.due(now)
        at_once: list[Event] = []
        for event in record.events:
            tag, identity = event, _identity(record, event)
            if identity not in self._windows and len(self._windows) >= self._most_keys:
                tag, identity = _overflowing(event, self._most_keys), (OVERFLOW_KEY,)
            if self._opens(identity, _severity(tag), now):
                at_once.append(tag)
            else:
                self._hold(self._windows[identity], record, tag)
        for group in _apart(at_once):
            leaving.extend(self._prepared(record, group))
        return leaving

    def due(self, now: float) -> list[SpanRecord]:
        """Close the windows that are over; returns the spans with their counts."""
        leaving: list[SpanRecord] = []
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest].until > now:
                break
            leaving.extend(_summary(self._windows.pop(oldest)))
        return leaving

    def flush(self) -> list[SpanRecord]:
        """What waits, at once; the windows stay open."""
        return [record for window in self._windows.values() for record in _summary(window)]

    def _opens(self, identity: tuple[str, ...], severity: Severity, now: float) -> bool:
        """Whether the tag leaves at once: nobody came before it in the window, or nobody as severe."""
        window = self._windows.get(identity)
        if window is None:
            self._windows[identity] = _Window(now + self._interval, severity)
            return True
        if not severity.is_worse_than(window.worst):
            return False
        window.worst = severity
        return True

    def _hold(self, window: _Window, record: SpanRecord, tag: Event) -> None:
        window.count += _count(tag)
        severity = _severity(tag)
        if severity.is_worse_than(window.waiting_severity):
            for waiting in self._prepared(record, [tag]):
                window.waiting, window.waiting_severity = waiting, severity

    def _prepared(self, record: SpanRecord, tags: list[Event]) -> Iterator[SpanRecord]:
        prepared = self._prepare(_carrying(record, tags))
        if prepared is not None:
            yield prepared


def _summary(window: _Window) -> Iterator[SpanRecord]:
    waiting, count = window.waiting, window.count
    window.waiting, window.waiting_severity, window.count = None, None, 0
    if waiting is not None and waiting.events:
        tag = waiting.events[0]
        yield _carrying(waiting, [Event(tag.name, {**(tag.attributes or {}), alert.COUNT: count}, tag.timestamp)])


def _carrying(record: SpanRecord, tags: list[Event]) -> SpanRecord:
    """The span with these tags only; its attributes say the most severe of them."""
    worst = min(tags, key=lambda tag: _severity(tag).rank)
    others = {key: value for key, value in record.attributes.items() if not key.startswith(alert.PREFIX)}
    if (worst.attributes or {}).get(alert.KEY) == OVERFLOW_KEY:
        others = {}
    return record._replace(attributes={**others, **(worst.attributes or {})}, events=tags)


def _apart(tags: list[Event]) -> Iterator[list[Event]]:
    """Tags that may share a span: one of the overflow speaks for any span, so it has none of this one's labels."""
    for group in (
        [tag for tag in tags if (tag.attributes or {}).get(alert.KEY) != OVERFLOW_KEY],
        [tag for tag in tags if (tag.attributes or {}).get(alert.KEY) == OVERFLOW_KEY],
    ):
        if group:
            yield group


def _identity(record: SpanRecord, tag: Event) -> tuple[str, ...]:
    """What the router tells one alert from another by, without the severity."""
    attributes: Mapping[str, Any] = tag.attributes or {}
    labels = [attributes.get(alert.KEY) or f"{record.attributes.get(trace.SPAN_KIND)}-{record.name}"]
    labels.extend(record.attributes.get(key) for key in _LABELS)
    labels.extend(attributes.get(key) for key in _TAG_LABELS)
    segments = sorted(key for key in attributes if key.startswith(alert.SEGMENT_PREFIX))
    labels.extend(f"{key}={attributes[key]}" for key in segments)
    return tuple(str(label)[:_LONGEST] for label in labels)


def _overflowing(tag: Event, most: int) -> Event:
    made = AlertTag(
        _severity(tag),
        key=OVERFLOW_KEY,
        reason=f"more than {most} different alerts at once; those beyond them are counted here",
        source=f"{alert.SOURCE_RULE_PREFIX}overflow",
        count=_count(tag),
    )
    return Event(tag.name, made.to_attributes(), tag.timestamp)


def _severity(tag: Event) -> Severity:
    """The tag's severity; a word that is none, which only a third party can have written, counts as error."""
    word = (tag.attributes or {}).get(alert.SEVERITY)
    try:
        return Severity(str(word).lower())
    except ValueError:
        return Severity.ERROR


def _count(tag: Event) -> int:
    count = (tag.attributes or {}).get(alert.COUNT)
    return count if isinstance(count, int) and count > 0 else 1
