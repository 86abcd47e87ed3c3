"""Arize's platform events: a task that fails is an alert, a version of a prompt or an evaluator is a change.

Only the field ``event`` of their body is published, so all else is looked for where it may stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from llmtrace.router.config import Links
from llmtrace.router.intake import change, generic
from llmtrace.router.intake.body import read_json
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.model import Alert, Change

_FAILED: Final = "online_task.run.failed"
_PARTS: Final = ("data", "source", "prompt", "prompt_version", "evaluator", "task", "run", "version")
_DEEPEST: Final = 3


def read(body: bytes, links: Links, timeout: timedelta, now: datetime) -> tuple[Sequence[Alert], Sequence[Change]]:
    """What an event is.

    Raises:
        RefusedError: 400, where it is none.
    """
    data = read_json(body)
    event = data.get("event") if isinstance(data, dict) else None
    if not isinstance(event, str) or not event:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "event: missing; it must be set")
    name = _found(data, "prompt_name", "evaluator_name", "task_name", "source_name", "name")
    url = _found(data, "url", "uri", "link")
    at = _moment(_found(data, "timestamp", "occurred_at", "created_at"), now)
    if event != _FAILED:
        kind = event.partition(".")[0]
        what = event.rpartition(".")[2]
        version = _found(data, "label", "version", "version_id", "prompt_version_id")
        title = " ".join(filter(None, (name, what)))
        by = _found(data, "created_by", "user", "actor", "email")
        return (), [change.made(kind, at, now, title=title, version=version, url=url, by=by)]
    item = {
        "name": event, "severity": "error", "reason": _found(data, "error", "reason", "cause", "status_message"),
        "source_url": url, "starts_at": at.isoformat(), "labels": {"task": name} if name else {},
    }  # fmt: skip
    known = {key: value for key, value in item.items() if value}
    return generic.build([known], "arize", links, timeout, now, is_foreign=True), ()


def _found(data: Any, *names: str, depth: int = 0) -> str:
    """The first of these fields that holds a word or a number, at the top or in a part that such events have."""
    if not isinstance(data, dict) or depth > _DEEPEST:
        return ""
    for name in names:
        if isinstance(value := data.get(name), str | int | float) and str(value):
            return str(value)
    return next((said for part in _PARTS if (said := _found(data.get(part), *names, depth=depth + 1))), "")


def _moment(text: str, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return now
