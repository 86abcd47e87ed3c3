"""Tiers: how loudly a route tells an alert; where the route names no tier, the severity does."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from llmtrace.router.config import RouteNode
from llmtrace.router.model import Policy, Tier
from llmtrace.semconv.alert import Severity

TIER_OF: Final[Mapping[Severity, Tier]] = MappingProxyType(
    {
        Severity.CRITICAL: Tier.PAGE,
        Severity.ERROR: Tier.CHANNEL,
        Severity.WARNING: Tier.CHANNEL,
        Severity.INFO: Tier.DIGEST,
    }
)


def policy(node: RouteNode, severity: Severity) -> Policy:
    """How the route tells an alert of this severity."""
    return node.policies[node.tier or TIER_OF[severity]]
