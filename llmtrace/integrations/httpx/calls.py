"""One model call on its way: its span, the attempts that it takes, and the answer as the application reads it."""

from __future__ import annotations

from enum import Enum
from functools import partial
from time import perf_counter_ns, time_ns
from typing import Any, Final
from weakref import WeakSet

from opentelemetry.context import Context
from opentelemetry.semconv.attributes import server_attributes as server
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import get_current_span

from llmtrace import _scope
from llmtrace._attributes import Attributes
from llmtrace._block import finish, start_span
from llmtrace._cancellation import is_cancellation
from llmtrace._guard import guarded
from llmtrace._span import Span, with_span
from llmtrace._stream import Outcome, StreamRecording, outcome_of
from llmtrace._tracer import active
from llmtrace.integrations.httpx.bodies import Body, Whole
from llmtrace.integrations.httpx.endpoints import Asked, asked, endpoint_of
from llmtrace.integrations.httpx.failures import FIRST_ERROR, Failure, of_answer, of_chunk, of_exception
from llmtrace.integrations.httpx.langchain import model_span
from llmtrace.integrations.httpx.listening import listen
from llmtrace.integrations.httpx.retries import Attempts, Key, Retries
from llmtrace.propagation import decides_everywhere, telling
from llmtrace.recorders import embedding, llm_accumulator, llm_answer
from llmtrace.recorders.lines import Lines, parsed
from llmtrace.semconv import gen_ai
from llmtrace.semconv import trace as keys

_MODEL_KINDS: Final = (keys.KIND_LLM, keys.KIND_EMBEDDING)
_MODEL_CALLS: Final = frozenset({gen_ai.CHAT, gen_ai.TEXT_COMPLETION, "generate_content", "embeddings"})

retries: Final = Retries()
"""The calls whose last attempt failed, and may be tried again."""


def begun(request: Any) -> ModelCall | None:
    """The model call that a request is; None where it is none, or nobody records."""
    if active.tracer is None:
        return None
    host, path = request.url.host, request.url.path
    endpoint = endpoint_of(request.method, path)
    content = None if endpoint is None else _content_of(request)
    found = None if endpoint is None or content is None else asked(endpoint, host, path, content)
    if found is None or content is None:
        return _Passing(host) if decides_everywhere() else None
    context = _scope.here()
    around = get_current_span(context)
    cover = _cover_of(around)
    if cover is _Cover.NOTHING and (hidden := model_span()) is not None:
        around, cover, context = hidden, _Cover.WHOLE, with_span(hidden, context)
    key: Key = (around.get_span_context().span_id, str(request.url), hash(content))
    attempts = retries.again(key)
    count = 1 if attempts is None else attempts.count + 1
    if cover is _Cover.WHOLE:
        return _CoveredCall(request, key, count, around, context)
    found.attributes[server.SERVER_ADDRESS] = host
    if cover is _Cover.BARE:
        around.set_attributes(found.attributes)
        _filled.add(around)
        return _RecordedCall(request, key, count, around, context, found, is_ours=False)
    span = start_span(found.name, found.attributes, context) if attempts is None else attempts.span
    return _RecordedCall(request, key, count, span, context, found, is_ours=True)


def _content_of(request: Any) -> bytes | None:
    try:
        content: bytes = request.content
    except Exception:  # noqa: BLE001 - a body that is streamed cannot be looked at; each library has its own error
        return None
    return content


class _Cover(Enum):
    """What the span around a request has of the call already."""

    NOTHING = "it is about something else"
    BARE = "it is the call's, begun by a vendor's SDK, which says little of it"
    WHOLE = "it is the call's, of a recorder or an instrumentor"


_filled: Final[WeakSet[ApiSpan]] = WeakSet()
"""Spans of vendors' SDKs that we fill."""


def _cover_of(span: ApiSpan) -> _Cover:
    attributes = getattr(getattr(span, "doubled", span), "attributes", None)
    if not span.is_recording() or not attributes:
        return _Cover.NOTHING
    if attributes.get(keys.SPAN_KIND) in _MODEL_KINDS and span not in _filled:
        return _Cover.WHOLE
    return _Cover.BARE if attributes.get(gen_ai.OPERATION_NAME) in _MODEL_CALLS else _Cover.NOTHING


class ModelCall:
    """What the patched clients know of a call.

    Attributes:
        context: the context to send it in.
    """

    context: Context

    def raised(self, error: BaseException) -> None:
        """It got no answer."""

    def answered(self, response: Any, *, is_stream: bool) -> None:
        """It got an answer: whole, or to be read by the application."""


class _Passing(ModelCall):
    """A request that is no model call, where the hosts that may see our trace were named."""

    def __init__(self, host: str) -> None:
        self.context = telling(_scope.here(), host, None)


