"""PagerDuty's change events: an alert that is a change, such as a new prompt version, is shown beside what broke.

They wake nobody and have neither key nor end, so that only what fires is sent.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.pagerduty import LONGEST_SUMMARY, PagerDutyAccount
from llmtrace.router.ports import Toolbox

LONGEST_VALUE: Final = 1_000
"""Characters of a detail, so that a change stays far below PagerDuty's 512 KB."""


class PagerDutyChangeNotifier:
    """Posts change events."""

    def __init__(self, settings: PagerDutyAccount, tools: Toolbox) -> None:
        self._key = settings.key
        self._api = Api(tools, settings.endpoint, settings.allow_private)

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once."""
        notification = delivery.notification
        if notification.phase is not Phase.FIRING:
            return Receipt(Outcome.DELIVERED, "a change has no end to tell")
        answer = await self._api.call("POST", "/v2/change/enqueue", self._event(notification))
        return answer.confirmed(answer.fields.get("status") == "success", "PagerDuty's `status: success`")

    def _event(self, notification: Notification) -> dict[str, Any]:
        worst = notification.alerts[0]
        details = {name: value[:LONGEST_VALUE] for name, value in page.facts(worst)}
        return {
            "routing_key": self._key,
            "payload": {
                "summary": page.title(notification)[:LONGEST_SUMMARY],
                "source": worst.labels.get("service") or worst.labels.get("source") or "llmtrace",
                "timestamp": worst.starts_at.astimezone(UTC).isoformat(),
                "custom_details": details,
            },
            "links": [{"href": url, "text": name} for name, url in page.links(worst)],
        }
