"""Recent alerts as they were accepted, for whoever asks what other rules would do with them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from llmtrace.router.model import Alert
from llmtrace.router.store.rows import to_alert
from llmtrace.router.store.schema import alerts


def recent(connection: Connection, count: int) -> list[Alert]:
    """The newest first."""
    return [to_alert(row) for row in connection.execute(select(alerts).order_by(alerts.c.id.desc()).limit(count))]
