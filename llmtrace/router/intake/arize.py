"""Arize's monitor alerts. Their JSON is not published, so where its fields stand is data that a file can replace."""

from __future__ import annotations

from typing import Final

from llmtrace.router.config.mapping import AlertMapping

MAPPING: Final = AlertMapping.model_validate(
    {
        "version": 1,
        "fields": {
            "name": ["monitor_name", "monitorName", "monitor.name", "name", "alert_name"],
            "severity": ["severity", "monitor.severity", "priority"],
            "status": ["status", "monitor_status", "monitor.status", "state"],
            "value": ["metric_value", "metricValue", "monitor.latest_computed_value", "latest_computed_value", "value"],
            "threshold": ["threshold", "metric_threshold", "monitor.threshold"],
            "segment": ["segment", "monitor.segment", "filters"],
            "model": ["model_name", "modelName", "model.name", "model", "project_name", "project"],
            "environment": ["environment", "model_environment", "env"],
            "team": ["team", "owner"],
            "reason": ["description", "notes", "monitor.notes"],
            "regulated": ["regulated"],
            "trace_ids": ["trace_ids", "trace_id", "exemplar_trace_ids"],
            "source_url": ["monitor_url", "uri", "url", "monitor.uri", "link"],
            "runbook_url": ["runbook_url", "runbook"],
            "starts_at": ["triggered_at", "evaluated_at", "timestamp", "monitor.evaluated_at"],
        },
        "values": {
            "status": {
                "triggered": "firing", "alerting": "firing", "no_data": "firing", "open": "firing",
                "cleared": "resolved", "healthy": "resolved", "ok": "resolved", "closed": "resolved",
            },
        },
        "labels": {"metric": ["metric", "metric_name", "monitor.metric"]},
    }
)  # fmt: skip
