"""Our span: a real OpenTelemetry span at a fraction of the SDK's cost.

A `Span` is an ``opentelemetry.sdk.trace.Span``: any SDK processor, exporter and third-party instrumentor takes it. It
differs inside: attributes live in a plain dict, some as what becomes their text when somebody reads it, nothing is
copied at the end, and no value that it is given can raise into the app. Without `init_tracing` a `NoopSpan` takes its
place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter_ns, time_ns
from typing import Any, Final
from weakref import WeakMethod

from opentelemetry.context import Context
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)
from opentelemetry.trace import (
    Span as ApiSpan,
)
from opentelemetry.util.types import Attributes as ApiAttributes

from llmtrace import _outputs, _scope
from llmtrace._attributes import Attributes
from llmtrace._attributes.late import settle
from llmtrace._clean import clean_attributes, clean_value, is_plain
from llmtrace._failure import exception_message, stack_trace, type_name
from llmtrace._guard import flattening, guarded, swallowed
from llmtrace._keeping import keeping
from llmtrace._relay import OwnRelay
from llmtrace._stream import Outcome, Pending, StreamRecording
from llmtrace._values.serialize import to_text
from llmtrace.recorders.openai_chat_usual import put_usual
from llmtrace.semconv import trace as keys

_ADOPTED: Final = (
    keys.INPUT_VALUE,
    keys.INPUT_MIME_TYPE,
    keys.OUTPUT_VALUE,
    keys.OUTPUT_MIME_TYPE,
    keys.SESSION_ID,
    keys.USER_ID,
)
UNSET_STATUS: Final = Status(StatusCode.UNSET)
_SERVER: Final = SpanKind.SERVER


class Span(sdk.Span):
    """A recording span, with a few methods more than OpenTelemetry's. Safe to use from several threads."""

    # What most spans never change stands here once, not in each of them.
    _end_time: int | None = None
    elapsed: int | None = None
    """Nanoseconds by the monotonic clock, once ended; of a span whose times were given, between those."""
    _status = UNSET_STATUS
    _events: Sequence[Event] = ()
    _links: Sequence[Link] = ()
    pending: Sequence[Pending] = ()
    _readers: Sequence[WeakMethod[Callable[[], None]]] = ()
    _root: Span | None = None
    local_trace: Any = None
    """On a local root: what the tail sampler knows of its trace."""
    _instrumentation_info = None
    _record_exception = True
    _set_status_on_exception = True
    adopts = False
    _adopted_at: float = float("inf")
    _adopted: frozenset[str] = frozenset()
    _is_read = False

    def __init__(  # the SDK's constructor builds locks and bounded containers that cost more than the whole span
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: Attributes,
        kind: SpanKind,
        start_time: int,
        processor: SpanProcessor,
        resource: Resource,
        scope: InstrumentationScope,
        root: Span | None = None,
        links: Sequence[Link] = (),
    ) -> None:
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._held = attributes
        self._start_time = start_time
        self._span_processor = processor
        self._resource = resource
        self._instrumentation_scope = scope
        self._open = True
        self.started = perf_counter_ns()
        self._root = root
        if links:
            self._links = list(links)

    @property
    def _attributes(self) -> Attributes:  # type: ignore[override]  # under this name the SDK's own code reads them
        settle(self._held)
        self._is_read = True
        return self._held

    def get_span_context(self) -> SpanContext:
        """Its ids, as OpenTelemetry hands them on."""
        return self._context  # type: ignore[return-value]  # None only in the SDK's base class

    @property
    def span_kind(self) -> str | None:
        """OpenInference's kind: LLM, TOOL, AGENT ..."""
        return self._held.get(keys.SPAN_KIND)

    def adopt(self, child: Span) -> None:
        """Take over who asked, what was asked and what came out, from the span that really did the work.

        Phoenix shows a trace, and each turn of a session, by its root span; behind a web framework that is the HTTP
        request, which knows nothing of them. Of several workers the one that started first counts: the outermost.
        """
        if child.started < self._adopted_at:
            self._adopted_at = child.started
            present = self._held.keys() - self._adopted
            taken = {key: child._held[key] for key in _ADOPTED if key in child._held and key not in present}
            self._adopted = frozenset(taken)
            self.put(taken)

    @property
    def root(self) -> Span:
        """The topmost span of this trace in this process: the span itself, or its furthest local ancestor."""
        return self._root or self

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute. Any value is taken; what OTLP does not carry becomes text."""
        if self._end_time is None and value is not None:
            if type(key) is str and is_plain(type(value)):
                self._held[key] = value
            else:
                with guarded("setting an attribute"):
                    self._held[to_text(key)] = clean_value(value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if self._end_time is None:
            self._held.update(clean_attributes(attributes))

    def put(self, attributes: Attributes) -> None:
        """Take attributes that are clean already, from llmtrace's own recorders."""
        if self._end_time is None:
            if self._is_read:  # somebody may hold a view of the attributes: nothing in it may wait any more
                settle(attributes)
            self._held.update(attributes)

    def add_event(self, name: str, attributes: ApiAttributes = None, timestamp: int | None = None) -> None:
        """Add a timestamped event."""
        self._add_event(Event(name if type(name) is str else to_text(name), clean_attributes(attributes), timestamp))

    def _add_event(self, event: Event) -> None:
        if self._end_time is None:
            self._own("_events").append(event)

    def drop_event(self, event: Event) -> None:
        """Take back an event of ours that a later one replaces."""
        if self._end_time is None and event in self._events:
            self._own("_events").remove(event)

    def drop_attributes(self, prefix: str) -> None:
        """Take back the attributes under a prefix of ours."""
        if self._end_time is None:
            for key in [key for key in self._held if key.startswith(prefix)]:
                del self._held[key]

    def add_link(self, context: SpanContext, attributes: ApiAttributes = None) -> None:
        """Link to another span."""
        self._add_link(Link(context, clean_attributes(attributes)))

    def _add_link(self, link: Link) -> None:
        if self._end_time is None and getattr(link.context, "is_valid", False):
            self._own("_links").append(link)

    def _own(self, name: str) -> list[Any]:
        """The span's own list of that name, made when first needed: one atomic step, so no thread's item is lost."""
        made: list[Any] = self.__dict__.setdefault(name, [])
        return made

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self._end_time is None:
            self._name = name if type(name) is str else to_text(name)

    def is_recording(self) -> bool:
        """Whether the span still takes anything."""
        return self._end_time is None

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status by OpenTelemetry's rules: OK is final, UNSET changes nothing."""
        if not isinstance(status, Status):
            code: object = status  # whatever the app gave
            description = description if code is StatusCode.ERROR else None
            status = Status(code if isinstance(code, StatusCode) else StatusCode.UNSET, description)
        changes = status.status_code is not StatusCode.UNSET and self._status.status_code is not StatusCode.OK
        if self._end_time is None and changes:
            self._status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: ApiAttributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Record an exception as the event that OpenTelemetry's conventions describe."""
        described: Attributes = {}
        with guarded("recording an exception"):
            described[exc.EXCEPTION_TYPE] = type_name(exception)
            described[exc.EXCEPTION_MESSAGE] = exception_message(exception)
            described[exc.EXCEPTION_STACKTRACE] = stack_trace(exception)
            described[exc.EXCEPTION_ESCAPED] = str(escaped)
        self._add_event(Event("exception", {**described, **clean_attributes(attributes)}, timestamp))

    def fail(self, error: BaseException) -> None:
        """Record an exception that left the span's block; an `Exception` makes the status ERROR."""
        self.record_exception(error, escaped=True)
        if isinstance(error, Exception):
            self.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {exception_message(error)}"))

    def end(self, end_time: int | None = None) -> None:
        """End the span, once: a second call changes nothing."""
        try:
            del self._open  # one atomic step: of two threads that end a span one finds it open
        except AttributeError:
            return
        if self._kind is _SERVER:
            for tell in filter(None, [reader() for reader in self._readers]):
                tell()
        if end_time is None or not isinstance(end_time, int | float):
            self.elapsed = perf_counter_ns() - self.started
            self._end_time = time_ns()
        else:
            self.elapsed = end_time - (self._start_time or end_time)
            self._end_time = end_time
        processor = self._span_processor
        if type(processor) is not OwnRelay:  # ours does nothing then
            processor._on_ending(self)  # noqa: SLF001 - in the SDK's protocol, still under a private name
        processor.on_end(self)

    def _readable_span(self) -> ReadableSpan:
        return self

    def keep(self, reason: str | None = None) -> None:
        """Keep the whole trace, whatever chance says; also when this span has ended already.

        Args:
            reason: why, in a word or two, for whoever finds it; ``llmtrace.keep.reason``.
        """
        with guarded("keeping a trace"):
            target = self if self._end_time is None else self.root
            target.set_attribute(keys.KEEP, True)
            target.set_attribute(keys.KEEP_REASON, None if reason is None else to_text(reason))
            if keeping.tell is not None:
                keeping.tell(self.get_span_context().trace_id)

    def record_output(self, value: Any) -> None:
        """Record what came out.

        On an LLM span an answer of a known provider (an SDK object or a dict of the same shape) becomes output
        messages, tool calls, token counts and finish reason; a text becomes the assistant's message. Elsewhere the
        value becomes ``output.value``. Never raises, whatever the value is.
        """
        try:
            held = self._held
            if self._end_time is None:  # what nearly every call gives: the hot path
                kind = held.get(keys.SPAN_KIND)
                if kind == keys.KIND_LLM:
                    asked = held.get(keys.LLM_MODEL_NAME)
                    if put_usual(held, value):
                        if asked is not None:
                            held.setdefault(keys.LLM_REQUEST_MODEL_NAME, asked)
                        return
                elif type(value) is str and kind in _outputs.TAKEN_AS_IT_IS:
                    held[keys.OUTPUT_VALUE], held[keys.OUTPUT_MIME_TYPE] = value, keys.MIME_TEXT
                    return
        except BaseException as error:  # noqa: BLE001 - `guarded`, without the cost of a block
            swallowed("recording output", error)
        with flattening("recording output"):
            self.put_answer(_outputs.answer(self.span_kind, self._name, self._held, value))

    def put_answer(self, answer: Attributes) -> None:
        """Take what an answer says; the model that was asked for stays named beside the one that answered."""
        asked = self._held.get(keys.LLM_MODEL_NAME)
        if asked is not None and keys.LLM_MODEL_NAME in answer:
            self._held.setdefault(keys.LLM_REQUEST_MODEL_NAME, asked)
        self.put(answer)

    def record_guardrail(self, passed: bool | str, *, score: float | None = None, reason: str | None = None) -> None:
        """Record what a guardrail decided.

        Args:
            passed: True, False for blocked, or the guardrail's own word; ``llmtrace.guardrail.outcome``.
            score: how sure it is, or how bad it is; ``llmtrace.guardrail.score``.
            reason: why; in ``output.value``.
        """
        with flattening("recording a guardrail"):
            self.put(_outputs.guardrail(passed, score, reason))

    def record_evaluation(
        self,
        score: float | None = None,
        label: str | None = None,
        explanation: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Record one finding of an evaluator: ``evaluations.<i>.evaluation.score`` and its siblings.

        Args:
            score: a number, higher is better or worse as the name says.
            label: a word.
            explanation: why.
            name: what was judged; default: the span's name. A second finding is added to the first.
        """
        with flattening("recording an evaluation"):
            self.put(_outputs.evaluation(name or self._name, self._held, score, label, explanation))

    def record_stream(self, stream: Any) -> Any:
        """Record a stream while you read it, synchronously or asynchronously.

        Returns:
            the same stream to all appearances: iterate it instead of the one given. At its end, or at the end of the
            span where you stop early, the span carries the answer as far as it arrived, the time to the first token and
            ``llmtrace.stream.outcome``: complete, abandoned, cancelled or error. Where the span's block is left before
            the first chunk was read, the span ends with the stream.
        """
        # wrapt loads asyncio; who reads no stream need not wait for it.
        from llmtrace._recorded_stream import Reader, recorded  # noqa: PLC0415 - as above

        context = with_span(self, _scope.here())
        reader = Reader(self.recording(), _scope.Steps(context))
        reader.is_watched = self.watch_request(reader.request_is_over)
        return recorded(stream, reader)

    def recording(self) -> StreamRecording:
        """A recording for one stream of this span, by the span's kind."""
        recording = StreamRecording(self, partial(_outputs.accumulator, self.span_kind))
        self.await_end_of(recording)
        return recording

    def await_end_of(self, pending: Pending) -> None:
        """Where `pending` has not begun when the block is left, the span ends with it."""
        self._own("pending").append(pending)

    def watch_request(self, is_over: Callable[[], None]) -> bool:
        """Have a method called when the request that this span belongs to is over; False where it belongs to none.

        The method is referred to weakly. A framework may drop a stream in the middle, and leave it to the garbage
        collector, which may take minutes.
        """
        root = self.root
        if root.kind is not SpanKind.SERVER:
            return False
        root._own("_readers").append(WeakMethod(is_over))  # noqa: SLF001 - our own class
        return True

    def left_behind(self, outcome: Outcome) -> list[Pending]:
        """Finish the streams that have begun; returns those that go on without the block."""
        waiting = [pending for pending in self.pending if not pending.is_over and not pending.has_begun]
        for pending in self.pending:
            if pending not in waiting:
                pending.finish(outcome)
        return waiting

    def record_documents(self, documents: Any) -> None:
        """Record retrieved or reranked documents: texts, dicts or objects with content/text, id, score, metadata."""
        with flattening("recording documents"):
            self.put(_outputs.documents(self.span_kind, self._held, documents))


SPAN_KEY: Final = next(iter(set_span_in_context(NonRecordingSpan(INVALID_SPAN_CONTEXT), Context())))
"""The context key of the current span, found out by asking: OpenTelemetry makes its name anew in each process."""


def with_span(span: ApiSpan, context: Context) -> Context:
    """`context` with `span` as the current one."""
    return Context({**context, SPAN_KEY: span})
