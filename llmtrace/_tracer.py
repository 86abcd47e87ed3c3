"""Our tracer and its provider: OpenTelemetry's API in front, our span behind.

`active` is the tracer that `init_tracing` put in use; the context managers, decorators and hints all ask it.
"""

from __future__ import annotations

# Registers its fork hook before the SDK's provider registers one that needs it: the other way round a forked child
# waits for ever, on a lock that only the later hook would renew.
import concurrent.futures.thread  # noqa: F401
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Any, Final, Protocol

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util._decorator import _agnosticcontextmanager
from opentelemetry.util.types import Attributes as ApiAttributes

from llmtrace import _scope
from llmtrace._attributes import Attributes
from llmtrace._attributes.late import settle
from llmtrace._clean import clean_attributes
from llmtrace._double import DoubledSpan, doubled_by
from llmtrace._failure import exception_message
from llmtrace._guard import guarded
from llmtrace._head import Head
from llmtrace._ids import (
    FLAGS,
    RANDOM,
    SAMPLED,
    below,
    by_chance,
    inherited,
    is_usual,
    made,
    random_trace,
    sampled_below,
)
from llmtrace._noop import NOOP_SPAN, NoopSpan
from llmtrace._record import SpanRecord
from llmtrace._relay import OwnRelay
from llmtrace._span import SPAN_KEY, Span, with_span
from llmtrace._values.serialize import to_text


class SpanSource(Protocol):
    """What a tracer asks of its provider, ours or an application's, at every span."""

    @property
    def enabled(self) -> bool:
        """False before `init_tracing`, after `shutdown`, and with sampling "off"."""

    @property
    def resource(self) -> Resource:
        """Who makes the spans."""

    @property
    def sampler(self) -> Sampler:
        """Decides the sampled flag."""

    @property
    def id_generator(self) -> IdGenerator:
        """Makes trace and span ids."""

    @property
    def processor(self) -> SpanProcessor:
        """Takes the spans that the sampler keeps."""

    @property
    def own_processor(self) -> SpanProcessor | None:
        """Takes, for llmtrace alone, the spans that an application's sampler drops; None: nobody does."""


class Tracer(ApiTracer):
    """Makes spans for one instrumentation scope. Asks its provider each time, so that a later setting counts."""

    def __init__(self, source: SpanSource, scope: InstrumentationScope) -> None:
        self._source = source
        self._scope = scope

    @property
    def enabled(self) -> bool:
        """Whether spans are recorded at all."""
        return self._source.enabled

    def start(  # noqa: C901, PLR0912 - the hot path, without calls
        self,
        name: str,
        attributes: Attributes,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        start_time: int | None = None,
        links: Sequence[Link] = (),
    ) -> Span | NoopSpan:
        """Start a span whose attributes are clean already; the dict becomes the span's own."""
        source = self._source
        if context is None:
            context = _scope.here()
        parent_span = context.get(SPAN_KEY)
        parent: SpanContext | None
        root: Span | None = None
        trace = None
        if type(parent_span) is Span:
            parent = parent_span._context  # noqa: SLF001 - our own class
            root = parent_span._root or parent_span  # noqa: SLF001 - as above
        else:
            parent = None if parent_span is None else _remote_or_foreign(parent_span)
        if not source.enabled:
            return NOOP_SPAN if parent is None else NoopSpan(parent)
        sampler, added = source.sampler, None
        processor: SpanProcessor | None = source.processor
        if type(sampler) is Head:
            if root is not None and parent is not None:  # the head has spoken when this trace began
                trace = root.local_trace
                span_context = below(source.id_generator, parent, None if trace is None else trace.mark)
            else:
                span_context = _by_head(source.id_generator, sampler, parent, name, attributes, context)
        elif sampler is ALWAYS_ON:
            span_context = sampled_below(source.id_generator, parent)
        else:
            span_context, processor, added = _decide(source, parent, name, kind, attributes, links, context)
        if processor is None:
            return NoopSpan(span_context)
        span: Span = object.__new__(Span)  # calling the class would run the SDK's `__new__`: a third of the cost
        Span.__init__(
            span,
            name,
            span_context,
            parent,
            attributes,
            kind,
            time_ns() if start_time is None else start_time,
            processor,
            source.resource,
            self._scope,
            root,
            links,
        )
        if start_time is not None:
            span.started -= time_ns() - start_time
        if added:
            span.set_attributes(added)
        if trace is not None and not trace.is_left and type(processor) is OwnRelay:
            trace.open.append(None)  # all that the tail does then, without the calls
        else:
            processor.on_start(span, parent_context=context)
        return span

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: ApiAttributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span | NoopSpan | DoubledSpan:
        """OpenTelemetry's `start_span`."""
        name = name if type(name) is str else to_text(name)
        if attributes:
            around = _scope.here() if context is None else context
            ours = doubled_by(around, self._scope.name, attributes)
            if ours is not None:
                return DoubledSpan(ours, clean_attributes(attributes))
        if links or start_time is not None or type(kind) is not SpanKind:
            kind, start_time, links = _sound(kind, start_time, links)
        span = self.start(name, clean_attributes(attributes), context, kind, start_time, tuple(links or ()))
        if isinstance(span, Span):
            span._record_exception = record_exception  # noqa: SLF001 - our own class
            span._set_status_on_exception = set_status_on_exception  # noqa: SLF001 - our own class
        return span

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: ApiAttributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[ApiSpan]:
        """OpenTelemetry's `start_as_current_span`."""
        span = self.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        outside = _scope.here()
        entered = _scope.enter(sys._getframe(), outside, with_span(span, outside))  # noqa: SLF001 - is it a generator?
        try:
            yield span
        except Exception as error:
            if record_exception:
                span.record_exception(error)
            if set_status_on_exception:
                span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {exception_message(error)}")
            raise
        finally:
            _scope.leave(entered)
            if end_on_exit:
                span.end()


