"""The route tree and the tiers: first match wins, continue goes on, and severity chooses where no tier is named."""

from __future__ import annotations

import pytest
from router_values import make_alert, make_config

from llmtrace.router.model import Tier
from llmtrace.router.routing import tiers
from llmtrace.router.routing.tree import route

RULES = """
    version: 1
    receivers: {ops: {console: {}}}
    tiers: {page: {receivers: [ops]}, channel: {receivers: [ops]}}
    routes:
      - matchers: ['service="bot"']
        routes:
          - {matchers: ['team="legal"'], continue: true}
          - {matchers: ['severity="critical"'], tier: channel}
      - {matchers: ['service="shop"'], continue: true}
      - {matchers: ['service=~"shop|mail"', 'environment!="staging"'], tier: page}
      - {matchers: ['value>0.3'], tier: digest}
"""
BOT = '/{service="bot"}'


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"service": "bot", "severity": "info"}, [BOT]),
        ({"service": "bot"}, [BOT + '/{severity="critical"}']),
        ({"service": "bot", "team": "legal"}, [BOT + '/{team="legal"}', BOT + '/{severity="critical"}']),
        ({"service": "bot", "team": "legal", "severity": "info"}, [BOT + '/{team="legal"}']),
        ({"service": "shop"}, ['/{service="shop"}', '/{service=~"shop|mail",environment!="staging"}']),
        ({"service": "shop", "environment": "staging"}, ['/{service="shop"}']),
        ({"service": "mail", "environment": "staging"}, []),
        ({"service": "other", "value": "0.4"}, ['/{value>"0.3"}']),
        ({"service": "other"}, []),
    ],
)
def test_which_routes_apply(tmp_path, labels, expected):
    """Children before their parent, the first match alone unless it continues, none where none matches."""
    config = make_config(tmp_path, RULES)
    assert [node.id for node in route(make_alert(**labels), config.routes)] == expected


def test_a_value_in_the_annotations_is_matched(tmp_path):
    """A monitor's value is no label and can be routed by all the same."""
    config = make_config(tmp_path, RULES)
    (node,) = route(make_alert(annotations={"value": "0.5"}, service="other"), config.routes)
    assert node.tier is Tier.DIGEST


@pytest.mark.parametrize(
    ("severity", "tier"),
    [("critical", Tier.PAGE), ("error", Tier.CHANNEL), ("warning", Tier.CHANNEL), ("info", Tier.DIGEST)],
)
def test_without_a_tier_the_severity_chooses(tmp_path, severity, tier):
    """Critical pages, error and warning go to the channel, info to the digest."""
    alert = make_alert(severity, service="shop", environment="staging")
    (node,) = route(alert, make_config(tmp_path, RULES).routes)
    assert tiers.policy(node, alert.severity).tier is tier
