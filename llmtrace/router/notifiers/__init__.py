"""Notifiers: one file a destination, which knows its payload and its address; delivery and retries are shared.

A new destination is a new file and a line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
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

KINDS: Final[Mapping[str, NotifierKind]] = MappingProxyType(
    {
        "console": NotifierKind(ConsoleSettings, ConsoleNotifier.build),
        "webhook": NotifierKind(WebhookSettings, WebhookNotifier.build),
        "pagerduty": NotifierKind(
            pagerduty.PagerDutySettings,
            pagerduty.PagerDutyNotifier.build,
            rate=pagerduty.RATE,
            rate_key=lambda settings: str(settings.key),
            acknowledges=True,
            coalesces=True,
            escalates=True,
            reacts_at="pagerduty",
        ),
        "pagerduty_change": NotifierKind(
            pagerduty.PagerDutyAccount,
            pagerduty_change.PagerDutyChangeNotifier.build,
            rate=pagerduty.RATE,
            rate_key=lambda settings: str(settings.key),
        ),
        "splunk_oncall": NotifierKind(
            splunk_oncall.SplunkOnCallSettings,
            splunk_oncall.SplunkOnCallNotifier.build,
            acknowledges=True,
            coalesces=True,
            escalates=True,
            reacts_at="splunk_oncall",
        ),
        "opsgenie": NotifierKind(
            opsgenie.OpsgenieSettings,
            opsgenie.OpsgenieNotifier.build,
            acknowledges=True,
            coalesces=True,
            escalates=True,
            reacts_at="opsgenie",
            warning=opsgenie.ENDS,
        ),
        "jsm": NotifierKind(
            opsgenie.JsmSettings,
            opsgenie.OpsgenieNotifier.build,
            acknowledges=True,
            coalesces=True,
            escalates=True,
            reacts_at="opsgenie",
        ),
        "slack": NotifierKind(
            slack.SlackSettings,
            slack.SlackNotifier.build,
            rate=slack.RATE,
            rate_key=lambda settings: str(settings.url),
            acknowledges=True,
            coalesces=True,
        ),
        "slack_bot": NotifierKind(
            slack_bot.SlackBotSettings,
            slack_bot.SlackBotNotifier.build,
            rate=slack_bot.RATE,
            rate_key=slack_bot.rate_key,
            acknowledges=True,
            coalesces=True,
        ),
        "teams": NotifierKind(
            teams.TeamsSettings,
            teams.TeamsNotifier.build,
            rate=teams.RATE,
            rate_key=lambda settings: str(settings.address),
            acknowledges=True,
            coalesces=True,
        ),
        "servicenow": NotifierKind(
            servicenow.ServiceNowSettings,
            servicenow.ServiceNowNotifier.build,
            rate=servicenow.RATE,
            rate_key=servicenow.rate_key,
            coalesces=True,
            tickets=True,
        ),
        "jira": NotifierKind(
            jira.JiraSettings,
            jira.JiraNotifier.build,
            rate=jira.RATE,
            rate_key=jira.rate_key,
            coalesces=True,
            tickets=True,
        ),
        "email": NotifierKind(EmailSettings, EmailNotifier.build),
    }
)
