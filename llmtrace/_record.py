"""A span as it travels from its end to the wire: a frozen value that every step takes and hands on anew.

It has the reading side of the SDK's ``ReadableSpan``, so that the reference OTLP encoder accepts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes.http_attributes import HTTP_ROUTE
from opentelemetry.semconv.attributes.url_attributes import URL_PATH
from opentelemetry.trace import Link, SpanContext, SpanKind, Status


class SpanRecord(NamedTuple):
    """One ended span, ours or a third party's."""

    # A tuple: a frozen dataclass takes six times as long to make, and each span makes several.

    name: str
    context: SpanContext
    parent: SpanContext | None
    kind: SpanKind
    start_time: int
    end_time: int
    attributes: Mapping[str, Any]
    events: Sequence[Event]
    links: Sequence[Link]
    status: Status
    resource: Resource
    instrumentation_scope: InstrumentationScope | None
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0
    by_rule: bool = False
    """A rule kept its trace: in every queue it goes before what chance kept."""
    duration: int = 0
    """Nanoseconds from start to end; of a span of ours by the monotonic clock, which nobody sets back."""
    routes: tuple[str, ...] = ()
    """Path and route template of the request that the span belongs to, as far as its open root span knew them."""

    @classmethod
    def of(cls, span: ReadableSpan | Glance) -> SpanRecord:
        """Copy what an ended span holds; later changes to the span do not reach the record."""
        if isinstance(span, Glance):
            return span.whole()
        if hasattr(span, "_held"):
            return _of_ours(span)
        context = span.get_span_context()
        if context is None:
            msg = "a span without a context cannot be exported"
            raise ValueError(msg)
        end = span.end_time or span.start_time or 0
        return cls(
            name=span.name,
            context=context,
            parent=span.parent,
            kind=span.kind,
            start_time=span.start_time or end,
            end_time=end,
            attributes=dict(span.attributes or {}),
            events=span.events,
            links=span.links,
            status=span.status,
            resource=span.resource,
            instrumentation_scope=span.instrumentation_scope,
            dropped_attributes=span.dropped_attributes,
            dropped_events=span.dropped_events,
            dropped_links=span.dropped_links,
            duration=duration_of(span),
            routes=_routes_of(span),
        )

    def get_span_context(self) -> SpanContext:
        """The name under which the SDK's encoder asks for `context`."""
        return self.context

    def with_attributes(self, attributes: Mapping[str, Any]) -> SpanRecord:
        """The same span with other attributes."""
        return _made(SpanRecord, (*self[:_BEFORE], attributes, *self[_BEFORE + 1 :]))

    def plus(self, added: Mapping[str, Any]) -> SpanRecord:
        """The same span with more attributes."""
        return self.with_attributes({**self.attributes, **added})

    def whole(self) -> SpanRecord:
        """Itself."""
        return self


_BEFORE: Final = SpanRecord._fields.index("attributes")
_made: Final = tuple.__new__
"""What is here with all its fields becomes a record: its own constructor takes three times as long to see to that."""


_STORED: Final = attrgetter(
    "_name",
    "_context",
    "_parent",
    "_kind",
    "_start_time",
    "_end_time",
    "_attributes",
    "_events",
    "_links",
    "_status",
    "_resource",
    "_instrumentation_scope",
    "elapsed",
    "_root",
)


def _of_ours(span: Any) -> SpanRecord:
    """The same for a span of ours, read where it stands: the SDK's properties copy and check."""
    name, context, parent, kind, start, end, attributes, events, links, status, resource, scope, elapsed, root = (
        _STORED(span)
    )
    routes = _routes_of(span) if (root or span)._kind is SpanKind.SERVER else ()  # noqa: SLF001 - as below
    told = (name, context, parent, kind, start or end or 0, end or start or 0, attributes.copy())
    shown = (tuple(events), tuple(links), status, resource, scope, 0, 0, 0, False)
    return _made(SpanRecord, (*told, *shown, duration_of(span) if elapsed is None else elapsed, routes))


class Glance:
    """An ended span as it is, for who looks at every one of them before most are dropped: nothing is copied.

    It reads as a record does, and where an ended span may stand it may stand too.
    """

    __slots__ = ("_added", "attributes", "events", "span", "status")

    def __init__(self, span: ReadableSpan, added: Mapping[str, Any] | None = None) -> None:
        self.span = span
        self._added = added
        self.attributes = held_by(span) if added is None else {**held_by(span), **added}
        self.events: Sequence[Event] = getattr(span, "_events", ())  # the SDK's property copies them
        self.status = span.status

    @property
    def is_changed(self) -> bool:
        """Whether it says more than its span."""
        return self._added is not None

    name = property(lambda self: self.span.name)
    parent = property(lambda self: self.span.parent)
    resource = property(lambda self: self.span.resource)
    start_time = property(lambda self: self.span.start_time or self.span.end_time or 0)
    end_time = property(lambda self: self.span.end_time or self.span.start_time or 0)
    context = property(lambda self: self.span.get_span_context())
    duration = property(lambda self: duration_of(self.span))
    routes = property(lambda self: _routes_of(self.span))
    # Under these names the rules of the sampling read a span of ours.
    elapsed = duration
    _held = property(lambda self: self.attributes)
    _events = property(lambda self: self.events)

    def plus(self, added: Mapping[str, Any]) -> Glance:
        """The same span with more attributes."""
        return Glance(self.span, {**(self._added or {}), **added})

    def whole(self) -> SpanRecord:
        """The span as a record, with what was added."""
        record = SpanRecord.of(self.span)
        return record if self._added is None else record.with_attributes({**record.attributes, **self._added})


Seen = Glance | SpanRecord
"""An ended span on its way to the verdict: as it is, or a record where something was changed."""


def duration_of(span: ReadableSpan | Seen) -> int:
    """How long an ended span took, in nanoseconds."""
    if isinstance(span, SpanRecord):
        return span.duration
    measured: int | None = getattr(span, "elapsed", None)
    if measured is not None:
        return measured
    return (span.end_time or 0) - (span.start_time or 0) if span.end_time and span.start_time else 0


def _routes_of(span: ReadableSpan) -> tuple[str, ...]:
    root = getattr(span, "root", None)  # a span of ours knows it
    if root is None or root._kind is not SpanKind.SERVER:  # noqa: SLF001 - for every span: no property in between
        return ()
    found = (root.attributes.get(key) for key in _ROUTES)
    return tuple(route for route in found if isinstance(route, str))


_ROUTES: Final = (URL_PATH, HTTP_ROUTE, "http.target")
"""The last one is what instrumentation of the older conventions writes."""


def held_by(span: ReadableSpan | Seen) -> Mapping[str, Any]:
    """The attributes of an ended span, not copied; of a span of ours some may still wait to become text."""
    held: Mapping[str, Any] | None = getattr(span, "_held", None)
    return (span.attributes or {}) if held is None else held
