"""Read back what Phoenix stored, over its REST API. Reading only, through an HTTP client that the caller owns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

_NOT_FOUND: Final = 404
_PAGE: Final = 1000  # the most that Phoenix gives in one answer


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event on a span, as Phoenix stored it."""

    name: str
    timestamp: datetime
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """A span as Phoenix stored it. ``attributes`` are flat: ``llm.input_messages.0.message.role`` and so on."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start: datetime
    end: datetime
    status: str
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[StoredEvent, ...]

    @property
    def duration(self) -> timedelta:
        """How long it took."""
        return self.end - self.start


class PhoenixReader:
    """Reads one project of a Phoenix.

    Args:
        client: whose ``base_url`` is Phoenix's, with whatever headers it wants. It stays the caller's to close.
        project: the project's name; one that does not exist (yet) has no spans.
    """

    def __init__(self, client: httpx.Client, project: str) -> None:
        self._client = client
        self._path = f"/v1/projects/{quote(project, safe='')}/spans"

    def trace(self, trace_id: str) -> tuple[StoredSpan, ...]:
        """The spans of a trace that have been stored so far, the earliest first.

        Raises:
            httpx.HTTPError: Phoenix cannot be reached, or answers with an error.
        """
        return self._select({"trace_id": trace_id})

    def roots(self) -> tuple[StoredSpan, ...]:
        """Of each trace of the project: the span without a parent, the earliest first.

        Raises:
            httpx.HTTPError: Phoenix cannot be reached, or answers with an error.
        """
        return self._select({"parent_id": "null"})

    def _select(self, query: Mapping[str, str]) -> tuple[StoredSpan, ...]:
        # Sorted here, not by Phoenix: its cursor by insertion stays valid while spans still arrive.
        return tuple(sorted(self._pages(query), key=lambda span: (span.start, span.span_id)))

    def _pages(self, query: Mapping[str, str]) -> Iterator[StoredSpan]:
        parameters: dict[str, str | int] = {**query, "limit": _PAGE, "sort": "id", "order": "asc"}
        while True:
            response = self._client.get(self._path, params=parameters)
            if response.status_code == _NOT_FOUND:
                return  # a project comes to be with its first span
            body = response.raise_for_status().json()
            yield from map(_span, body["data"])
            if body["next_cursor"] is None:
                return
            parameters["cursor"] = body["next_cursor"]


def _span(body: Mapping[str, Any]) -> StoredSpan:
    return StoredSpan(
        trace_id=body["context"]["trace_id"],
        span_id=body["context"]["span_id"],
        parent_id=body["parent_id"],
        name=body["name"],
        kind=body["span_kind"],
        start=datetime.fromisoformat(body["start_time"]),
        end=datetime.fromisoformat(body["end_time"]),
        status=body["status_code"],
        status_message=body["status_message"],
        attributes=MappingProxyType(body["attributes"]),
        events=tuple(map(_event, body["events"])),
    )


def _event(body: Mapping[str, Any]) -> StoredEvent:
    return StoredEvent(
        name=body["name"],
        timestamp=datetime.fromisoformat(body["timestamp"]),
        attributes=MappingProxyType(body["attributes"]),
    )
