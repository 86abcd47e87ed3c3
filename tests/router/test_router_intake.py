"""The intakes: each source's own JSON becomes alerts, whoever may not send is refused, and nonsense is a clear 4xx."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from router_store import no_reload, world_of
from router_values import MINIMAL, NOON, TRACE_ID, make_config, make_request, make_span, make_tag
from starlette.testclient import TestClient

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.app import build_web
from llmtrace.router.intake import alertmanager, pushed
from llmtrace.router.intake.gate import Gate
from llmtrace.router.model import Annotation, Status
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.web.intake import Door

TOKEN, OTHER = "t" * 20, "u" * 20
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Doors:
    """The web application over a real store; ``alerts`` are what was accepted."""

    def __init__(self, world) -> None:
        self.world = world
        self.alerts = []
        self.inbox = GroupCommit(self._write, lambda: None)
        app = build_web(
            world.config, Door(self.inbox, world.clock), world.records, world.counter(), lambda: None, no_reload
        )
        self.client = TestClient(app, base_url="http://127.0.0.1:4319")

    def post(self, path, body, **headers) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def _write(self, alerts) -> None:
        self.world.accept(*alerts)
        self.alerts += alerts


@contextmanager
def opened(folder, more: str = ""):
    """With the smallest rules, and these lines."""
    with world_of(make_config(folder, MINIMAL + more)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            yield doors


@pytest.fixture
def doors(tmp_path):
    """Without authentication, on loopback."""
    with opened(tmp_path) as doors:
        yield doors


WEBHOOK = {
    "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "llmtrace", "truncatedAlerts": 0,
    "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
    "alerts": [
        {
            "status": "firing", "labels": {"alertname": "Slow", "severity": "page", "service": "bot"},
            "annotations": {"summary": "p99 is 9 s", "runbook_url": "https://r"}, "startsAt": "2026-11-20T11:59:00Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph", "fingerprint": "abc",
        },
        {
            "status": "resolved", "labels": {"alertname": "Down", "severity": "warning"}, "annotations": {},
            "startsAt": "2026-11-20T11:00:00Z", "endsAt": "2026-11-20T11:58:00Z", "fingerprint": "d",
        },
    ],
}  # fmt: skip


def test_alertmanagers_webhook(doors):
    """Labels stay, severity is in our words, the end is the source's, and links are kept."""
    answer = doors.post("/ingest/alertmanager", WEBHOOK)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    slow, down = doors.alerts
    assert slow.labels == {"alertname": "Slow", "severity": "critical", "service": "bot", "source": "alertmanager"}
    assert slow.annotations == {
        "reason": "p99 is 9 s", "summary": "p99 is 9 s", "runbook_url": "https://r", "severity_as_sent": "page",
        "source_url": "http://prometheus/graph",
    }  # fmt: skip
    assert (slow.status, slow.ends_at) == (Status.FIRING, NOON + timedelta(days=1))
    assert (down.status, down.ends_at) == (Status.RESOLVED, NOON - timedelta(minutes=2))


def test_alertmanagers_api_as_prometheus_pushes(doors):
    """A list of alerts; the end that Prometheus gives is when it is over unless it is pushed again; 200."""
    pushed = [
        {"labels": {"alertname": "A"}, "annotations": {}, "startsAt": "2026-11-20T11:59:00.5Z",
         "endsAt": "2026-11-20T12:04:00Z", "generatorURL": "http://p"},
        {"labels": {"alertname": "A", "x": "1"}, "endsAt": "2026-11-20T11:59:59Z"},
        {"labels": {"alertname": "A", "x": "2"}},
    ]  # fmt: skip
    assert doors.post("/api/v2/alerts", pushed).status_code == 200
    assert [(alert.status, alert.ends_at - NOON) for alert in doors.alerts] == [
        (Status.FIRING, timedelta(minutes=4)),
        (Status.RESOLVED, timedelta(seconds=-1)),
        (Status.FIRING, timedelta(minutes=5)),
    ]


