"""From ``rollout`` as it is written to RolloutRules: who is told instead of a page; regulated alerts stay out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmtrace.router.config import schema
from llmtrace.router.config.document import Document, Location
from llmtrace.router.config.settings import RolloutRule
from llmtrace.router.config.tree import Names, check_names
from llmtrace.router.model import REGULATED, Policy, Rollout, Tier


def rollout(
    opened: Document, parsed: schema.RouterFile, names: Names, tiers: Mapping[Tier, Policy]
) -> tuple[RolloutRule, ...]:
    """The entries in their order.

    Raises:
        ConfigurationError: nobody would be told, or an entry is about regulated alerts.
    """
    return tuple(_rule(opened, ("rollout", index), given, names, tiers) for index, given in enumerate(parsed.rollout))


def capped(tiers: Mapping[Tier, Policy]) -> Policy:
    """How an alert is told where a page is too much: as a message in the channel, and nothing escalates."""
    return replace(tiers[Tier.CHANNEL], escalate=(), rollout=Rollout.NOTIFY)


def _rule(
    opened: Document, place: Location, given: schema.RolloutOptions, names: Names, tiers: Mapping[Tier, Policy]
) -> RolloutRule:
    about = [matcher for matcher in given.matchers if matcher.name == REGULATED]
    if given.mode is not Rollout.PAGE and any(not each.matches({}, {}) for each in about):
        problem = (
            "about regulated alerts, which are told as their routes say in every mode; "
            "allowed: matchers that do not ask for them"
        )
        raise opened.error((*place, "matchers"), problem, about_key=True)
    if given.receivers is not None and given.mode is not Rollout.NOTIFY:
        problem = f"with mode {given.mode}, which tells nobody else; allowed: with mode notify"
        raise opened.error((*place, "receivers"), problem, about_key=True)
    policy = capped(tiers)
    if given.receivers is not None:
        check_names(opened, (*place, "receivers"), given.receivers, names.receivers)
        policy = replace(policy, receivers=tuple(given.receivers))
    if given.mode is Rollout.NOTIFY and not policy.receivers:
        problem = "nobody is told; allowed: receivers here, or under tiers.channel"
        raise opened.error((*place, "mode"), problem)
    return RolloutRule(tuple(given.matchers), given.mode, policy)
