"""LangSmith's alerts: where the fields of their webhook stand. There is no severity in it: a rule gives the tier."""

from __future__ import annotations

from typing import Final

from llmtrace.router.config.mapping import AlertMapping

MAPPING: Final = AlertMapping.model_validate(
    {
        "version": 1,
        "fields": {
            "name": ["alert_rule_name", "alert_rule_id"],
            "severity": ["severity", "priority"],
            "value": "triggered_metric_value",
            "threshold": "triggered_threshold",
            "source_url": ["alert_url", "url"],
            "starts_at": "timestamp",
        },
        "labels": {"project": "project_name", "metric": "alert_rule_attribute", "rule": "alert_rule_id"},
    }
)
