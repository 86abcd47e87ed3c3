"""A third party's span of a model call directly inside one of ours: it is the same call, so ours is the only one.

Third parties are OpenInference's instrumentors, and SDKs that trace themselves as soon as a provider is set, as
Anthropic's does. What theirs knows and ours does not (the answer, where nobody recorded it; tokens; the provider) goes
to ours when its block ends. Everything below theirs stands below ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Status, StatusCode
from opentelemetry.util.types import Attributes as ApiAttributes

from llmtrace._attributes import Attributes
from llmtrace._clean import clean_attributes, clean_value
from llmtrace._guard import guarded
from llmtrace._span import SPAN_KEY, Span
from llmtrace._stream import Outcome, Then
from llmtrace._values.serialize import to_text
from llmtrace.semconv import gen_ai
from llmtrace.semconv import trace as keys

_MODEL_CALLS: Final = frozenset({gen_ai.CHAT, gen_ai.TEXT_COMPLETION, "generate_content"})
_GROUPS: Final = (
    keys.LLM_INPUT_MESSAGES,
    keys.LLM_OUTPUT_MESSAGES,
    keys.LLM_TOOLS,
    keys.LLM_PROMPTS,
    keys.LLM_CHOICES,
)
"""Lists that are taken as a whole or not at all: two ways of flattening one message would mix."""
_SIDES: Final = (
    ((keys.INPUT_VALUE, keys.INPUT_MIME_TYPE), (keys.LLM_INPUT_MESSAGES, keys.LLM_PROMPTS)),
    ((keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE), (keys.LLM_OUTPUT_MESSAGES, keys.LLM_CHOICES)),
)
_LENT: Final = ("llm.", "input.", "output.", "server.")
"""What is taken over. Of the GenAI conventions, these, in OpenInference's words:"""
_TRANSLATED: Final = (
    (gen_ai.USAGE_INPUT_TOKENS, keys.LLM_TOKEN_COUNT_PROMPT),
    (gen_ai.USAGE_OUTPUT_TOKENS, keys.LLM_TOKEN_COUNT_COMPLETION),
    (gen_ai.USAGE_CACHE_READ, keys.LLM_TOKEN_COUNT_CACHE_READ),
    (gen_ai.RESPONSE_MODEL, keys.LLM_MODEL_NAME),
    (gen_ai.RESPONSE_ID, keys.RESPONSE_ID),
)


def doubled_by(context: Context, scope: str, attributes: Mapping[str, Any] | None) -> Span | None:
    """Our span of the model call that another span is about, too; None where it is about something else.

    Args:
        context: in which the other span is about to start.
        scope: its instrumentation scope.
        attributes: what it starts with.
    """
    parent = context.get(SPAN_KEY)
    if isinstance(parent, DoubledSpan):
        parent = parent.doubled
    if not isinstance(parent, Span) or not parent.is_recording() or parent.span_kind != keys.KIND_LLM:
        return None
    given = attributes or {}
    if given.get(keys.SPAN_KIND) != keys.KIND_LLM and given.get(gen_ai.OPERATION_NAME) not in _MODEL_CALLS:
        return None
    of_parent = parent.instrumentation_scope
    return None if of_parent is None or of_parent.name == scope else parent


class Loan:
    """What a third party's span lends to ours. A `Pending` of our span: it is settled when the block ends."""

    has_begun = True

    def __init__(self, span: Span) -> None:
        self._span: Span | None = span
        self.attributes: Attributes = {}
        self.then: Then | None = None
        span.await_end_of(self)

    @property
    def is_over(self) -> bool:
        """Whether it was settled."""
        return self._span is None

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:  # noqa: ARG002 - of a `Pending`
        """Give our span what it lacks."""
        span, self._span = self._span, None
        if span is not None:
            with guarded("taking over a third party's span"):
                span.put(_lacking(span.attributes or {}, self.attributes))


class DoubledSpan(NonRecordingSpan):
    """What a third party gets in place of a span of its own: ours by name, taking its attributes as a loan."""

    def __init__(self, span: Span, attributes: Attributes) -> None:
        super().__init__(span.get_span_context())
        self.doubled = span
        self._loan = Loan(span)
        self._loan.attributes.update(attributes)
        self._is_open = True

    def is_recording(self) -> bool:
        """Whether it takes anything."""
        return self._is_open

    def set_attribute(self, key: str, value: Any) -> None:
        """Lend one attribute."""
        if self._is_open and value is not None:
            with guarded("setting an attribute"):
                self._loan.attributes[key if type(key) is str else to_text(key)] = clean_value(value)

    def set_attributes(self, attributes: ApiAttributes) -> None:
        """Lend several attributes."""
        if self._is_open:
            self._loan.attributes.update(clean_attributes(attributes))

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Nothing: what fails inside our block is ours to see."""

    def end(self, end_time: int | None = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        """Take nothing more."""
        self._is_open = False


def _lacking(ours: Mapping[str, Any], theirs: Attributes) -> Attributes:
    """What of `theirs` is not there yet."""
    translated = {key: theirs[source] for source, key in _TRANSLATED if source in theirs}
    theirs = {**translated, **{key: value for key, value in theirs.items() if key.startswith(_LENT)}}
    kept = [group for group in _GROUPS if _has(ours, group)]
    taken = {
        key: value
        for key, value in theirs.items()
        if key not in ours and not any(key.startswith(f"{group}.") for group in kept)
    }
    both = {**ours, **taken}
    for values, lists in _SIDES:
        if any(_has(both, group) for group in lists):
            for key in values:
                taken.pop(key, None)
    if not _is_answered(ours):
        _put_answered_model(taken, ours, theirs)
    return taken


def _is_answered(ours: Mapping[str, Any]) -> bool:
    return keys.LLM_TOKEN_COUNT_COMPLETION in ours or _has(ours, keys.LLM_OUTPUT_MESSAGES)


def _put_answered_model(taken: Attributes, ours: Mapping[str, Any], theirs: Attributes) -> None:
    model, asked = theirs.get(keys.LLM_MODEL_NAME), ours.get(keys.LLM_MODEL_NAME)
    if model is not None and model != asked:
        taken[keys.LLM_MODEL_NAME] = model
        if asked is not None:
            taken.setdefault(keys.LLM_REQUEST_MODEL_NAME, asked)


def _has(attributes: Mapping[str, Any], group: str) -> bool:
    prefix = f"{group}."
    return any(key.startswith(prefix) for key in attributes)
