"""Tailing: a Phoenix is asked for annotations that it did not have before; how far it was read is kept in the store."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.phoenix import PhoenixOptions
from llmtrace.router.config.watch import PHOENIX
from llmtrace.router.faults import told
from llmtrace.router.intake import phoenix
from llmtrace.router.intake.phoenix import AnswerError, Found
from llmtrace.router.ports import Clock, Inbox, StoreError

MOST_PAGES: Final = 50
"""Of one annotation's name, in one look."""
_PATIENCE: Final = 20.0
"""Seconds for an answer."""
_IDLE: Final = 5.0
_log = logging.getLogger(__name__)


class Tail:
    """Reads on where the last run ended. ``kept`` and ``keep`` read and write how far that was."""

    def __init__(
        self,
        config: RouterConfig,
        client: aiohttp.ClientSession,
        inbox: Inbox,
        clock: Clock,
        kept: Callable[[str], int | None],
        keep: Callable[[str, int], None],
        heard: dict[str, datetime],
    ) -> None:
        self._config = config
        self._client = client
        self._inbox = inbox
        self._clock = clock
        self._kept = kept
        self._keep = keep
        self._heard = heard
        self._seen: set[tuple[int, str]] | None = None
        self._failure = ""

    def reconfigure(self, config: RouterConfig) -> None:
        """Other rules. What they look for anew and is old already is no alert."""
        if config.intake.phoenix != self._config.intake.phoenix:
            self._seen = None
        self._config = config

    async def run(self) -> None:
        """Until it is cancelled. What goes wrong is said once, and tried again."""
        while True:
            options = self._config.intake.phoenix
            if options is not None:
                await self._guarded(options)
            await asyncio.sleep(_IDLE if options is None else options.every.total_seconds())

    async def _guarded(self, options: PhoenixOptions) -> None:
        try:
            await self.look(options)
        except (AnswerError, StoreError, aiohttp.ClientError, OSError, ValueError) as error:
            said = f"{type(error).__name__}: {error}" if isinstance(error, AnswerError) else type(error).__name__
            if said != self._failure:
                _log.warning("phoenix: annotations cannot be read (%s); it is tried again", said)
            self._failure = said
        except Exception as fault:  # noqa: BLE001 - the loop must outlive a fault of ours
            _log.error("phoenix: annotations cannot be read: %s", told(fault))
        else:
            self._failure = ""

    async def look(self, options: PhoenixOptions) -> int:
        """Take what is new; returns how many alerts that were."""
        now, name = self._clock.now(), f"phoenix {options.url} {options.project}"
        found = [each for score in options.scores for each in await self._found(score, options, now)]
        last = await asyncio.to_thread(self._kept, name)
        if self._seen is None:
            # After a start what has a higher number than the last one is new; at the very first nothing is.
            self._seen = {each.key for each in found if last is None or each.id <= last}
        new = sorted((each for each in found if each.key not in self._seen), key=lambda each: each.id)
        if new:
            await self._inbox.accept([phoenix.alert(each, options, self._config.links, now) for each in new])
        highest = max([last or 0, *(each.id for each in found)])
        if last is None or highest > last:
            await asyncio.to_thread(self._keep, name, highest)
        self._seen = {each.key for each in found}
        self._heard[PHOENIX] = now
        return len(new)

    async def _found(self, name: str, options: PhoenixOptions, now: datetime) -> list[Found]:
        found: list[Found] = []
        after: str | None = None
        for _ in range(MOST_PAGES):
            data = await self._ask(options, phoenix.variables(name, options, now - options.window, after))
            page, after = phoenix.read(data, name, options.scores[name])
            found += page
            if after is None:
                break
        return found

    async def _ask(self, options: PhoenixOptions, variables: dict[str, Any]) -> Any:
        key = options.api_key
        headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key is not None else {}
        body = {"query": phoenix.QUERY, "variables": variables}
        url = f"{options.url}/graphql"
        async with (
            asyncio.timeout(_PATIENCE),
            self._client.post(url, json=body, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise AnswerError(f"HTTP {answer.status}")
            return json.loads(await answer.read())