def test_arizes_monitors(doors):
    """The usual fields, by a mapping that is data; a triggered monitor fires and a cleared one is over."""
    body = {"monitor_name": "Embedding drift", "severity": "high", "metric_value": 0.41, "threshold": 0.3,
            "segment": "tier=premium", "model_name": "legal-rag", "status": "TRIGGERED", "monitor_id": "m-1",
            "monitor_url": "https://app.arize.com/m-1", "prompt": "what a user said"}  # fmt: skip
    assert doors.post("/ingest/arize", body).status_code == 202
    doors.post("/ingest/arize", body | {"status": "CLEARED"})
    fired, cleared = doors.alerts
    assert fired.labels == {
        "alertname": "Embedding drift", "severity": "error", "model": "legal-rag", "segment_name": "tier=premium",
        "source": "arize",
    }  # fmt: skip
    assert fired.annotations[Annotation.VALUE] == "0.41"
    assert fired.annotations[Annotation.THRESHOLD] == "0.3"
    assert fired.annotations["monitor_id"] == "m-1"
    assert "what a user said" not in str(fired)
    assert (fired.status, cleared.status) == (Status.FIRING, Status.RESOLVED)
    assert fired.fingerprint == cleared.fingerprint


def test_the_generic_format(doors):
    """All that an alert can say; what is unknown is kept, what is content or secret by name is not."""
    doors.post("/ingest/generic", {
        "name": "latency", "severity": "critical", "value": 9.5, "threshold": 5, "model": "m", "prompt_version": "v7",
        "segment": {"tier": "premium"}, "team": "legal-ai", "environment": "prod", "regulated": True,
        "trace_ids": [TRACE_ID, "b" * 32], "runbook_url": "https://r", "labels": {"region-x": "eu"}, "build": 17,
        "messages": "hello", "api_key": "k", "reason": "key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD",
    })  # fmt: skip
    (alert,) = doors.alerts
    assert alert.labels == {
        "alertname": "latency", "severity": "critical", "model": "m", "prompt_version": "v7", "team": "legal-ai",
        "segment_tier": "premium", "environment": "prod", "regulated": "true", "region_x": "eu", "source": "generic",
    }  # fmt: skip
    assert alert.annotations[Annotation.TRACE_URL].endswith(TRACE_ID)
    assert alert.annotations["trace_ids"].startswith(TRACE_ID + ",")
    assert alert.annotations["build"] == "17"
    assert "sk-proj" not in str(alert)
    assert "messages" not in alert.annotations
    assert "api_key" not in alert.annotations


MAPPING = """
version: 1
alerts: data.items
fields: {name: title, severity: level, status: state.now, trace_ids: "traces[0].id"}
values: {severity: {SEV-A: critical}, status: {ALARM: firing, CALM: resolved}}
defaults: {team: platform}
labels: {tenant: org.id}
"""


def test_another_tool_needs_a_file_and_no_code(tmp_path):
    """A mapping says where the fields stand; what is not there is left out."""
    (tmp_path / "mine.yaml").write_text(MAPPING)
    with opened(tmp_path, "    intake: {sources: {mine: {mapping: mine.yaml}}}\n") as doors:
        items = [{"title": "A", "level": "sev-a", "state": {"now": "CALM"}, "traces": [{"id": TRACE_ID}], "extra": 1},
                 {"title": "B", "org": {"id": 7}}]  # fmt: skip
        assert doors.post("/ingest/mine", {"data": {"items": items}}).status_code == 202
        refused = doors.post("/ingest/mine", {"data": []})
    first, second = doors.alerts
    assert (first.labels["severity"], first.status, first.labels["team"]) == ("critical", Status.RESOLVED, "platform")
    assert (first.annotations["extra"], first.annotations["trace_id"]) == ("1", TRACE_ID)
    assert (second.labels["tenant"], second.labels["source"]) == ("7", "mine")
    assert (refused.status_code, refused.json()) == (400, {"error": "data.items: no list of alerts in the body"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [("version: 1\nfields: {nme: x}", "no field of an alert"), ("version: 1\nfields: {name: a..b}", "no path"),
     (None, "intake.sources.mine.mapping: 'mine.yaml' is ")],
)  # fmt: skip
def test_a_wrong_mapping_is_one_line(tmp_path, text, problem):
    """File, line, key and what is allowed."""
    if text is not None:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        make_config(tmp_path, MINIMAL + "    intake: {sources: {mine: {mapping: mine.yaml}}}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/ingest/alertmanager", "/api/v2/alerts", "/ingest/arize", "/ingest/generic"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[[]]", b"\xff\xfe", b"[" * 100_000, b'{"alerts": 1}', b'{"alerts": [1]}', b"NaN",
        b'{"name": NaN}', b'{"alerts": [{"labels": {}}], "version": "4"}', b'[{"labels": {"a b": []}}]', b"9" * 5000,
        b'{"name": {}}', b'[{"labels": {"a": 1}}]', b'{"version": "3", "alerts": [{}]}',
    ],
)  # fmt: skip
def test_what_is_no_alert_is_a_400_in_words(doors, path, body):
    """Nothing is accepted, and the next request is served."""
    answer = doors.post(path, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert doors.alerts == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["alerts", "labels", "name", "status", "severity", "segment", "starts_at", "a"]), inner, max_size=4), max_leaves=10))  # fmt: skip # noqa: E501 - one strategy
