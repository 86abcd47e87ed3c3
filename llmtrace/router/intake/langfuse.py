"""Langfuse's alerts: where the fields of their webhook stand. No number is sent; the message says it in words."""

from __future__ import annotations

from typing import Final

from llmtrace.router.config.mapping import AlertMapping

MAPPING: Final = AlertMapping.model_validate(
    {
        "version": 1,
        "fields": {
            "name": ["payload.message.title", "payload.monitorId", "payload.view", "type"],
            "severity": "payload.severity",
            "status": "payload.severity",
            "reason": "payload.message.body",
            "source_url": "payload.permalink",
            "starts_at": ["timestamp", "payload.toTimestamp"],
        },
        "values": {
            "severity": {"alert": "error", "warning": "warning", "no_data": "warning", "ok": "info"},
            "status": {"ok": "resolved", "resolved": "resolved", "normal": "resolved"},
        },
        "labels": {"monitor": "payload.monitorId", "project": "payload.projectId"},
        "annotations": {"severity_as_sent": "payload.severity", "window": "payload.window", "view": "payload.view"},
    }
)
