"""A digest as it would be sent now: for the page and the command line. It only reads."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from llmtrace.router.config.cron import last_until
from llmtrace.router.config.settings import Digest
from llmtrace.router.digest.report import Report, report
from llmtrace.router.store.digests import began
from llmtrace.router.store.period import trend

QUICK: Final = 2_000
"""Decisions that a look counts at most, in each of the two periods, so that it never takes long. Several digests share
them."""


def preview(connection: Connection, digest: Digest, now: datetime, most: int = QUICK) -> Report:
    """What came since the last one."""
    since = began(connection, digest) or last_until(digest.schedule, digest.timezone, now)
    return report(digest, since, now, *trend(connection, digest, since, now, most))