def test_any_json_is_taken_or_refused(doors, data):
    """No body makes a server error."""
    for path in ("/ingest/generic", "/ingest/arize", "/api/v2/alerts", "/ingest/alertmanager"):
        assert doors.post(path, data).status_code in (200, 202, 400)


def test_bounds_hold_for_every_source(doors):
    """A body beyond the limit, and one that blows up when decompressed, are 413; gzip within is fine."""
    assert doors.post("/ingest/generic", b" " * (9 * 2**20)).status_code == 413
    assert doors.post("/ingest/generic", gzip.compress(b" " * (40 * 2**20)), content_encoding="gzip").status_code == 413
    many = [{"name": "a"}] * 10_001
    assert doors.post("/ingest/generic", {"alerts": many}).status_code == 413
    assert doors.post("/ingest/generic", gzip.compress(b'{"name": "a"}'), content_encoding="gzip").status_code == 202


def test_a_bearer_token_opens_and_either_of_two_does(tmp_path):
    """With tokens configured nobody else comes in, on any path; the answer does not show them."""
    more = f"    intake: {{auth: {{bearer: [{TOKEN}, {OTHER}]}}}}\n    web: {{auth: {{bearer: [{OTHER}]}}}}\n"
    with opened(tmp_path, more) as doors:
        for token in (TOKEN, OTHER):
            assert doors.post("/ingest/generic", {"name": "a"}, authorization=f"Bearer {token}").status_code == 202
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": TOKEN}, {"authorization": "Bearer "}):
            for path in ("/ingest/generic", "/api/v2/alerts", "/ingest/arize", "/ingest/alertmanager", "/v1/traces"):
                answer = doors.post(path, b"{}", content_type="application/json", **headers)
                assert answer.status_code == 401
                assert TOKEN not in answer.text
        assert doors.client.get("/api/v1/alerts").status_code == 401
        assert doors.client.get("/api/v1/alerts", headers={"authorization": f"Bearer {OTHER}"}).status_code == 200
        assert doors.client.get("/healthz").status_code == 200


