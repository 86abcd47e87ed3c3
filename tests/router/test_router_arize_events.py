"""Arize's platform events: signed over the timestamp and the raw body; failures are alerts, versions are changes."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from router_values import NOON
from test_router_intake import opened

from llmtrace.semconv.alert import Severity

SECRET = "a-secret-of-enough-characters"
SIGNED = f"    intake: {{arize_events: {{auth: {{hmac: {{scheme: arize, secrets: [{SECRET}]}}}}}}}}\n"
FAILED = {
    "event": "online_task.run.failed", "timestamp": "2026-11-20T11:59:00Z",
    "data": {"task": {"name": "judge answers"}, "error": "the provider answers 429"},
}  # fmt: skip
LABELED = {
    "event": "prompt.version.labeled", "timestamp": "2026-11-20T11:58:00Z",
    "data": {"prompt": {"name": "support"}, "version": {"label": "production"}, "created_by": "mina"},
}  # fmt: skip


def signed(body: bytes, identifier: str, at: float | None = None) -> dict[str, str]:
    """The headers that Arize sends."""
    timestamp = str(int(NOON.timestamp() if at is None else at))
    signature = hmac.digest(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hex()
    return {
        "x_arize_webhook_id": identifier, "x_arize_webhook_timestamp": timestamp,
        "x_arize_webhook_signature": f"v1={signature}",
    }  # fmt: skip


@pytest.fixture
def doors(tmp_path):
    """With a secret."""
    with opened(tmp_path, SIGNED) as doors:
        yield doors


def test_a_failed_task_is_an_alert(doors):
    """With its name, its cause and the time at which it failed."""
    body = json.dumps(FAILED).encode()
    answer = doors.post("/ingest/arize-events", body, **signed(body, "w1"))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (alert,) = doors.alerts
    assert (alert.name, alert.severity, alert.labels["task"]) == (
        "online_task.run.failed", Severity.ERROR, "judge answers",
    )  # fmt: skip
    assert alert.annotations["reason"] == "the provider answers 429"
    assert alert.starts_at == NOON - timedelta(minutes=1)


def test_a_version_is_a_change_and_no_alert(doors):
    """With who made it, where Arize says so."""
    body = json.dumps(LABELED).encode()
    assert doors.post("/ingest/arize-events", body, **signed(body, "w2")).status_code == 202
    assert doors.alerts == []
    (change,) = doors.world.store.changes(NOON - timedelta(hours=1), NOON)
    assert (change.kind, change.title, change.version, change.by) == ("prompt", "support labeled", "production", "mina")


def test_who_does_not_sign_is_refused_and_who_repeats_is_taken_once(doors):
    """No signature, that of another body, one that is old; the same delivery again is accepted and not kept."""
    body = json.dumps(LABELED).encode()
    assert doors.post("/ingest/arize-events", body).status_code == 401
    assert doors.post("/ingest/arize-events", body + b" ", **signed(body, "w3")).status_code == 401
    assert doors.post("/ingest/arize-events", body, **signed(body, "w3", NOON.timestamp() - 400)).status_code == 401
    for count in (1, 0):
        assert doors.post("/ingest/arize-events", body, **signed(body, "w3")).json() == {"accepted": count}
    assert len(doors.world.store.changes(NOON - timedelta(hours=1), NOON)) == 1


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"event": 3}', b'"x"', b"{"])
def test_nonsense_is_refused_in_words(doors, body):
    """400 with what is missing."""
    answer = doors.post("/ingest/arize-events", body, **signed(body, "w4"))
    assert answer.status_code == 400
    assert answer.json()["error"]
