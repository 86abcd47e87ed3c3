"""Phoenix's annotations: a judge's low score is an alert with its trace, once, over restarts, and without content."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from router_process import RouterProcess
from router_store import world_of
from router_values import MINIMAL, NOON, SPAN_ID, TRACE_ID, make_config, make_request, make_span
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.intake import phoenix as annotations
from llmtrace.router.notifiers.http import open_client
from llmtrace.router.tailing import Tail
from llmtrace.semconv.alert import Severity

SCORES = "{correctness: {below: 0.5, severity: error}, safety: {labels: [unsafe], severity: critical}}"


def annotated(
    number: int, name: str = "correctness", score: float | None = 0.2, label: str = "", **more: Any
) -> dict[str, Any]:
    """An annotation in Phoenix's form."""
    identifier = base64.b64encode(f"SpanAnnotation:{number}".encode()).decode()
    return {
        "id": identifier, "name": name, "score": score, "label": label, "annotatorKind": "LLM",
        "updatedAt": "2026-11-20T11:59:00+00:00", **more,
    }  # fmt: skip


class Fake:
    """Speaks the part of Phoenix's GraphQL that is asked; a page holds two spans."""

    def __init__(self) -> None:
        self.annotations: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.says: Any = None

    def answer(self, variables: dict[str, Any]) -> Any:
        if self.says is not None:
            return self.says
        self.asked.append(variables)
        name = re.match(r"annotations\['(.+?)'\]", variables["filter"])[1]
        chosen = [each for each in self.annotations if each["name"] == name]
        first = int(variables["after"] or 0)
        edges = [
            {"node": {"name": "llm.chat", "spanId": SPAN_ID, "trace": {"traceId": TRACE_ID}, "spanAnnotations": [each]}}
            for each in chosen[first : first + 2]
        ]
        more = len(chosen) > first + 2
        spans = {"edges": edges, "pageInfo": {"hasNextPage": more, "endCursor": str(first + 2)}}
        return {"data": {"getProjectByName": {"spans": spans}}}


@pytest.fixture
def fake():
    """Its address is ``fake.url``."""
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            fake.keys.append(self.headers["authorization"])
            answer = fake.answer(asked["variables"])
            body = json.dumps(answer).encode() if not isinstance(answer, int) else b""
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Listening:
    """An inbox that keeps what it is given."""

    def __init__(self) -> None:
        self.alerts: list[Any] = []

    async def accept(self, alerts) -> None:
        self.alerts += alerts


@contextmanager
def tailing(folder, fake, heard=None):
    """A function that looks once and returns the new alerts; each ``with`` is another run over the same store."""
    text = f"{MINIMAL}    intake: {{phoenix: {{url: '{fake.url}/', api_key: k-1, scores: {SCORES}}}}}\n"
    with world_of(make_config(folder, text)) as world:
        inbox = Listening()
        tail: list[Tail] = []

        async def look() -> None:
            async with open_client() as client:
                store, given = world.store, {} if heard is None else heard
                tail[:] = tail or [Tail(world.config, client, inbox, world.clock, store.tail, store.keep_tail, given)]
                tail[0]._client = client
                await tail[0]._guarded(world.config.intake.phoenix)

        def once() -> list[Any]:
            inbox.alerts = []
            asyncio.run(look())
            return inbox.alerts

        yield once


def test_a_low_score_is_an_alert_with_its_trace(tmp_path, fake):
    """Score, threshold, label, who judged, span and trace; no word of what was said."""
    with tailing(tmp_path, fake) as look:
        look()
        fake.annotations = [annotated(1, label="wrong"), annotated(2, "safety", None, "unsafe", annotatorKind="HUMAN")]
        low, unsafe = look()
    assert low.labels == {
        "alertname": "score-correctness", "severity": "error", "source": "phoenix", "project": "default",
        "annotator": "llm",
    }  # fmt: skip
    assert (low.annotations["value"], low.annotations["threshold"], low.annotations["trace_id"]) == (
        "0.2",
        "0.5",
        TRACE_ID,
    )
    assert low.annotations["reason"] == "correctness is 0.2 (wrong)"
    assert low.annotations["trace_url"].endswith(TRACE_ID)
    assert (unsafe.severity, unsafe.labels["annotator"]) == (Severity.CRITICAL, "human")
    assert "explanation" not in annotations.QUERY
    assert fake.keys[0] == "Bearer k-1"
    assert [each["filter"] for each in fake.asked[:2]] == [
        "annotations['correctness'].score < 0.5", "annotations['safety'].label == 'unsafe'",
    ]  # fmt: skip


def test_each_is_taken_once_in_the_order_in_which_it_was_made(tmp_path, fake):
    """Whatever the order of the answer and however many pages; one that is made anew is heard again."""
    with tailing(tmp_path, fake) as look:
        look()
        fake.annotations = [annotated(number, score=number / 100) for number in (5, 3, 4, 9, 7)]
        assert [alert.annotations["value"] for alert in look()] == ["0.03", "0.04", "0.05", "0.07", "0.09"]
        assert look() == []
        fake.annotations[0] = annotated(5, score=0.4, updatedAt="2026-11-20T12:05:00+00:00")
        assert [alert.annotations["value"] for alert in look()] == ["0.4"]