def signed(body: bytes, at: int, identifier: str = "msg_1", secret: str = SECRET) -> dict[str, str]:
    """Standard Webhooks' headers."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{identifier}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook_id": identifier,
        "webhook_timestamp": str(at),
        "webhook_signature": "v1,AAAA v1," + base64.b64encode(signature).decode(),
    }


def test_a_signed_export_is_taken_once(tmp_path):
    """A repetition of OTLP is answered as an export that brought nothing."""
    more = f"    intake: {{auth: {{hmac: {{secrets: [{SECRET}]}}}}}}\n"
    span = make_span(make_tag(key="a"))
    body, headers = make_request(span).SerializeToString(), {"content_type": "application/x-protobuf"}
    with opened(tmp_path, more) as doors:
        given = signed(body, int(NOON.timestamp()))
        answers = [doors.post("/v1/traces", body, **headers, **given) for _ in range(2)]
        assert [(each.status_code, each.content) for each in answers] == [(200, b"")] * 2
        assert len(doors.alerts) == 1


def test_a_signature_opens_once_and_not_too_late(tmp_path):
    """The newest and the old secret both count; a wrong body, a late time and a repetition do not add an alert."""
    old = "whsec_" + base64.b64encode(b"o" * 24).decode()
    more = f"    intake: {{generic: {{auth: {{hmac: {{secrets: [{SECRET}, {old}]}}}}}}}}\n"
    body, now = b'{"name": "a"}', int(NOON.timestamp())
    with opened(tmp_path, more) as doors:
        assert doors.post("/ingest/generic", body, **signed(body, now)).json() == {"accepted": 1}
        assert doors.post("/ingest/generic", body, **signed(body, now)).json() == {"accepted": 0}
        assert doors.post("/ingest/generic", body, **signed(body, now, "msg_2", old)).json() == {"accepted": 1}
        for headers in (
            signed(b"other", now, "msg_3"), signed(body, now - 301, "msg_4"), signed(body, now + 301, "msg_5"), {},
            signed(body, now, "msg_6") | {"webhook_timestamp": "x"}, signed(body, now) | {"webhook_id": "msg_7"},
        ):  # fmt: skip
            assert doors.post("/ingest/generic", body, **headers).status_code == 401
        assert doors.post("/ingest/arize", {"name": "a"}).status_code == 202
    assert len(doors.alerts) == 3


def test_ids_of_signed_requests_are_forgotten_when_they_are_too_old_to_come_back(tmp_path):
    """What is remembered against replays does not grow without end."""
    more = f"    intake: {{auth: {{hmac: {{secrets: [{SECRET}]}}}}}}\n"
    gate = Gate(make_config(tmp_path, MINIMAL + more).intake.auth)
    for number in range(100):
        gate.remember(f"m{number}", NOON + timedelta(minutes=number))
    assert not gate.is_repetition("m80")
    assert gate.is_repetition("m95")


def test_arizes_own_signature_is_known(tmp_path):
    """v1=<hex> over time and body, as its platform webhooks are signed."""
    more = f"    intake: {{arize: {{auth: {{hmac: {{scheme: arize, secrets: [{TOKEN}]}}}}}}}}\n"
    body, now = b'{"monitor_name": "a"}', str(int(NOON.timestamp()))
    signature = hmac.digest(TOKEN.encode(), now.encode() + b"." + body, hashlib.sha256).hex()
    headers = {"x_arize_webhook_timestamp": now, "x_arize_webhook_id": "1"}
    with opened(tmp_path, more) as doors:
        for given, status in ((f"v1={signature}", 202), ("v1=00", 401)):
            answer = doors.post("/ingest/arize", body, x_arize_webhook_signature=given, **headers)
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("intake: {auth: {bearer: [short]}}", "intake.auth.bearer[0]: too short for a secret"),
        ("intake: {auth: {}}", "intake.auth: no way in"),
        ("intake: {auth: {hmac: {secrets: []}}}", "intake.auth.hmac.secrets: "),
        ("intake: {auth: {hmac: {scheme: x, secrets: [0123456789012345]}}}", "intake.auth.hmac.scheme: 'x' is not"),
    ],
)
def test_wrong_authentication_is_one_line_without_the_secret(tmp_path, more, problem):
    """Where it stands and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        make_config(tmp_path, MINIMAL + f"    {more}\n")
    assert problem in str(caught.value)
    assert "short'" not in str(caught.value)


words = st.text(st.sampled_from("aB1_ é\u4e2d-/:.\n"), max_size=6)
moments = st.sampled_from(
    ["", "0001-01-01T00:00:00Z", "2026-11-20T11:59:59.123456789Z", "2026-11-20T14:00:00+01:00", "2026-11-20 13:00", "x"]
)
pushed_alerts = st.fixed_dictionaries(
    {"labels": st.dictionaries(st.sampled_from(["alertname", "severity", "a", "1x"]), words, max_size=3)},
    optional={
        "annotations": st.dictionaries(st.sampled_from(["summary", "description", "runbook", "x"]), words, max_size=3),
        "startsAt": moments,
        "endsAt": moments,
        "generatorURL": st.sampled_from(["", "http://p/graph?g0.expr=up", "https://u:hunter2@p/x?token=abcdef123456"]),
        "fingerprint": words,
    },
)


@given(st.lists(pushed_alerts, max_size=3))
def test_the_quick_way_and_the_careful_way_come_to_the_same(sent):
    """Whatever a client pushes: where the quick way takes it at all, its alerts are those of the careful way."""
    body, timeout = json.dumps(sent).encode(), timedelta(minutes=5)
    quick = pushed.read(body, timeout, NOON)
    if quick is not None:
        assert quick == alertmanager.read_carefully(body, timeout, NOON)


def test_what_a_prometheus_sends_goes_the_quick_way():
    """Its own form, time stamps and links included, is taken without the careful way."""
    body = json.dumps(
        [
            {
                "labels": {"alertname": "HighLatency", "severity": "page", "instance": "a:9090"},
                "annotations": {"summary": "p95 above 8 s", "value": "9.2"},
                "startsAt": "2026-11-20T11:58:00.123Z",
                "endsAt": "2026-11-20T12:03:00Z",
                "generatorURL": "http://prometheus:9090/graph?g0.expr=rate%28x%5B5m%5D%29&g0.tab=1",
            }
        ]
    )
    found = pushed.read(body.encode(), timedelta(minutes=5), NOON)
    assert found is not None
    assert found == alertmanager.read_carefully(body.encode(), timedelta(minutes=5), NOON)
