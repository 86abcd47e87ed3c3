"""Phoenix: the links into its page, a local one as its own process, and a small reader of what it stored.

Nothing here imports Phoenix: it runs in a process of its own, behind the extra ``phoenix``, and is spoken to over HTTP.
"""

from __future__ import annotations

from llmtrace.backends.phoenix.links import session_url, span_url, trace_url
from llmtrace.backends.phoenix.reader import PhoenixReader, StoredEvent, StoredSpan
from llmtrace.backends.phoenix.server import PhoenixSettings, RunningPhoenix, default_working_dir, start_phoenix

__all__ = [
    "PhoenixReader",
    "PhoenixSettings",
    "RunningPhoenix",
    "StoredEvent",
    "StoredSpan",
    "default_working_dir",
    "session_url",
    "span_url",
    "start_phoenix",
    "trace_url",
]
