"""Opik's alerts: where the fields of their webhook stand. Of traces in it nothing is read but ids."""

from __future__ import annotations

from typing import Final

from llmtrace.router.config.mapping import AlertMapping

MAPPING: Final = AlertMapping.model_validate(
    {
        "version": 1,
        "fields": {
            "name": ["alertName", "alertId"],
            "severity": ["severity", "payload.metadata.severity"],
            "value": "payload.metadata.metric_value",
            "threshold": "payload.metadata.threshold",
            "starts_at": "createdAt",
        },
        "labels": {"metric": "payload.metadata.metric_name", "event": "eventType", "alert_id": "alertId"},
        "annotations": {"window_seconds": "payload.metadata.window_seconds", "events": "payload.eventCount"},
    }
)