def test_what_was_there_at_the_very_first_start_is_old_and_a_restart_loses_nothing(tmp_path, fake):
    """How far it read stands in the store."""
    fake.annotations = [annotated(1)]
    with tailing(tmp_path, fake) as look:
        assert look() == []
        fake.annotations += [annotated(2)]
        assert len(look()) == 1
    fake.annotations += [annotated(3)]
    with tailing(tmp_path, fake) as look:
        assert len(look()) == 1
        assert look() == []


@pytest.mark.parametrize("odd", [{"id": "?"}, {"score": "low"}, {"id": None}])
def test_an_annotation_that_cannot_be_read_costs_no_other(tmp_path, fake, odd):
    """Those beside it are alerts all the same."""
    with tailing(tmp_path, fake) as look:
        look()
        fake.annotations = [annotated(1), annotated(2, **odd), annotated(3)]
        assert len(look()) == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        503, [], {"errors": [{"message": "no"}]}, {"data": {}}, "x",
        {"data": {"getProjectByName": {"spans": {"edges": [{}]}}}},
    ],
)  # fmt: skip
def test_nonsense_is_said_once_and_costs_nothing(tmp_path, fake, caplog, nonsense):
    """What came meanwhile is taken when Phoenix answers again; only an answer counts as heard."""
    heard: dict[str, Any] = {}
    with tailing(tmp_path, fake, heard) as look:
        look()
        heard.clear()
        fake.annotations, fake.says = [annotated(1)], nonsense
        assert look() + look() == []
        assert heard == {}
        assert sum("annotations cannot be read" in line for line in caplog.messages) == 1
        fake.says = None
        assert len(look()) == 1
        assert heard == {"phoenix": NOON}


def test_a_project_that_is_not_there_yet_is_no_mistake(tmp_path, fake, caplog):
    """Nothing came to it."""
    fake.says = {"data": {"getProjectByName": None}}
    with tailing(tmp_path, fake) as look:
        assert look() == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{url: 'http://p', scores: {}}", "scores"),
        ("{url: 'http://p', scores: {a: {}}}", "no condition; allowed: one or more of below, above, labels"),
        ("{url: 'http://p', scores: {\"x'] or True\": {below: 1}}}", "no name; allowed: letters"),
        ("{url: 'http://p', scores: {a: {labels: [\"x' or True\"]}}}", "no name; allowed: letters"),
        ("{url: p, scores: {a: {below: 1}}}", "no address; allowed"),
        ("{url: 'http://p', every: 0s, scores: {a: {below: 1}}}", "too often; allowed: 1s and more"),
    ],
)
def test_a_wrong_phoenix_is_refused_in_words(tmp_path, given, problem):
    """Above all a name that would be a condition of its own."""
    with pytest.raises(ConfigurationError, match=problem):
        make_config(tmp_path, f"{MINIMAL}    intake: {{phoenix: {given}}}\n")


@pytest.mark.full
def test_a_judges_low_score_in_a_real_phoenix_pages(tmp_path, phoenix):
    """The real Phoenix and the real router: a span, a low score, and a page with the link to its trace."""
    span = make_span(name="llm.chat")
    export = make_request(span, **{"openinference.project.name": phoenix.project})
    headers = {"content-type": "application/x-protobuf"}
    phoenix.client.post("/v1/traces", content=export.SerializeToString(), headers=headers).raise_for_status()
    phoenix.wait_for_trace(TRACE_ID, 1)
    with WebhookReceiver() as receiver:
        rules = MINIMAL.replace("http://127.0.0.1:9099/hook", receiver.url)
        tail = f"{{url: '{phoenix.base_url}', project: {phoenix.project}, every: 1s, window: 3650d, scores: {SCORES}}}"
        rules = f"{rules}    intake: {{phoenix: {tail}}}\n".replace("severity: error", "severity: critical")
        (tmp_path / "alerts.yaml").write_text(rules + "    watchdog: {sources: {phoenix: 1h}}\n")
        with RouterProcess(tmp_path / "alerts.yaml") as router:
            seen = 'source_silent_seconds{source="phoenix"}'
            wait_until(lambda: seen in router.client.get("/metrics").text, "it has looked once", 30)
            for name, score in (("correctness", 0.9), ("correctness", 0.1)):
                data = {"name": name, "annotator_kind": "LLM", "span_id": SPAN_ID, "identifier": str(score)}
                data["result"] = {"score": score, "label": "wrong", "explanation": "CANARY what somebody said"}
                answer = phoenix.client.post("/v1/span_annotations?sync=true", json={"data": [data]})
                answer.raise_for_status()
            wait_until(lambda: receiver.accepted, "the page is told", 30)
    (told,) = receiver.accepted[0].body["alerts"]
    assert told["labels"]["alertname"] == "score-correctness"
    assert told["annotations"]["value"] == "0.1"
    assert told["annotations"]["trace_url"].endswith(TRACE_ID)
    assert "CANARY" not in json.dumps(receiver.accepted[0].body)
