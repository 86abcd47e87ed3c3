"""Notifiers: one file a destination, which knows its payload and its address; delivery and retries are shared.

A new destination is a new file and a line in ``KINDS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from llmtrace.router.notifiers.console import ConsoleNotifier, ConsoleSettings
from llmtrace.router.notifiers.webhook import WebhookNotifier, WebhookSettings
from llmtrace.router.ports import NotifierKind

KINDS: Final[Mapping[str, NotifierKind]] = MappingProxyType(
    {
        "console": NotifierKind(ConsoleSettings, ConsoleNotifier.build),
        "webhook": NotifierKind(WebhookSettings, WebhookNotifier.build),
    }
)
