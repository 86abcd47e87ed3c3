"""``alerts.yaml``: how it is read (``document``), what it may hold (``schema``), what comes of it (``settings``)."""

from __future__ import annotations

from llmtrace.router.config.load import load
from llmtrace.router.config.settings import Links, Listen, RouteNode, RouterConfig

__all__ = ["Links", "Listen", "RouteNode", "RouterConfig", "load"]
