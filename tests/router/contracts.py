"""The table of what every notifier is held to: its server, its settings there, and what its answers look like.

A new notifier is one line in ``CONTRACTS``; `test_router_contract.py` does the rest.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from destinations import Call, pagerduty, servicenow, slack
from jira_server import Jira
from opsgenie_server import opsgenie
from outbound import Asked, Client, Said
from pagerduty_change_server import pagerduty_change
from router_values import ManualClock
from slack_bot_server import CHANNEL, slack_bot
from splunk_oncall_server import splunk_oncall
from teams_server import teams
from test_router_notifiers import delivery
from webhook_receiver import WebhookReceiver

from llmtrace.router.model import Delivery, Phase, Receipt
from llmtrace.router.notifiers import KINDS, http
from llmtrace.router.ports import Toolbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from destinations import Service

SECRET = "k" * 32
"""The credential in each notifier's settings."""

HTML = "<html><body>Please log in</body></html>"
NONSENSE: dict[str, tuple[int, str]] = {
    "a login page": (200, HTML),
    "an empty 200": (200, ""),
    "an empty 202": (202, ""),
    "JSON of another shape": (200, "[[1, 2], null]"),
    "a success that says it was none": (200, '{"ok": false, "error": "x", "result": "failure", "status": "x"}'),
    "broken JSON": (200, '{"status": "succ'),
    "nested too deeply": (200, "[" * 50_000),
    "a huge body": (200, "x" * 8_000_000),
}


@dataclass(frozen=True, slots=True)
class Contract:
    """``requests``: how many one message takes at most. ``believes``: nonsense whose status must be enough for it.

    ``made``: how many things one group is there, however often it is told; None where nothing there has a key, so that
    a repeated attempt must at least be the same to the byte. ``forgets``: so must it be where an answer that is lost
    takes the name of the thing there with it.
    """

    serve: Callable[[], Service]
    settings: Callable[[Service], dict[str, Any]]
    made: Callable[[Service], int] | None = None
    requests: int = 1
    forgets: bool = False
    believes: frozenset[str] = frozenset()


def keys(field: str) -> Callable[[Service], int]:
    """How many different values this field of the requests had."""
    return lambda service: len({call.body[field] for call in service.calls})


def made_alerts(service: Service) -> int:
    """How many alerts there are."""
    return len(service.alerts)  # type: ignore[attr-defined]


CONTRACTS: dict[str, Contract] = {
    "webhook": Contract(
        WebhookReceiver,
        lambda at: {"url": at.url, "secret": "whsec_" + "A" * 32},
        believes=frozenset(NONSENSE),  # its receiver is anybody's: a status is all that the format asks of it
    ),
    "pagerduty": Contract(pagerduty, lambda at: {"routing_key": SECRET, "url": at.url}, keys("dedup_key")),
    "pagerduty_change": Contract(pagerduty_change, lambda at: {"routing_key": SECRET, "url": at.url}),
    "splunk_oncall": Contract(
        splunk_oncall, lambda at: {"api_key": SECRET, "routing_key": "llm", "url": at.url}, keys("entity_id")
    ),
    "opsgenie": Contract(opsgenie, lambda at: {"api_key": SECRET, "url": f"{at.url}/v2/alerts"}, made_alerts),
    "jsm": Contract(opsgenie, lambda at: {"api_key": SECRET, "url": f"{at.url}/jsm/v2/alerts"}, made_alerts),
    "slack": Contract(slack, lambda at: {"webhook_url": f"{at.url}/{SECRET}"}),
    "slack_bot": Contract(
        slack_bot,
        lambda at: {"token": SECRET, "channel": CHANNEL, "url": f"{at.url}/api"},
        lambda at: len(at.roots),
        forgets=True,
    ),
    "teams": Contract(
        teams,
        lambda at: {"webhook_url": f"{at.url}/{SECRET}"},
        believes=frozenset(NONSENSE) - {"a login page"},  # what a flow answers is its maker's
    ),
    "servicenow": Contract(
        servicenow, lambda at: {"url": at.url, "token": SECRET}, lambda at: len(at.tickets), requests=2
    ),
    "jira": Contract(
        Jira,
        lambda at: {"user": "bot@example.org", "token": SECRET, "project": "LEGAL", "url": at.url},
        lambda at: len(at.issues),
        requests=2,
    ),
}
OTHERS = {"console", "email"}
"""They speak no HTTP; their tests are in `test_router_notifiers.py` and `test_router_destinations.py`."""


def attempt(
    kind: str, settings: dict[str, Any], *messages: Delivery, remember: bool = False, client: Client | None = None
) -> list[Receipt]:
    """One real attempt at each message, by one notifier. ``remember``: each knows the handle of the last."""
    entry = KINDS[kind]

    async def scenario() -> list[Receipt]:
        # Loopback speaks no TLS, and the list of authorities takes longer to read than all else here.
        async with client or http.open_client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as calling:
            tools = Toolbox(
                calling, ManualClock(), "http://router", print, lambda number: f"http://router/ack/{number}"
            )
            notifier = entry.build(entry.settings.model_validate(settings), tools)
            receipts: list[Receipt] = []
            handle = ""
            for message in messages:
                receipts.append(await notifier.send(replace(message, handle=handle) if handle else message))
                handle = (receipts[-1].handle or handle) if remember else ""
            return receipts

    return asyncio.run(scenario())


def reach(kind: str, service: Service, *messages: Delivery, remember: bool = False) -> list[Receipt]:
    """The same at this server."""
    settings = {**CONTRACTS[kind].settings(service), "allow_private": True}
    return attempt(kind, settings, *messages, remember=remember)


def without_network(kind: str, service: Service, *messages: Delivery) -> list[Receipt]:
    """The same in this process: what the server checks and answers, without its socket."""

    def answer(asked: Asked) -> Said:
        body = json.loads(asked.data) if asked.data else None
        call = Call(asked.method, asked.url.raw_path_qs, {n.lower(): v for n, v in asked.headers.items()}, body)
        status, headers, said = service.answer(call)
        data = said if isinstance(said, str) else json.dumps(said)
        return Said(status, headers, data.encode())

    settings = {**CONTRACTS[kind].settings(service), "allow_private": True}
    return attempt(kind, settings, *messages, client=Client(answer))


def about(phase: Phase = Phase.FIRING, *alerts: Any, **changes: Any) -> Delivery:
    """A delivery in this phase."""
    whole = delivery(*alerts)
    return replace(whole, notification=replace(whole.notification, phase=phase, incident_id=5, **changes))
