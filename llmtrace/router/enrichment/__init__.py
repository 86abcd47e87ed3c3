"""Enrichment: what a message says beside what its alert says. It may fail or be late; the message goes anyway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from llmtrace.router.config import RouterConfig
from llmtrace.router.enrichment.changes import of_alert
from llmtrace.router.enrichment.health import Health
from llmtrace.router.enrichment.links import linked
from llmtrace.router.model import Alert, Annotation, Change, Delivery, Notification, Phase, Tier

Changes = Callable[[datetime, datetime], Sequence[Change]]
"""Those between two times, the newest first; it blocks."""

SLACK: Final = timedelta(minutes=1)
"""By so much a change may seem younger than a message that came after it: the turn that made the message began before
both, or the change was dated by another machine's clock."""

_log = logging.getLogger(__name__)


class Enricher:
    """Adds links, the last changes and, to a page, the state of what the service depends on."""

    def __init__(
        self,
        config: RouterConfig,
        changes: Changes,
        client: aiohttp.ClientSession,
        newest: Callable[[], datetime | None] = lambda: datetime.max.replace(tzinfo=UTC),
    ) -> None:
        self._options = config.enrich
        self._changes = changes
        self._newest = newest
        self._health = Health(self._options.health, client)
        self._failed: set[str] = set()

    async def enrich(self, delivery: Delivery) -> Delivery:
        """The same delivery with more annotations; as it was where that fails or takes too long."""
        notification = delivery.notification
        if notification.phase is not Phase.FIRING:
            return delivery
        alerts = [linked(alert, self._options) for alert in notification.alerts]
        try:
            if not self._has_more(notification):
                return _saying(delivery, alerts)
            async with asyncio.timeout(self._options.timeout.total_seconds()):
                alerts = await self._told(alerts, notification.created_at, notification.tier)
        except Exception as error:  # noqa: BLE001 - a message without it is better than none
            self._say(type(error).__name__)
        return _saying(delivery, alerts)

    def _has_more(self, notification: Notification) -> bool:
        """Whether there is anything to read or ask: in most floods there is not, and then nothing is waited for."""
        newest = self._newest()
        changed = newest is not None and newest >= notification.created_at - self._options.changes
        return changed or bool(self._options.health and notification.tier is Tier.PAGE)

    async def _told(self, alerts: list[Alert], at: datetime, tier: Tier) -> list[Alert]:
        asked = asyncio.ensure_future(self._health.look()) if tier is Tier.PAGE and self._options.health else None
        changes = await asyncio.to_thread(self._changes, at - self._options.changes, at + SLACK)
        alerts = [_with(alert, Annotation.CHANGES, of_alert(alert, changes)) for alert in alerts]
        health = await asked if asked is not None else ""
        return [_with(alert, Annotation.HEALTH, health) for alert in alerts]

    def _say(self, problem: str) -> None:
        """Once for each kind."""
        if problem not in self._failed:
            self._failed.add(problem)
            _log.warning("a message goes without its changes and health: %s; this is said once", problem)


def _saying(delivery: Delivery, alerts: Sequence[Alert]) -> Delivery:
    """The delivery with these alerts; itself where they are its own."""
    notification = delivery.notification
    if all(new is old for new, old in zip(alerts, notification.alerts, strict=True)):
        return delivery
    return replace(delivery, notification=replace(notification, alerts=tuple(alerts)))


def _with(alert: Alert, name: Annotation, text: str) -> Alert:
    return replace(alert, annotations={**alert.annotations, name.value: text}) if text else alert
