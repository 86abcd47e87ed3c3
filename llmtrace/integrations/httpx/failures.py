"""What went wrong with a model call, in the provider's own words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from time import time_ns
from typing import Any, Final

from opentelemetry.semconv.attributes import error_attributes as errors
from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import Status, StatusCode

from llmtrace._failure import exception_message
from llmtrace.semconv import trace as keys

FIRST_ERROR: Final = 400
_AGAIN: Final = frozenset({408, 409, 425, 429})
_FIRST_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed.

    Attributes:
        kind: the provider's word for it, or the exception's.
        message: the provider's sentence, or the exception's. Content.
        status: the HTTP status, where there was an answer.
        at: when, in nanoseconds since 1970.
        may_be_tried_again: whether clients do so.
        wait: seconds after which the provider wants to be asked again.
    """

    kind: str
    message: str
    at: int
    status: int | None = None
    may_be_tried_again: bool = False
    wait: float = 0.0

    def put_on(self, span: ApiSpan) -> None:
        """Make the span an error."""
        if self.status is not None:
            span.set_attribute(http.HTTP_RESPONSE_STATUS_CODE, self.status)
        span.set_attribute(errors.ERROR_TYPE, self.kind)
        span.add_event("exception", {exc.EXCEPTION_TYPE: self.kind, exc.EXCEPTION_MESSAGE: self.message}, self.at)
        span.set_status(Status(StatusCode.ERROR, f"{self.kind}: {self.message}"))

    def put_retry_on(self, span: ApiSpan, attempt: int) -> None:
        """Say on the span that the call was made again after this."""
        facts: dict[str, Any] = {keys.RETRY_ATTEMPT: attempt, errors.ERROR_TYPE: self.kind}
        if self.status is not None:
            facts[http.HTTP_RESPONSE_STATUS_CODE] = self.status
        span.add_event(keys.RETRY_EVENT, {**facts, exc.EXCEPTION_MESSAGE: self.message}, self.at)


def of_exception(error: BaseException) -> Failure:
    """A request that got no answer, or a body that broke off."""
    return Failure(type(error).__name__, exception_message(error), time_ns(), may_be_tried_again=True)


def of_answer(status: int, reason: str, retry_after: str | None, body: Any) -> Failure:
    """An answer that refuses."""
    kind, message = said_in(body)
    again = status in _AGAIN or status >= _FIRST_SERVER_ERROR
    try:
        wait = float(retry_after or 0)
    except ValueError:
        wait = 0.0
    return Failure(kind or str(status), message or reason or str(status), time_ns(), status, again, wait)


def of_chunk(chunk: dict[str, Any]) -> Failure | None:
    """A stream that says in its middle that it failed; None for any other chunk."""
    if chunk.get("type") == "response.failed":
        response = chunk.get("response")
        chunk = response if type(response) is dict else chunk
    elif chunk.get("type") != "error" and ("error" not in chunk or chunk.get("object") or chunk.get("id")):
        return None
    kind, message = said_in(chunk)
    return Failure(kind or "error", message or "the stream failed", time_ns()) if kind or message else None


def said_in(body: Any) -> tuple[str, str]:
    """The provider's word and sentence in an error's body: OpenAI, Anthropic, Google, Mistral, Ollama, FastAPI."""
    if type(body) is list and body:
        body = body[0]
    if type(body) is not dict:
        return "", ""
    error = body.get("error", body)
    if type(error) is str:
        return "", error
    if type(error) is not dict:
        return "", ""
    kind = next((error[name] for name in ("type", "status", "code") if type(error.get(name)) is str), "")
    message = next((error[name] for name in ("message", "detail") if type(error.get(name)) is str), "")
    return kind, message
