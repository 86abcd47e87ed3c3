"""What other tools really send, by their documentation and in the field: all of it becomes the right alerts."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
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
    assert alert.annotations["value"] == "B=44.23943737541908, C=1"
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


def test_langsmiths_newer_fields_and_a_severity_of_the_users_own(doors):
    """The rule's description is the reason, its runs are the link; what a user adds to the body counts."""
    (alert,) = sent(doors, "/ingest/langsmith", {
        "severity": "P1", "project_name": "support-bot-prod", "workspace_name": "Acme AI", "alert_rule_id": "r-2",
        "alert_rule_name": "error spike", "alert_rule_description": "more than 10 errored runs in 5 minutes",
        "alert_rule_type": "threshold", "alert_rule_attribute": "error_count",
        "alert_rule_url": "https://smith.example.org/alerts", "runs_url": "https://smith.example.org/runs",
        "triggered_metric_value": 42, "triggered_threshold": 10, "timestamp": "2026-10-09T03:12:00Z",
    })  # fmt: skip
    assert (alert.labels["severity"], alert.annotations["reason"]) == (
        "critical", "more than 10 errored runs in 5 minutes",
    )  # fmt: skip
    assert alert.annotations["source_url"] == "https://smith.example.org/runs"
    assert alert.annotations["rule_url"] == "https://smith.example.org/alerts"


def test_kube_prometheus_as_it_is(doors):
    """The sign of life has the severity none, and a rule's runbook, namespace and pod are there."""
    about = {"receiver": "r", "status": "firing", "version": "4", "groupKey": "{}", "truncatedAlerts": 0,
             "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": ""}  # fmt: skip
    watchdog, crash = sent(doors, "/ingest/alertmanager", {**about, "alerts": [
        {"status": "firing", "labels": {"alertname": "Watchdog", "prometheus": "monitoring/k8s", "severity": "none"},
         "annotations": {"summary": "An alert that should always be firing."},
         "startsAt": "2026-10-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph",
         "fingerprint": "e2a8b1d0c3f4a5b6"},
        {"status": "firing",
         "labels": {"alertname": "KubePodCrashLooping", "container": "bot", "namespace": "llm", "pod": "bot-5d9-x",
                    "reason": "CrashLoopBackOff", "severity": "warning", "prometheus": "monitoring/k8s"},
         "annotations": {"description": "Pod llm/bot-5d9-x is in waiting state", "summary": "Pod is crash looping.",
                         "runbook_url": "https://runbooks.prometheus-operator.dev/kubepodcrashlooping"},
         "startsAt": "2026-10-10T07:00:00.123Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p/graph",
         "fingerprint": "a1b2c3d4e5f60718"},
    ]})  # fmt: skip
    assert (watchdog.labels["severity"], watchdog.annotations["severity_as_sent"]) == ("info", "none")
    assert (crash.labels["severity"], crash.labels["namespace"], crash.labels["pod"]) == ("warning", "llm", "bot-5d9-x")
    assert crash.annotations["runbook_url"].endswith("kubepodcrashlooping")
    assert crash.annotations["reason"] == "Pod llm/bot-5d9-x is in waiting state"


PAGE = Path(__file__).parents[2] / "docs/how-to/alerts-from-json.md"


