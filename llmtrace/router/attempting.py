"""One attempt to deliver: enriched and sent; where a fault of ours is in the way, sent without its particulars."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from llmtrace.router.faults import where
from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Receipt, Tier, plain
from llmtrace.router.ports import Enriching, Notifier, StoreError

_SURROUNDINGS: Final = (OSError, MemoryError, StoreError)
"""Faults that no message has brought: it is tried again as it is."""

_log = logging.getLogger(__name__)


async def make_attempt(delivery: Delivery, notifier: Notifier, enricher: Enriching | None) -> tuple[Receipt, str]:
    """What it came to, and why the message was told without its particulars (empty: it was told whole)."""
    if enricher is not None:
        delivery = await _enriched(delivery, enricher)
    try:
        receipt = await notifier.send(delivery)
    except _SURROUNDINGS as fault:
        return _again(delivery, fault), ""
    except Exception as fault:  # noqa: BLE001 - somebody must hear of it all the same
        return await _plainly(delivery, notifier, where(fault), None)
    if receipt.outcome is Outcome.REFUSED and _is_page(delivery.notification):
        # What it does not like may be a particular; if it is not, nothing is lost by asking.
        return await _plainly(delivery, notifier, f"the destination refused it: {receipt.detail}", receipt)
    return _told(receipt, delivery.set_aside)


async def _plainly(
    delivery: Delivery, notifier: Notifier, problem: str, refusal: Receipt | None
) -> tuple[Receipt, str]:
    """``refusal``: what holds if this fails too."""
    try:
        receipt = await notifier.send(replace(delivery, notification=plain(delivery.notification, problem)))
    except Exception as fault:  # noqa: BLE001 - a fault in one notifier must not stop the others
        return refusal or _again(delivery, fault), ""
    if refusal is not None and receipt.outcome is not Outcome.DELIVERED:
        return refusal, ""
    return _told(receipt, problem)


def _is_page(notification: Notification) -> bool:
    return notification.tier is Tier.PAGE and notification.phase is Phase.FIRING


def _told(receipt: Receipt, problem: str) -> tuple[Receipt, str]:
    """It is noted once, when the delivery is over."""
    return receipt, problem if receipt.outcome is not Outcome.RETRY else ""


async def _enriched(delivery: Delivery, enricher: Enriching) -> Delivery:
    try:
        return await enricher.enrich(delivery)
    except Exception as fault:  # noqa: BLE001 - a message without it is better than none
        if delivery.attempts == 0:
            _log.error("delivery %d goes without what enrichment says: %s", delivery.id, where(fault))
        return delivery


def _again(delivery: Delivery, fault: Exception) -> Receipt:
    if delivery.attempts == 0:
        _log.error("notifier %s failed at delivery %d: %s", delivery.destination.notifier, delivery.id, where(fault))
    return Receipt(Outcome.RETRY, type(fault).__name__)
