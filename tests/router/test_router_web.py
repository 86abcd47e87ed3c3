"""The HTTP side over the real application: statuses, bounds, hosts, pages; an answer only after the commit."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import contextmanager

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from router_store import no_reload, world_of
from router_values import PROTOBUF, make_alert, make_config, make_request, make_span, make_tag

from llmtrace.router.app import build_web
from llmtrace.router.ports import StoreError
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.web.body import LARGEST_BODY
from llmtrace.router.web.intake import Door
from llmtrace.router.web.tally import Tally

TAGGED = make_request(make_span(make_tag(key="a"))).SerializeToString()


class Router:
    """The web application over a real store, called in process."""

    def __init__(self, world) -> None:
        self.world = world
        self.fault: str | None = None
        self.undecided = 0
        self.tally = Tally()
        self.store_error: StoreError | None = None

    def request(self, method: str, path: str, **arguments) -> httpx.Response:
        async def scenario():
            with GroupCommit(self._write, lambda: None) as inbox:
                door = Door(inbox, self.world.clock, lambda: self.undecided, self.tally)
                app = build_web(
                    self.world.config, door, self.world.records, self.world.counter(), lambda: self.fault, no_reload
                )
                transport = httpx.ASGITransport(app)
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4319") as client:
                    return await client.request(method, path, **arguments)

        return asyncio.run(scenario())

    def post(self, content=TAGGED, headers=PROTOBUF, path="/v1/traces") -> httpx.Response:
        return self.request("POST", path, content=content, headers=headers)

    def _write(self, alerts) -> None:
        if self.store_error is not None:
            raise self.store_error
        self.world.accept(*alerts)


@contextmanager
def opened(folder):
    """The web application over a store in this folder."""
    with world_of(make_config(folder)) as world:
        yield Router(world)


@pytest.fixture
def router(tmp_path):
    """The web application with the smallest rules."""
    with opened(tmp_path) as router:
        yield router


def test_a_tagged_span_is_accepted_and_stored(router):
    """200 with an empty response message, and the alert can be read."""
    answer = router.post()
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    router.world.turn()
    (alert,) = router.request("GET", "/api/v1/alerts").json()["alerts"]
    assert alert["labels"]["alertname"] == "a"


def test_json_is_answered_in_json(router):
    """The sender's encoding is ours; parameters of the content type do not matter."""
    answer = router.post(b"{}", {"content-type": "application/json; charset=utf-8"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"


def test_null_is_as_good_as_nothing(router):
    """Some senders of OTLP in JSON write null for an id that they do not have."""
    span = {"traceId": None, "spanId": None, "name": "a", "links": None, "attributes": None, "events": None}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert router.post(json.dumps(body).encode(), {"content-type": "application/json"}).status_code == 200


def test_what_cannot_be_stored_is_not_accepted(router):
    """A store that fails is a 503 that asks to come again, never a 200."""
    router.store_error = StoreError("database or disk is full")
    answer = router.post()
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert Status.FromString(answer.content).code == 14
    router.store_error = None
    assert router.request("GET", "/api/v1/alerts").json()["alerts"] == []


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff", PROTOBUF, 400),
        (b"{", {"content-type": "application/json"}, 400),
        (b"", {}, 415),
        (b"x", {"content-type": "text/plain"}, 415),
        (b"x", {**PROTOBUF, "content-encoding": "br"}, 415),
        (b"x", {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (b"x" * (LARGEST_BODY + 1), PROTOBUF, 413),
        (gzip.compress(bytes(50_000_000)), {**PROTOBUF, "content-encoding": "gzip"}, 413),
    ],
)
def test_malformed_requests_are_refused_in_otlps_form(router, content, headers, status):
    """The status says what kind of mistake, google.rpc.Status in the sender's encoding says which."""
    answer = router.post(content, headers)
    assert answer.status_code == status
    if headers == PROTOBUF or "content-encoding" in headers:
        assert Status.FromString(answer.content).message
    else:
        assert answer.json()["message"]
    assert router.post().status_code == 200


def test_a_backlog_that_is_too_long_asks_senders_to_wait(router):
    """503 with Retry-After, rather than a disk that fills up; everything else is served."""
    router.undecided = 500_000
    answer = router.post()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert router.request("GET", "/healthz").status_code == 200


def test_what_came_in_and_what_became_of_it_can_be_scraped(router):
    """Requests by path and status, accepted alerts, decisions and deliveries, in Prometheus's text format."""
    router.post()
    router.post(b"\xff")
    router.world.turn()
    answer = router.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'llmtrace_router_intake_requests_total{path="/v1/traces",status="200"} 1',
        'llmtrace_router_intake_requests_total{path="/v1/traces",status="400"} 1',
        'llmtrace_router_alerts_accepted_total{path="/v1/traces"} 1',
        'llmtrace_router_decisions{reason="new"} 1',
        'llmtrace_router_deliveries{state="delivered"} 1',
        'llmtrace_router_incidents{state="open"} 1',
        "llmtrace_router_alerts_undecided 0",
    ):
        assert line in answer.text.splitlines()


def test_metrics_are_counted_and_said_to_be_unwatched(router):
    """200 with the response message, in which every point is named as not kept; nonsense is a 400."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="llmtrace.errors")
    for value in (1, 2):
        metric.sum.data_points.add(as_int=value)
    answer = router.post(request.SerializeToString(), path="/v1/metrics")
    response = ExportMetricsServiceResponse.FromString(answer.content)
    assert (answer.status_code, response.partial_success.rejected_data_points) == (200, 2)
    assert "counted, not kept" in response.partial_success.error_message
    assert router.post(b"\xff", path="/v1/metrics").status_code == 400
    assert "llmtrace_router_metric_points_unwatched_total 2" in router.request("GET", "/metrics").text


def test_a_body_without_an_end_is_cut_off(router):
    """A sender that streams for ever, without a length, gets 413 after the bound, and its bytes are not kept."""
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield bytes(1024 * 1024)

    assert router.post(endless()).status_code == 413
    assert len(sent) < 20


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/traces", 405), ("POST", "/v2/traces", 404)])
def test_other_paths_and_methods_are_not_there(router, method, path, status):
    """Nothing but what is documented answers."""
    assert router.request(method, path).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:4319", 200), ("localhost", 200), ("LOCALHOST:1", 200), ("[::1]:4319", 200),
        ("attacker.example", 421), ("attacker.example:4319", 421), ("127.0.0.1.attacker.example", 421), ("", 421),
    ],
)  # fmt: skip
def test_only_our_own_names_are_served(router, host, status):
    """A page in a browser cannot read alerts by pointing a name of its own at 127.0.0.1."""
    assert router.request("GET", "/healthz", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"origin": "http://127.0.0.1:4319", "sec-fetch-site": "same-origin"}, 404),
        ({"origin": "https://attacker.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "null", "host": ""}, 421),
        ({"origin": "http://[127.0.0.1"}, 403),
        ({"origin": "http://127.0.0.1.attacker.example:4319"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_act(router, headers, status):
    """A form may post to any address, 127.0.0.1 too: what a browser sends for another site is refused unread."""
    answer = router.request("POST", "/api/v1/incidents/7/resolve", json={"by": "anybody"}, headers=headers)
    assert answer.status_code == status


def test_the_external_name_is_served_too(tmp_path):
    """external_url names another host under which the router may be called."""
    config = make_config(
        tmp_path, "version: 1\nreceivers: {a: {console: {}}}\nexternal_url: https://alerts.example.org"
    )
    with world_of(config) as world:
        answer = Router(world).request("GET", "/healthz", headers={"host": "alerts.example.org"})
    assert answer.status_code == 200


def test_health_is_bad_while_the_dispatcher_or_the_store_fails(router):
    """200 when both work; 503 with the problem else."""
    assert router.request("GET", "/healthz").json() == {"status": "ok"}
    router.fault = "StoreError"
    answer = router.request("GET", "/healthz")
    assert (answer.status_code, answer.json()["problem"]) == (503, "StoreError")


def test_lists_come_in_pages_newest_first(router):
    """``before`` takes the ``next`` of the page before; the last page has none."""
    router.world.accept(*(make_alert(alertname=f"a{number}") for number in range(5)))
    router.world.turn()
    first = router.request("GET", "/api/v1/alerts?limit=3").json()
    second = router.request("GET", f"/api/v1/alerts?limit=3&before={first['next']}").json()
    names = [row["labels"]["alertname"] for page in (first, second) for row in page["alerts"]]
    assert names == ["a4", "a3", "a2", "a1", "a0"]
    assert second["next"] is None


def test_decisions_and_deliveries_can_be_read(router):
    """Each says what, why, to whom, and what came of it."""
    router.world.accept(make_alert(), make_alert())
    router.world.turn()
    repeated, first = router.request("GET", "/api/v1/decisions").json()["decisions"]
    assert (first["reason"], first["tier"], first["receivers"]) == ("new", "page", ["hook"])
    assert (repeated["reason"], repeated["due_at"]) == ("deduplicated", None)
    assert first["config_hash"] == router.world.config.hash
    assert first["route"] == '/{severity="critical"}'
    (delivery,) = router.request("GET", "/api/v1/deliveries").json()["deliveries"]
    assert (delivery["receiver"], delivery["notifier"], delivery["state"]) == ("hook", "webhook", "delivered")
    assert delivery["alert_ids"] == [first["alert_id"]]
    assert delivery["decision_id"] == first["id"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "before=0", f"before={2**63}", "limit="]
)
def test_a_wrong_page_is_a_400_that_says_what_is_allowed(router, query):
    """Numbers out of range and words are refused."""
    answer = router.request("GET", f"/api/v1/alerts?{query}")
    assert answer.status_code == 400
    assert "allowed: a whole number from 1 to" in json.dumps(answer.json())