class _CoveredCall(ModelCall):
    """A call that a span covers already: only what that span cannot see is added, the attempts that failed."""

    def __init__(self, request: Any, key: Key, count: int, span: ApiSpan, context: Context) -> None:
        self.context = telling(context, request.url.host, request.headers)
        self._span = span
        self._key = key
        self._count = count

    def raised(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._failed(of_exception(error))

    def answered(self, response: Any, *, is_stream: bool) -> None:
        with guarded("looking at an answer"):
            if response.status_code >= FIRST_ERROR:
                body = None if is_stream else parsed(response.content)
                self._failed(_refusal(response, body))

    def _failed(self, failure: Failure) -> None:
        if failure.may_be_tried_again:
            retries.wait(self._key, Attempts(self._span, failure, self._count, is_ours=False))


class _RecordedCall(ModelCall):
    """A call whose answer is recorded here."""

    def __init__(
        self,
        request: Any,
        key: Key,
        count: int,
        span: ApiSpan,
        context: Context,
        found: Asked,
        *,
        is_ours: bool,
    ) -> None:
        self.context = telling(with_span(span, context), request.url.host, request.headers)
        self._span = span
        self._parent = get_current_span(context)
        self._key = key
        self._found = found
        self._is_ours = is_ours
        self._count = count
        self._failure: Failure | None = None
        self._recording: StreamRecording | None = None
        self._body: Body | None = None
        self._is_over = False
        self.started = perf_counter_ns()
        self.start_time: int | None = time_ns()

    # What went wrong, and what came.

    def raised(self, error: BaseException) -> None:
        with guarded("recording a failed request"):
            self._end(outcome_of(error), error)

    def answered(self, response: Any, *, is_stream: bool) -> None:
        with guarded("recording an answer"):
            if response.status_code >= FIRST_ERROR:
                self._failure = _refusal(response, None)
                self._body = Whole(partial(self._refused, response), partial(self._refused, response))
            else:
                self._body = self._body_of(response)
            if is_stream:
                listen(response, self)
            else:
                self._body.feed(response.content)
                self._body.finish()
                self._end(Outcome.COMPLETE)

    def _body_of(self, response: Any) -> Body:
        framing = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
        if framing == "text/event-stream":
            return Lines(self._chunk, is_events=True)
        if framing in ("application/x-ndjson", "application/jsonl") or (
            self._found.endpoint.is_lines and framing != "application/json"
        ):
            return Lines(self._chunk, is_events=False)
        return Whole(self._chunk, self._whole)

    def _refused(self, response: Any, body: Any) -> None:
        self._failure = _refusal(response, body)

    def _whole(self, answer: Any) -> None:
        if self._found.endpoint.kind != keys.KIND_EMBEDDING:
            self.put_answer(llm_answer(answer))
            return
        if type(answer) is dict and type(answer.get("embedding")) is dict:  # Gemini's, of a single text
            answer = {**answer, "embedding": None, "embeddings": [answer["embedding"]]}
        self.put_answer(embedding.attributes(answer))

    def _chunk(self, chunk: dict[str, Any]) -> None:
        failure = of_chunk(chunk)
        if failure is not None:
            self._failure = failure
            return
        if self._recording is None:
            self._recording = StreamRecording(self, llm_accumulator)
        self._recording.add(chunk)

    def put_answer(self, answer: Attributes) -> None:
        """Take clean attributes that an answer is made of."""
        if isinstance(self._span, Span):
            self._span.put_answer(answer)
        else:
            self._span.set_attributes(answer)

    # What the application reads.

    def heard(self, data: bytes) -> None:
        """Some bytes of the body, decoded."""
        if self._body is not None and not self._is_over:
            with guarded("recording a stream"):
                self._body.feed(data)
                if self._body.is_complete:
                    self._end(Outcome.COMPLETE)

    def hung_up(self, error: BaseException | None, *, is_whole: bool) -> None:
        """The body is at its end, was closed before, or broke off."""
        if self._body is None or self._is_over:
            return
        with guarded("recording the end of a stream"):
            self._body.finish()
            if error is None:
                self._end(Outcome.COMPLETE if is_whole or self._failure is not None else Outcome.ABANDONED)
            else:
                self._end(outcome_of(error), error)

    # The end.

    def _end(self, outcome: Outcome, error: BaseException | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._body = None
        failure = of_exception(error) if isinstance(error, Exception) else self._failure
        if self._recording is not None:
            self._recording.finish(Outcome.ERROR if failure is not None else outcome)
        if failure is not None and failure.may_be_tried_again and self._recording is None:
            attempts = Attempts(self._span, failure, self._count, is_ours=self._is_ours)
            retries.wait(self._key, attempts, self._parent)
        elif self._is_ours:
            if failure is not None:
                failure.put_on(self._span)
            _finish(self._span, error if isinstance(error, GeneratorExit) or is_cancellation(error) else None)


def _refusal(response: Any, body: Any) -> Failure:
    retry_after = response.headers.get("retry-after")
    return of_answer(response.status_code, str(response.reason_phrase), retry_after, body)


def _finish(span: ApiSpan, error: BaseException | None, ended: int | None = None) -> None:
    if isinstance(span, Span):
        finish(span, error, ended)
