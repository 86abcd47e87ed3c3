"""What forms of the page say."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from llmtrace.router import matchers
from llmtrace.router.matchers import Matcher, MatcherError, Silence
from llmtrace.router.model import ALERTNAME, Alert
from llmtrace.router.web.body import read_body

TIMES: Final[Mapping[str, timedelta]] = MappingProxyType(
    {
        "1 hour": timedelta(hours=1),
        "4 hours": timedelta(hours=4),
        "1 day": timedelta(days=1),
        "3 days": timedelta(days=3),
        "1 week": timedelta(days=7),
    }
)
"""How long a silence may last that is made here."""
_MOST_FIELDS: Final = 20
_MOST_MATCHERS: Final = 50
_LONGEST_COMMENT: Final = 2_000
_PROPOSED: Final = (ALERTNAME, "service", "environment")


class FormError(ValueError):
    """A form cannot be done as it stands. The message says what is wrong, for whoever filled it in."""


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields; none of a form that cannot be read."""
    text = (await read_body(request.receive, request.headers.get("content-length", ""))).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def proposed(alert: Alert | None) -> str:
    """Matchers of a silence about an alert, one in a line."""
    labels = {} if alert is None else alert.labels
    return "\n".join(str(Matcher(name, matchers.Operator.EQUAL, labels[name])) for name in _PROPOSED if name in labels)


def silence_of(form: Mapping[str, str], who: str, now: datetime) -> Silence:
    """The silence that a form asks for.

    Raises:
        FormError: a matcher cannot be read, or there is none, or the time is not one of those offered.
    """
    lines = [line for line in form.get("matchers", "").splitlines() if line.strip()]
    if not 1 <= len(lines) <= _MOST_MATCHERS:
        raise FormError(f"matchers: {len(lines)} lines; allowed: 1 to {_MOST_MATCHERS}, one matcher in a line")
    lasting = TIMES.get(form.get("for", ""))
    if lasting is None:
        raise FormError(f"for how long: allowed: {', '.join(TIMES)}")
    try:
        read = tuple(matchers.parse(line) for line in lines)
    except MatcherError as error:
        raise FormError(f"matchers: {error}") from error
    return Silence(uuid.uuid4().hex, read, now, now + lasting, who, form.get("comment", "")[:_LONGEST_COMMENT])
