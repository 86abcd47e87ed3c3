"""What other tools really send, by their documentation and in the field: all of it becomes the right alerts."""

from __future__ import annotations

import json
from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest
from router_store import world_of
from router_values import MINIMAL, NOON, make_config
from test_router_intake import Doors

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config.access import MAPPED
from llmtrace.router.intake.builtin import mapping_of
from llmtrace.router.model import Alert, Status


@pytest.fixture
def doors(tmp_path):
    """Every intake, without authentication."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            yield doors


def sent(doors: Doors, path: str, body: Any) -> list[Alert]:
    """What a body came to, all of which can be decided too."""
    answer = doors.post(path, body)
    assert answer.status_code in (200, 202), answer.text
    doors.world.turn()
    return doors.alerts


def test_grafanas_webhook(doors):
    """Version 1, with values, links and an end in the year 1."""
    (alert,) = sent(doors, "/ingest/grafana", {
        "receiver": "My Super Webhook", "status": "firing", "orgId": 1, "version": "1", "truncatedAlerts": 0,
        "groupKey": '{}:{alertname="High memory usage"}', "title": "[FIRING:1]", "state": "alerting",
        "message": "**Firing**", "externalURL": "https://play.grafana.org/", "groupLabels": {}, "commonLabels": {},
        "commonAnnotations": {},
        "alerts": [{
            "status": "firing", "labels": {"alertname": "High memory usage", "team": "blue", "grafana_folder": "LLM"},
            "annotations": {"description": "The system has high memory usage",
                            "runbook_url": "https://myrunbook.com/runbook/1234", "summary": "zone us-1"},
            "startsAt": "2021-10-12T09:51:03.157076+02:00", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit", "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://play.grafana.org/alerting/silence/new?matchers=alertname%3DT2",
            "dashboardURL": "https://play.grafana.org/d/1", "panelURL": "", "imageURL": "",
            "values": {"B": 44.23943737541908, "C": 1}, "orgId": 1,
        }],
    })  # fmt: skip
    assert alert.labels == {
        "alertname": "High memory usage", "team": "blue", "grafana_folder": "LLM", "severity": "warning",
        "source": "grafana",
    }  # fmt: skip
    assert alert.annotations["value"] == "B=44.23943737541908, C=1.0"
    assert alert.annotations["reason"] == "The system has high memory usage"
    assert alert.annotations["dashboardURL"] == "https://play.grafana.org/d/1"
    assert alert.annotations["source_url"] == "https://play.grafana.org/alerting/1afz29v7z/edit"
    assert (alert.status, alert.ends_at) == (Status.FIRING, NOON + timedelta(days=1))


def test_an_alertmanagers_webhook_from_the_field(doors):
    """Names and texts in any language, a label called status, an end in the past that its status contradicts."""
    body = {
        "receiver": "web\\.hook", "status": "resolved", "version": "4", "groupKey": '{}:{alertname="ping主机"}',
        "truncatedAlerts": 3, "groupLabels": {"alertname": "ping主机"}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://es1:9093", "notification_reason": "group_interval",
        "alerts": [
            {"status": "firing",
             "labels": {"alertname": "ping主机", "status": "严重告警", "instance": "192.168.4.37", "k8s.pod": "x"},
             "annotations": {"description": " 非要逼我报警么0%)", "summary": " 主机ping不通了"},
             "startsAt": "2023-05-06T10:02:48.742Z", "endsAt": "2023-05-06T10:09:33.742Z",
             "generatorURL": "http://es1:9090/graph?g0.expr=probe_success+%3D%3D+0&g0.tab=1",
             "fingerprint": "6677ecb4247ec97b"},
            {"status": "resolved", "labels": {"alertname": "CheckoutErrors", "severity": "page", "shard": 7, "x": None},
             "annotations": {"stack": None}, "startsAt": "2026-10-10T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z"},
        ],
    }  # fmt: skip
    ping, checkout = sent(doors, "/ingest/alertmanager", body)
    assert (ping.name, ping.status, ping.ends_at) == ("ping主机", Status.FIRING, NOON + timedelta(days=1))
    assert ping.labels["status"] == "严重告警"
    assert ping.labels["k8s_pod"] == "x"
    assert ping.annotations["reason"] == " 非要逼我报警么0%)"
    assert (checkout.status, checkout.ends_at, checkout.labels["shard"]) == (Status.RESOLVED, NOON, "7")
    decisions = doors.world.records.decisions(10, None)
    assert {row["reason"] for row in decisions} == {"no_route", "not_firing"}


def test_langfuses_alerts(doors):
    """Their severity is ours and their state; the project and the monitor are labels."""
    payload = {
        "monitorId": "m1", "projectId": "p1", "permalink": "https://cloud.langfuse.com/project/p1/alerts/m1",
        "message": {"title": "p95 latency", "body": "p95 latency is 9.1 s, above 5 s"}, "severity": "ALERT",
        "fromTimestamp": "2026-11-20T11:00:00Z", "toTimestamp": "2026-11-20T12:00:00Z", "view": "observations",
        "filters": [{"column": "model", "value": ["gpt-x"]}], "window": "1h",
    }  # fmt: skip
    body = {"id": "e1", "timestamp": "2026-11-20T12:00:01Z", "type": "monitor-alert", "apiVersion": "v1"}
    sent(doors, "/ingest/langfuse", {**body, "payload": payload})
    fired, over = sent(doors, "/ingest/langfuse", {**body, "payload": {**payload, "severity": "OK"}})
    assert fired.labels == {
        "alertname": "p95 latency", "severity": "error", "monitor": "m1", "project": "p1", "source": "langfuse",
    }  # fmt: skip
    assert fired.annotations["reason"] == "p95 latency is 9.1 s, above 5 s"
    assert fired.annotations["source_url"].endswith("/alerts/m1")
    assert (fired.status, over.status) == (Status.FIRING, Status.RESOLVED)
    assert fired.fingerprint == over.fingerprint


def test_langsmiths_alerts(doors):
    """Value, threshold, project and rule."""
    (alert,) = sent(doors, "/ingest/langsmith", {
        "project_name": "legal-rag", "alert_rule_id": "r-1", "alert_rule_name": "errors",
        "alert_rule_type": "threshold",
        "alert_rule_attribute": "error_count", "triggered_metric_value": 12.5, "triggered_threshold": 5,
        "timestamp": "2026-11-20T11:59:00+00:00",
    })  # fmt: skip
    assert (alert.name, alert.labels["project"], alert.labels["metric"]) == ("errors", "legal-rag", "error_count")
    assert (alert.annotations["value"], alert.annotations["threshold"]) == ("12.5", "5")


def test_opiks_alerts_without_what_people_said(doors):
    """The metric and its threshold; of traces with inputs and outputs nothing is kept."""
    (alert,) = sent(doors, "/ingest/opik", {
        "id": "w1", "eventType": "trace:latency", "alertId": "a1", "alertName": "slow",
        "createdAt": "2026-11-20T11:59:00Z",
        "payload": {"eventIds": ["e"], "eventCount": 1, "metadata": {
            "metric_name": "trace:latency", "metric_value": "9.10", "threshold": "5", "window_seconds": "300",
            "project_names": "bot", "traces": [{"input": "CANARY what a user said", "output": "CANARY answer"}]}},
    })  # fmt: skip
    assert (alert.name, alert.annotations["value"], alert.annotations["threshold"]) == ("slow", "9.10", "5")
    assert "CANARY" not in str(alert)


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "x" * 2_000, "severity": "critical"},
        {"severity": "critical"},
        {"alertname": "a", "severity": "Critical", "emoji": "🔥", "rtl": "\u202etxt", "zero": "\u200b", "empty": ""},
        {"alertname": "a", "severity": "critical", **{f"l{number}": "v" * 100 for number in range(200)}},
    ],
)  # fmt: skip
def test_odd_labels_are_told_all_the_same(doors, labels):
    """Long, missing, many and strange ones are cut or kept, never a reason to lose the alert; it is told once."""
    (alert,) = sent(doors, "/api/v2/alerts", [{"labels": labels}])
    assert alert.labels["severity"] == "critical"
    assert len(doors.world.sent("hook")) == 1
    assert json.dumps(doors.world.records.explain("1"))


@pytest.mark.parametrize(
    "stamp",
    ["2026-11-20T11:59:00Z", "2026-11-20T11:59:00.123456789Z", "2026-11-20T13:59:00+02:00", "2026-11-20 11:59:00", "",
     "2026-11-20T11:59:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", None],
)  # fmt: skip
def test_times_in_any_of_their_forms(doors, stamp):
    """With and without zone, nanoseconds, the year 1 and the year 9999: taken, and told."""
    (alert,) = sent(
        doors, "/api/v2/alerts", [{"labels": {"alertname": "a", "severity": "critical"}, "startsAt": stamp}]
    )
    assert alert.starts_at.tzinfo is not None
    assert len(doors.world.sent("hook")) == 1


def test_an_end_without_a_beginning_is_explained_and_not_told(doors):
    """Resolved without having fired, and over before it was pushed."""
    ended = {"labels": {"alertname": "a", "severity": "critical"}, "endsAt": "2026-11-20T11:00:00Z"}
    (alert,) = sent(doors, "/api/v2/alerts", [ended])
    assert alert.status is Status.RESOLVED
    assert doors.world.sent("hook") == []
    assert "it is over, and was not known to fire" in " ".join(doors.world.records.explain("a"))


def test_arizes_monitors_in_other_spellings(doors):
    """Nested, camel case, and with nothing but a name."""
    for body in (
        {"monitor": {"name": "drift", "severity": "critical", "threshold": 0.2, "latest_computed_value": 0.4}},
        {"monitorName": "drift", "metricValue": "0.4", "modelName": "m", "status": "triggered"},
        {"monitor_name": "drift"},
        {"monitor_name": "drift", "status": "SOMETHING_NEW", "metric_value": None, "segment": None},
    ):
        sent(doors, "/ingest/arize", body)
    assert {alert.name for alert in doors.alerts} == {"drift"}
    assert {alert.status for alert in doors.alerts} == {Status.FIRING}


@pytest.mark.parametrize("tool", MAPPED)
def test_a_built_in_mapping_is_a_file_that_a_user_could_write(tmp_path, tool):
    """Named as one's own source it is accepted and reads the same."""
    file = files("llmtrace.router.intake").joinpath("mappings", f"{tool}.yaml")
    (tmp_path / "own.yaml").write_text(file.read_text())
    config = make_config(tmp_path, MINIMAL + "    intake: {sources: {own: {mapping: own.yaml}}}\n")
    assert config.mappings["own"] == mapping_of(tool)


@pytest.mark.parametrize("name", ["change", "arize-events", "generic", "a/b", ""])
def test_a_source_of_ones_own_has_a_path_of_its_own(tmp_path, name):
    """A name that the router uses itself would be silent: it is refused."""
    (tmp_path / "own.yaml").write_text("version: 1\nfields: {name: title}\n")
    with pytest.raises(ConfigurationError, match=r"intake\.sources.*no name for a source; allowed"):
        make_config(tmp_path, f'{MINIMAL}    intake: {{sources: {{"{name}": {{mapping: own.yaml}}}}}}\n')
