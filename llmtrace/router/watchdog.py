"""The watchdog: sends heartbeats by a real route, and raises an alert when a source that promised its own is silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from llmtrace.router.config import RouterConfig, durations
from llmtrace.router.config.watch import HEARTBEAT, OURSELVES, Watch
from llmtrace.router.faults import told
from llmtrace.router.model import ALERTNAME, SEVERITY, SOURCE, Alert, Annotation, Status
from llmtrace.router.ports import Clock, Inbox, StoreError
from llmtrace.semconv.alert import Severity

SILENT: Final = "source-silent"
LOOK_EVERY: Final = 1.0
"""Seconds."""
_LASTS: Final = timedelta(hours=1)
"""How long such an alert outlives the router that says it again and again."""

_log = logging.getLogger(__name__)


class Watchdog:
    """``heard``: when something was last taken, by path. ``look`` says what is to be raised; ``run`` raises it."""

    def __init__(self, config: RouterConfig, heard: Mapping[str, datetime], inbox: Inbox, clock: Clock) -> None:
        self._watch: Watch = config.watch
        self._heard = heard
        self._inbox = inbox
        self._clock = clock
        self._since = clock.now()
        self._beat_at: datetime | None = None
        self._said: dict[str, datetime | None] = dict.fromkeys(self._watch.sources)
        """By source: when it was last said to be silent; None: it was heard, or nothing was said yet."""
        self._greeted: set[str] = set()
        self._failed = False

    def reconfigure(self, config: RouterConfig) -> None:
        """Other rules. A source that is new among them has its time from now on."""
        before, self._watch = self._watch, config.watch
        self._said = {name: self._said.get(name) for name in self._watch.sources}
        if set(self._watch.sources) - set(before.sources):
            self._since = self._clock.now()

    async def run(self) -> None:
        """Until it is cancelled. A store that fails is said once, and all is raised again later."""
        while True:
            try:
                alerts = list(self.look(self._clock.now()))
                if alerts:
                    await self._inbox.accept(alerts)
                self._failed = False
            except StoreError as error:
                self._beat_at, self._said = None, dict.fromkeys(self._said)
                if not self._failed:
                    _log.error("the watchdog cannot raise alerts: the store failed (%s)", error)
                self._failed = True
            except Exception as fault:  # noqa: BLE001 - the loop must outlive a fault of ours
                _log.error("the watchdog failed: %s", told(fault))
            await asyncio.sleep(LOOK_EVERY)

    def look(self, now: datetime) -> Iterator[Alert]:
        """What is due now."""
        every = self._watch.every
        if every is not None and (self._beat_at is None or not timedelta(0) <= now - self._beat_at < every):
            self._beat_at = now
            yield heartbeat(now)
        for name, within in self._watch.sources.items():
            yield from self._source(name, within, now)

    def _source(self, name: str, within: timedelta, now: datetime) -> Iterator[Alert]:
        heard = [at for path in self._watch.paths[name] if (at := self._heard.get(path)) is not None]
        last, said = max(heard, default=None), self._said[name]
        if now - max([self._since, *heard]) <= within:
            # What was raised before a restart ends too: once, when the source is first heard.
            if said is not None or (last is not None and name not in self._greeted):
                self._said[name] = None
                self._greeted.add(name)
                yield silent(name, within, last, now, Status.RESOLVED)
        elif said is None or now - said >= within:
            self._said[name] = now
            self._greeted.add(name)
            yield silent(name, within, last, now, Status.FIRING)


def heartbeat(now: datetime) -> Alert:
    """Word that the router lives."""
    labels = {ALERTNAME: HEARTBEAT, SEVERITY: Severity.INFO.value, SOURCE: OURSELVES}
    return Alert(labels, {Annotation.REASON: "the router lives; its silence is the alarm"}, now)


def silent(name: str, within: timedelta, last: datetime | None, now: datetime, status: Status) -> Alert:
    """That nothing came from a source, or that something came again."""
    labels = {ALERTNAME: SILENT, SEVERITY: Severity.ERROR.value, SOURCE: OURSELVES, "silent_source": name}
    heard = "since the router started" if last is None else f"since {last.isoformat(timespec='seconds')}"
    reason = f"nothing came from {name} {heard}; it promised to be heard every {durations.text(within)}"
    ends_at = now if status is Status.RESOLVED else now + 2 * within + _LASTS
    return Alert(labels, {Annotation.REASON: reason}, now, status, ends_at)
