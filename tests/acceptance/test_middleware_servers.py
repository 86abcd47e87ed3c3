"""The middleware under the servers that people run, with real connections, one of them broken off."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
import websockets.sync.client
from otlp_sink import OtlpSink, otlp_sink
from servers import served
from waiting import wait_until

COMMANDS = {
    "uvicorn-h11": "-m uvicorn --http h11 --port {port}",
    "uvicorn-httptools": "-m uvicorn --http httptools --port {port}",
    "hypercorn": "-m hypercorn --bind 127.0.0.1:{port}",
    "gunicorn": "-m gunicorn --workers 2 --worker-class uvicorn_worker.UvicornWorker --bind 127.0.0.1:{port}",
}
THEIRS = "0af7651916cd43dd8448eb211c80319c"


def settings(what: str, sink: OtlpSink) -> dict[str, str]:
    """The environment of the service module."""
    return {"SINK": sink.url, "SERVED": what}


@pytest.fixture(scope="module")
def sink() -> Iterator[OtlpSink]:
    """The backend of all of them."""
    with otlp_sink() as running:
        yield running


@pytest.fixture(scope="module", params=COMMANDS)
def url(request: pytest.FixtureRequest, sink: OtlpSink) -> Iterator[str]:
    """The FastAPI application under each server in turn."""
    with served(COMMANDS[request.param], "middleware_service:app", settings("app", sink)) as running:
        yield running


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client."""
    with httpx.Client(trust_env=False) as running:
        yield running


def recorded(sink: OtlpSink, trace_id: str, name: str) -> dict[str, object]:
    """What the backend has of a trace's span: status and attributes."""

    def found() -> list[dict[str, object]]:
        spans = [span for span in sink.spans if span.trace_id == trace_id and span.name == name]
        return [{"status": span.status, **span.attributes} for span in spans]

    (span,) = wait_until(found, f"{name} of {trace_id} has arrived")
    return span


@pytest.mark.parametrize(("path", "status"), [("ok", 200), ("nowhere", 404), ("boom", 500)])
def test_answers_carry_the_id_of_the_trace_that_the_backend_has(sink, url, client, path, status):
    """Good, not found, and failed: one header, and a trace with this id and status."""
    answer = client.get(f"{url}/{path}")
    assert answer.status_code == status
    (header,) = answer.headers.get_list("x-trace-id")
    name = "GET" if status == 404 else f"GET /{path}"
    assert recorded(sink, header, name)["http.response.status_code"] == status


def test_a_client_that_goes_away_in_the_middle(sink, url, client):
    """It has seen the header; request and stream have ended all the same, and neither is an error."""
    with client.stream("GET", f"{url}/stream") as answer:
        header = answer.headers["x-trace-id"]
        assert "w" in next(answer.iter_text())
    assert recorded(sink, header, "GET /stream")["status"] != 2, [s for s in sink.spans if s.trace_id == header]
    talking = recorded(sink, header, "talking")
    assert talking["status"] != 2
    assert talking["llmtrace.stream.outcome"] in ("abandoned", "cancelled")


def test_a_stream_that_fails_in_the_middle(sink, url, client):
    """The header was there, and the trace is an error."""
    with client.stream("GET", f"{url}/broken") as answer:
        header = answer.headers["x-trace-id"]
        with pytest.raises(httpx.RemoteProtocolError):
            list(answer.iter_text())
    assert recorded(sink, header, "GET /broken")["status"] == 2


def test_a_websocket_handshake(sink, url):
    """The header stands on the answer to the handshake, and is the trace of what is sent."""
    with websockets.sync.client.connect(url.replace("http", "ws") + "/ws", proxy=None) as connection:
        header = connection.response.headers["x-trace-id"]
        assert connection.recv() == header


def test_whom_to_believe_by_the_real_peer(url, client):
    """This machine is believed, unless the request says that it came through an edge."""
    caller = {"traceparent": f"00-{THEIRS}-b7ad6b7169203331-01"}
    assert client.get(f"{url}/ok", headers=caller).headers["x-trace-id"] == THEIRS
    for edge in ("x-forwarded-for", "forwarded", "via"):
        answer = client.get(f"{url}/ok", headers=caller | {edge: "127.0.0.1"})
        assert answer.headers["x-trace-id"] == json.loads(answer.text)["trace"] != THEIRS


@pytest.mark.parametrize("server", ["uvicorn-h11", "uvicorn-httptools", "hypercorn"])
def test_the_500_of_an_application_without_a_framework(sink, client, server):
    """The server would answer it without the header, so the middleware does."""
    with served(COMMANDS[server], "middleware_service:bare", settings("bare", sink)) as url:
        answer = client.get(url)
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert recorded(sink, answer.headers["x-trace-id"], "GET")["status"] == 2
