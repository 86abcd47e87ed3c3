"""Sends digests when they are due: looks at the store again and again, so that a restart loses none and doubles none.

A mail that may have been sent when the process died is sent again under the same Message-ID, and with the same period.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Final, Protocol

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.cron import last_until
from llmtrace.router.digest.letter import Stationery, write
from llmtrace.router.digest.report import report
from llmtrace.router.faults import told
from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.ports import Clock, StoreError
from llmtrace.router.store.digests import Due, SqlDigests

LOOK_EVERY: Final = 5.0
"""Seconds."""
PATIENCE: Final = timedelta(days=3)
"""How long a digest is tried that no mail server takes."""
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(minutes=30)

_log = logging.getLogger(__name__)


class Post(Stationery, Protocol):
    """One receiver's mail."""

    async def post(self, message: EmailMessage) -> Receipt:
        """Make one attempt."""


class DigestSender:
    """Runs until it is cancelled. ``posts``: receiver -> its mail."""

    def __init__(
        self, config: RouterConfig, store: SqlDigests, posts: Mapping[str, Post], clock: Clock, external_url: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._url = external_url.rstrip("/") + "/digest"
        self._failed = False
        self.reconfigure(config, posts)

    def reconfigure(self, config: RouterConfig, posts: Mapping[str, Post]) -> None:
        """Other rules."""
        self._digests = [each for each in config.digests if each.receiver in posts]
        self._posts = posts
        self._planned = False

    async def run(self) -> None:
        """Look, send what is due, and look again. A store that fails is said once."""
        while True:
            try:
                await self.turn()
                self._failed = False
            except StoreError as error:
                if not self._failed:
                    _log.error("digests cannot be sent: the store failed (%s); it is tried again", error)
                self._failed = True
            except Exception as fault:  # noqa: BLE001 - the loop must outlive a fault of ours
                _log.error("a digest failed: %s", told(fault))
            await asyncio.sleep(LOOK_EVERY)

    async def turn(self) -> None:
        """Send all that is due now."""
        now = self._clock.now()
        if not self._planned:
            await asyncio.to_thread(self._store.plan, self._digests, now)
            self._planned = True
        until = {each: last_until(each.schedule, each.timezone, now) for each in self._digests}
        posts = self._posts  # others may come meanwhile
        for due in await asyncio.to_thread(self._store.due, now, until):
            await self._send(due, posts[due.digest.receiver])

    async def _send(self, due: Due, post: Post) -> None:
        receipt = await self._attempt(due, post)
        now = self._clock.now()
        if receipt.outcome is Outcome.RETRY and now - due.until < PATIENCE:
            if due.attempts == 0:
                _log.warning("digest for %s: %s; it is tried again", due.digest.receiver, receipt.detail)
            pause = min(_FIRST_PAUSE * 2 ** min(due.attempts, 10), _LONGEST_PAUSE)
            await asyncio.to_thread(self._store.again, due, receipt.detail, now + pause)
            return
        outcome = Outcome.GAVE_UP if receipt.outcome is Outcome.RETRY else receipt.outcome
        if outcome is not Outcome.DELIVERED:
            _log.error("digest for %s: %s (%s)", due.digest.receiver, outcome, receipt.detail)
        await asyncio.to_thread(self._store.over, due, outcome.value, receipt.detail, now)

    async def _attempt(self, due: Due, post: Post) -> Receipt:
        try:
            return await post.post(await asyncio.to_thread(self._write, due, post))
        except StoreError:
            raise
        except Exception as fault:  # noqa: BLE001 - the others that are due must not wait for this one to be mended
            return Receipt(Outcome.RETRY, type(fault).__name__)

    def _write(self, due: Due, post: Post) -> EmailMessage:
        found, before = self._store.trend(due.digest, due.since, due.until)
        return write(report(due.digest, due.since, due.until, found, before), post, self._url)
