"""Notifiers: one file a destination, which knows its payload and its address; delivery and retries are shared.

A new destination is a new file and a line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from llmtrace.router.notifiers import (
    jira,
    opsgenie,
    pagerduty,
    pagerduty_change,
    servicenow,
    slack,
    slack_bot,
    splunk_oncall,
    teams,
)
from llmtrace.router.notifiers.console import ConsoleNotifier, ConsoleSettings
from llmtrace.router.notifiers.mail import EmailNotifier, EmailSettings
from llmtrace.router.notifiers.webhook import WebhookNotifier, WebhookSettings
from llmtrace.router.ports import NotifierKind

_writes = partial(NotifierKind, acknowledges=True, coalesces=True)
_chats = partial(_writes, wakes=False)
_pages = partial(_writes, escalates=True)
_opens_tickets = partial(NotifierKind, coalesces=True, tickets=True, wakes=False, rate_key=attrgetter("base"))

KINDS: Final[Mapping[str, NotifierKind]] = MappingProxyType(
    {
        "console": NotifierKind(ConsoleSettings, ConsoleNotifier.build),
        "webhook": NotifierKind(WebhookSettings, WebhookNotifier),
        "pagerduty": _pages(
            pagerduty.PagerDutySettings,
            pagerduty.PagerDutyNotifier,
            rate=pagerduty.RATE,
            rate_key=attrgetter("key"),
            reacts_at="pagerduty",
        ),
        "pagerduty_change": NotifierKind(
            pagerduty.PagerDutyAccount,
            pagerduty_change.PagerDutyChangeNotifier,
            rate=pagerduty.RATE,
            rate_key=attrgetter("key"),
            wakes=False,
        ),
        "splunk_oncall": _pages(
            splunk_oncall.SplunkOnCallSettings, splunk_oncall.SplunkOnCallNotifier, reacts_at="splunk_oncall"
        ),
        "opsgenie": _pages(
            opsgenie.OpsgenieSettings, opsgenie.OpsgenieNotifier, reacts_at="opsgenie", warning=opsgenie.ENDS
        ),
        "jsm": _pages(opsgenie.JsmSettings, opsgenie.OpsgenieNotifier, reacts_at="opsgenie"),
        "slack": _chats(slack.SlackSettings, slack.SlackNotifier, rate=slack.RATE, rate_key=attrgetter("address")),
        "slack_bot": _chats(
            slack_bot.SlackBotSettings,
            slack_bot.SlackBotNotifier,
            rate=slack_bot.RATE,
            rate_key=slack_bot.rate_key,
        ),
        "teams": _chats(teams.TeamsSettings, teams.TeamsNotifier, rate=teams.RATE, rate_key=attrgetter("address")),
        "servicenow": _opens_tickets(
            servicenow.ServiceNowSettings, servicenow.ServiceNowNotifier, rate=servicenow.RATE
        ),
        "jira": _opens_tickets(jira.JiraSettings, jira.JiraNotifier, rate=jira.RATE),
        "email": NotifierKind(EmailSettings, EmailNotifier, wakes=False),
    }
)