def _sound(kind: object, start_time: object, links: object) -> tuple[SpanKind, int | None, Sequence[Link]]:
    """What an app gave, without what is nothing of the kind: a span must not be lost to it, nor the app hear of it."""
    given: list[object] = []
    with guarded("reading links"):
        given = [] if links is None else list(links)  # type: ignore[call-overload] # it may be anything
    return (
        kind if isinstance(kind, SpanKind) else SpanKind.INTERNAL,
        start_time if isinstance(start_time, int | float) else None,  # type: ignore[return-value] # made fit later
        [link for link in given if isinstance(link, Link)],
    )


def _remote_or_foreign(span: object) -> SpanContext | None:
    """The context of a parent that is no span of ours: one from another process, or another tracer's."""
    if not isinstance(span, ApiSpan):
        return None
    context = span.get_span_context()
    return context if context.is_valid else None


def _decide(
    source: SpanSource,
    parent: SpanContext | None,
    name: str,
    kind: SpanKind,
    attributes: Attributes,
    links: Sequence[Link],
    context: Context,
) -> tuple[SpanContext, SpanProcessor | None, ApiAttributes]:
    """Ask the sampler, and make the ids.

    Returns:
        the new span's context; who takes it, None: nobody records it; attributes that the sampler adds.
    """
    ids = source.id_generator
    trace_id, state, random = inherited(ids, parent)
    settle(attributes)
    # The SDK itself leaves out the trace state here, and so loses what the parent said of its probability.
    result = source.sampler.should_sample(context, trace_id, name, kind, attributes, links, state)
    flags = SAMPLED if result.decision is Decision.RECORD_AND_SAMPLE else 0
    span_context = SpanContext(trace_id, ids.generate_span_id(), False, FLAGS[flags | random], result.trace_state)
    if result.decision is Decision.DROP:
        return span_context, source.own_processor, None
    return span_context, source.processor, result.attributes


def _by_head(
    ids: IdGenerator,
    head: Head,
    parent: SpanContext | None,
    name: str,
    attributes: Attributes,
    context: Context,
) -> SpanContext:
    """The same with our own head, which drops nothing, for the first span of a trace in this process."""
    if parent is None:
        if is_usual(ids) and not head.asks:
            return by_chance(head.threshold, head.state)
        trace_id, random = random_trace(ids)
        if head.asks:
            settle(attributes)
        flag, state = head.of_root(trace_id, random, name, attributes)
        return made(ids, trace_id, FLAGS[flag | random], state)
    if parent.is_remote:
        flag, state = head.of_remote(parent, context)
        return made(ids, parent.trace_id, FLAGS[flag | parent.trace_flags & RANDOM], state)
    return below(ids, parent, None)


class TracerProvider(sdk.TracerProvider):
    """The provider that `init_tracing` makes where the application has none.

    It can be armed again after `shutdown`: OpenTelemetry's global provider is set once in a process, so the object
    stays and its settings change; tracers that were handed out before work on.
    """

    resource: Resource = Resource.get_empty()  # the SDK's is a property: a call for each span

    def __init__(self) -> None:
        super().__init__(sampler=ALWAYS_ON, resource=Resource.get_empty(), shutdown_on_exit=False)
        self.enabled = False
        self.own_processor: SpanProcessor | None = None
        self._relay = OwnRelay()
        self.processor: SpanProcessor = self._relay
        super().add_span_processor(self._relay)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Show every span to a processor of the user's, too."""
        super().add_span_processor(span_processor)
        self.processor = self._active_span_processor

    def arm(self, processor: SpanProcessor, resource: Resource, sampler: Sampler) -> None:
        """Begin to record, by the settings of one `init_tracing`."""
        self._resource = self.resource = resource
        self.sampler = sampler
        self._relay.target = processor
        self.enabled = True

    def disarm(self) -> None:
        """Record nothing more."""
        self.enabled = False
        self._relay.target = None

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: ApiAttributes = None,
    ) -> Tracer:
        """A tracer of ours for any instrumentation scope."""
        scope = InstrumentationScope(
            instrumenting_module_name or "", instrumenting_library_version or "", schema_url, attributes
        )
        return Tracer(self, scope)


@dataclass
class _Active:
    """The tracer in use."""

    tracer: Tracer | None = None
    is_off: bool = False
    """`init_tracing` was called with tracing off: nothing is recorded, and requests still get their ids."""

    settling: set[Callable[[], None]] = field(default_factory=set)
    """Called by `shutdown` while spans can still end: what waits for something that will not come any more."""

    look: Callable[[SpanRecord], None] | None = None
    """Shows something that is no span to the metrics."""
    annotate: Callable[[Any], None] | None = None
    """Takes a `llmtrace.scores.Score` to the backend."""
    knows: Callable[[str], bool | None] | None = None
    """Whether the backend has a trace; None where it does not answer. Blocks."""

    @property
    def has_started(self) -> bool:
        """Between `init_tracing` and `shutdown`, also with tracing off; and while a test captures."""
        return self.tracer is not None or self.is_off


active: Final = _Active()
"""What `init_tracing` sets and `shutdown` clears; None: every recording call is a no-op."""
