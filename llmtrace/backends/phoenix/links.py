"""Links into Phoenix's page: a trace, a span, a session. Text only: nothing is looked up.

Phoenix answers 200 for any of them, also before the trace has arrived; the page then says that it was not found.
"""

from __future__ import annotations

from urllib.parse import quote


def trace_url(base: str, trace_id: str) -> str:
    """The page of a trace.

    Args:
        base: where Phoenix is, such as ``http://localhost:6006``.
        trace_id: 32 hex characters.
    """
    return _redirect(base, "traces", trace_id)


def span_url(base: str, span_id: str) -> str:
    """The page of a span, by its 16 hex characters, opened in its trace."""
    return _redirect(base, "spans", span_id)


def session_url(base: str, session_id: str) -> str:
    """The page of a session, by the ``session.id`` that its spans carry (any text)."""
    return _redirect(base, "sessions", session_id)


def _redirect(base: str, kind: str, identifier: str) -> str:
    return f"{base.rstrip('/')}/redirects/{kind}/{quote(identifier, safe='')}"