def mapped(tmp_path, name: str, *bodies: Any) -> list[Alert]:
    """What the bodies of a tool become by the mapping that the page shows."""
    (text,) = re.findall(rf"```yaml\n(# mapping {name}\.yaml\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "map.yaml").write_text(text)
    rules = f"{MINIMAL}\n    intake: {{sources: {{tool: {{mapping: map.yaml}}}}}}\n"
    with world_of(make_config(tmp_path, rules)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            for body in bodies:
                sent(doors, "/ingest/tool", body)
            return doors.alerts


def test_datadogs_webhook_by_the_pages_mapping(tmp_path):
    """The priority is the severity, or else the type; what recovers ends what was triggered; times are milliseconds."""
    body = {"title": "[Triggered on {a:b}] Errors", "transition": "Triggered", "priority": "P1", "type": "error",
            "reason": "errors > 5", "monitor": "1234", "scope": "service:bot", "link": "https://app.datadoghq.com/e/1",
            "date": "1406662672000"}  # fmt: skip
    over = {**body, "title": "[Recovered on {a:b}] Errors", "transition": "Recovered", "type": "success"}
    warned = {**body, "monitor": "7", "priority": "", "type": "warning", "transition": "Re-Warn"}
    first, last, other = mapped(tmp_path, "datadog", body, over, warned)
    assert (first.labels["severity"], first.status, last.status) == ("critical", Status.FIRING, Status.RESOLVED)
    assert first.fingerprint == last.fingerprint != other.fingerprint
    assert (first.starts_at.year, first.annotations["reason"]) == (2014, "[Triggered on {a:b}] Errors")
    assert (other.labels["severity"], other.status) == ("warning", Status.FIRING)


def test_new_relics_workflow_by_the_pages_mapping(tmp_path):
    """Its priority and state are understood as they are."""
    body = {"condition": "High latency", "policy": "LLM", "priority": "HIGH", "state": "ACTIVATED", "title": "slow",
            "url": "https://radar-api.newrelic.com/i/1", "runbook": None, "created": 1795176000000}  # fmt: skip
    first, last = mapped(tmp_path, "new-relic", body, {**body, "state": "CLOSED", "priority": "CRITICAL"})
    assert (first.labels["severity"], last.labels["severity"], first.labels["policy"]) == ("error", "critical", "LLM")
    assert (first.status, last.status) == (Status.FIRING, Status.RESOLVED)
    assert first.starts_at.year == 2026


def test_numbers_mean_what_the_mapping_says(tmp_path):
    """Numbers and truth values are written in YAML as the tool sends them."""
    bodies = [
        {"check": "disk", "level": level, "resolved": over} for level, over in ((5, False), (2, False), (4, True))
    ]
    worst, unknown, over = mapped(tmp_path, "numbers", *bodies)
    assert (worst.labels["severity"], unknown.labels["severity"], over.labels["severity"]) == (
        "critical", "warning", "error",
    )  # fmt: skip
    assert (unknown.annotations["severity_as_sent"], over.status) == ("2", Status.RESOLVED)


@pytest.mark.parametrize(
    ("severity", "words"),
    [
        ("critical", "critical CRITICAL Sev1 SEV-1 sev0 P1 p0 S1 fatal page Urgent highest 1_-_Critical P1_(Critical)"),
        ("error", "error ERROR err high P2 SEV-2 Sev_2 Major 2_-_High Priority_2"),
        ("warning", "warning WARN medium P3 sev3 average 3_-_Moderate banana 1 7 -1 non-critical P9 P1P2"),
        ("info", "info INFO low lowest P4 P5 Sev4 none informational OK success 4_-_Low 5_-_Planning"),
    ],
)
def test_severities_as_people_write_them(doors, severity, words):
    """Words of any tool in any case; what nobody knows, and a bare number, is a warning, and what was sent is kept."""
    every = [word.replace("_", " ") for word in words.split()]
    alerts = sent(doors, "/ingest/generic", {"alerts": [{"name": word, "severity": word} for word in every]})
    assert {alert.name: alert.labels["severity"] for alert in alerts} == dict.fromkeys(every, severity)
    kept = {alert.name: alert.annotations.get("severity_as_sent") for alert in alerts}
    assert kept == {word: None if word == severity else word for word in every}


def test_what_is_named_like_a_field_of_ours_is_none_unless_it_is_mapped(tmp_path):
    """No alert is lost over a status, a count or a model that means something else in the tool that sends it."""
    (tmp_path / "map.yaml").write_text("version: 1\nfields: {name: title}\ndefaults: {team: platform}\n")
    rules = f"{MINIMAL}\n    intake: {{sources: {{tool: {{mapping: map.yaml}}}}}}\n"
    with world_of(make_config(tmp_path, rules)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            (alert,) = sent(doors, "/ingest/tool", {
                "title": "slow", "status": "Triggered", "count": 0, "value": [1], "model": {"id": 7}, "team": "theirs",
                "regulated": "perhaps", "starts_at": "yesterday", "labels": 3, "trace_ids": 5,
            })  # fmt: skip
    assert (alert.status, alert.labels["team"], alert.annotations["team"]) == (Status.FIRING, "platform", "theirs")
    assert alert.annotations["status"] == "Triggered"
    assert not alert.is_regulated


def test_a_mapping_that_fits_nothing_says_where_it_looked_and_the_router_says_so_too(tmp_path, caplog):
    """The sender gets it each time, the router's log once a minute, without a word of the body."""
    (tmp_path / "map.yaml").write_text('version: 1\nfields: {name: [title, "monitor.names[0]"]}\n')
    rules = f"{MINIMAL}\n    intake: {{sources: {{tool: {{mapping: map.yaml}}}}}}\n"
    with world_of(make_config(tmp_path, rules)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            answers = [doors.post("/ingest/tool", {"titel": "CANARY"}) for _ in range(3)]
            world.clock.move(minutes=1)
            answers.append(doors.post("/ingest/tool", {"titel": "CANARY"}))
    problem = "alerts[0]: name: nothing at title nor at monitor.names[0], where the mapping looks"
    assert [(each.status_code, each.json()["error"]) for each in answers] == [(400, problem)] * 4
    assert [each.getMessage() for each in caplog.records] == [f"/ingest/tool: refused with 400: {problem}"] * 2


def test_a_source_that_there_is_not_is_told_which_there_are(doors):
    """A path that is misspelt, or whose source is not in the rules yet."""
    answer = doors.post("/ingest/langfues", {})
    assert answer.status_code == 404
    assert "no such source" in answer.json()["error"]
    assert "/ingest/langfuse," in answer.json()["error"]


@pytest.mark.parametrize(
    ("sent_as", "status"), [("Re-Triggered", "firing"), ("Closed", "resolved"), ("OK", "resolved"), ("??", "firing")]
)
def test_a_state_is_understood_without_a_mapping_of_its_words(tmp_path, sent_as, status):
    """Common words for the end end it; whatever else is said, it fires."""
    (alert,) = mapped(tmp_path, "new-relic", {"condition": "slow", "state": sent_as})
    assert alert.status == status


@pytest.mark.parametrize("given", [{}, {"severity": None}, {"severity": ""}])
def test_no_severity_is_a_warning(doors, given):
    """Left out, null or empty."""
    (alert,) = sent(doors, "/ingest/generic", {"name": "n", **given})
    assert (alert.labels["severity"], "severity_as_sent" in alert.annotations) == ("warning", False)


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("fields: {severity: level}", "fields: names no alert; allowed: a path for name"),
        ("fields: {name: n}\nvalues: {severity: {high: catastrophic}}", "values: severity 'catastrophic' is none"),
        ("fields: {name: n}\nvalues: {status: {open: fire}}", "status 'fire' is none; allowed: firing, resolved"),
        ("fields: {name: n}\ndefaults: {severity: banana}", "defaults: severity 'banana' is none; allowed: critical"),
        ("fields: {name: n}\ndefaults: {starts_at: yesterday}", "starts_at is each alert's own"),
        ("fields: {name: n}\ndefaults: {count: many}", "count is each alert's own"),
        ("fields: {name: n}\ndefaults: {regulated: maybe}", "regulated 'maybe' is none; allowed: true, false"),
    ],
)
def test_a_mapping_that_would_make_no_alert_is_refused_at_check(tmp_path, mapping, problem):
    """With its place: not when the first alert is lost."""
    (tmp_path / "map.yaml").write_text(f"version: 1\n{mapping}\n")
    with pytest.raises(ConfigurationError, match=r"^map\.yaml:\d+:\d+: ") as error:
        make_config(tmp_path, f"{MINIMAL}\n    intake: {{sources: {{tool: {{mapping: map.yaml}}}}}}\n")
    assert problem in str(error.value)


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
