"""The feedback route: what it takes, what it refuses, and that nothing is written then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_calls import call, hello, http_scope, sent_header
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from score_server import ScoreServer, score_server
from starlette.routing import Route
from starlette.testclient import TestClient

import llmtrace
from llmtrace.feedback import FeedbackRoute
from llmtrace.middleware import TraceIdMiddleware
from llmtrace.sampling import SamplingPolicy

pytest_plugins = ("core_fixtures",)

TRACE = "0af7651916cd43dd8448eb211c80319c"
JSON = [(b"content-type", b"application/json")]


@pytest.fixture
def phoenix_like() -> Iterator[ScoreServer]:
    """A backend."""
    with score_server() as running:
        yield running


def post(body: Any, headers: Any = (), route: Any = None, method: str = "POST") -> tuple[int, dict[str, str]]:
    """Status and answer of one request to the route; `body` is JSON, or bytes as they are."""
    sent: list[Any] = []
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    pieces = [text[start : start + 4096] for start in range(0, len(text), 4096)] or [b""]
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope("/feedback", [*JSON, *headers] if not headers or headers[0][0] != b"content-type" else headers)
    asyncio.run((route or FeedbackRoute())({**scope, "method": method}, receive, send))
    assert taken <= 5, "the whole of a long body was read"
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_thumb_for_a_trace_of_another_process(start, phoenix_like, strict):
    """The backend knows it."""
    start(endpoint=phoenix_like.url)
    phoenix_like.known.add(TRACE)
    status, answer = post({"trace_id": TRACE, "thumbs": "down", "comment": "It never rains there."})
    assert (status, answer) == (202, {"status": "accepted", "trace_id": TRACE})
    assert llmtrace.flush(10)
    (path, given), _ = phoenix_like.annotations
    assert path == "/v1/trace_annotations"
    assert given["result"] == {"score": 0.0, "label": "down", "explanation": "It never rains there."}
    assert (given["name"], given["annotator_kind"], given["identifier"]) == ("thumbs", "HUMAN", "llmtrace")


def test_a_thumb_for_a_trace_of_this_process_may_be_faster_than_the_trace(start, phoenix_like, strict):
    """The header of an answer, sent back at once."""
    start(endpoint=phoenix_like.url)
    (header,) = sent_header(call(TraceIdMiddleware(hello)), b"x-trace-id")
    assert post({"thumbs": "up"}, [(b"x-trace-id", header)])[0] == 202
    assert phoenix_like.annotations == []
    phoenix_like.known.add(header.decode())
    assert llmtrace.flush(10)
    assert len(phoenix_like.annotations) == 2


def test_scores_and_labels_instead_of_thumbs_and_who_judges(start, phoenix_like, strict):
    """A number, a word, and an identifier: the same person again replaces the judgement."""
    start(endpoint=phoenix_like.url)
    phoenix_like.known.add(TRACE)
    route = FeedbackRoute("stars", who=lambda _: "u-7")
    assert post({"trace_id": TRACE, "score": 4, "label": "good"}, route=route)[0] == 202
    assert llmtrace.flush(10)
    (_, given), _ = phoenix_like.annotations
    assert (given["name"], given["identifier"], given["result"]) == ("stars", "u-7", {"score": 4, "label": "good"})


WRONG = [
    pytest.param({"trace_id": "xyz", "thumbs": "up"}, 400, "trace_id", id="forged id"),
    pytest.param({"trace_id": f"{TRACE}\r\nset-cookie: a=b", "thumbs": "up"}, 400, "trace_id", id="header in an id"),
    pytest.param({"trace_id": "0" * 32, "thumbs": "up"}, 400, "trace_id", id="zero id"),
    pytest.param({"trace_id": {"$ne": 1}, "thumbs": "up"}, 400, "trace_id", id="object as id"),
    pytest.param({"trace_id": None, "thumbs": "up"}, 400, "trace_id", id="null id"),
    pytest.param({"thumbs": "up"}, 400, "trace_id", id="no id"),
    pytest.param({"trace_id": TRACE}, 400, "score", id="no score"),
    pytest.param({"trace_id": TRACE, "thumbs": "sideways"}, 400, "thumbs", id="unknown thumb"),
    pytest.param({"trace_id": TRACE, "thumbs": True}, 400, "thumbs", id="boolean thumb"),
    pytest.param({"trace_id": TRACE, "thumbs": ["up"]}, 400, "thumbs", id="list as thumb"),
    pytest.param({"trace_id": TRACE, "score": "high"}, 400, "score", id="text as score"),
    pytest.param(b'{"trace_id": "%s", "score": NaN}' % TRACE.encode(), 400, "score", id="NaN"),
    pytest.param(b'{"trace_id": "%s", "score": 1e999}' % TRACE.encode(), 400, "score", id="infinite"),
    pytest.param({"trace_id": TRACE, "thumbs": "up", "score": 1}, 400, "thumbs", id="both"),
    pytest.param({"trace_id": TRACE, "score": 1, "comment": "c" * 9000}, 400, "explanation", id="long comment"),
    pytest.param({"trace_id": TRACE, "score": 1, "label": "a\nb"}, 400, "label", id="two lines"),
    pytest.param({"trace_id": TRACE, "thumbs": "up", "admin": True}, 400, "admin", id="unknown field"),
    pytest.param({"trace_id": "1" * 32, "thumbs": "up"}, 404, "no such trace", id="unknown trace"),
    pytest.param(b"x" * 1_000_000, 413, "16384", id="1 MB"),
    pytest.param(b"[" * 16_000, 400, "JSON", id="deep"),
    pytest.param(b"{", 400, "JSON", id="half"),
    pytest.param(b"", 400, "JSON", id="empty"),
    pytest.param(b"[]", 400, "JSON", id="list"),
    pytest.param(b"\xff\xfe", 400, "JSON", id="bytes"),
]


@pytest.mark.parametrize(("body", "status", "says"), WRONG)
def test_bad_input_is_a_clear_4xx_and_nothing_is_written(start, phoenix_like, strict, body, status, says):
    """Which field, and what is allowed."""
    start(endpoint=phoenix_like.url)
    phoenix_like.known.add(TRACE)
    got, answer = post(body)
    assert got == status
    assert answer.keys() == {"error", "detail"}
    assert says in answer["detail"]
    assert llmtrace.flush(10)
    assert phoenix_like.annotations == []


def test_other_methods_and_media_types(start, phoenix_like, strict):
    """405 and 415."""
    start(endpoint=phoenix_like.url)
    assert post({}, method="GET")[0] == 405
    assert post({}, [(b"content-type", b"text/plain")])[0] == 415
    assert post({}, [(b"content-type", b"application/x-www-form-urlencoded")])[0] == 415


def test_a_trace_that_was_not_kept_is_404_not_kept(start, sink, strict):
    """A good thumb at once, a bad one when its spans are gone; a bad one in time brings it back."""
    start(sampling=SamplingPolicy(ratio=0.0))
    (header,) = sent_header(call(TraceIdMiddleware(hello)), b"x-trace-id")
    assert llmtrace.flush(10)
    assert post({"trace_id": header.decode(), "thumbs": "up"}) == (
        404,
        {"error": "not_kept", "detail": "the trace was sampled away"},
    )
    assert post({"trace_id": header.decode(), "thumbs": "down"})[0] == 202
    assert sink.wait_for_spans(1)[0].trace_id == header.decode()


def test_a_trace_that_is_gone_is_404_also_for_a_bad_thumb(start, sink, strict):
    """Nothing of it is at hand any more."""
    start(sampling=SamplingPolicy(ratio=0.0, grave_spans=0))
    (header,) = sent_header(call(TraceIdMiddleware(hello)), b"x-trace-id")
    assert llmtrace.flush(10)
    assert post({"trace_id": header.decode(), "thumbs": "down"})[1]["error"] == "not_kept"


def test_without_tracing_it_says_so():
    """503: nobody would take it."""
    assert post({"trace_id": TRACE, "thumbs": "up"})[0] == 503


def test_a_backend_that_does_not_answer_is_no_error_of_the_users(start, lenient):
    """It is taken, and tried again."""
    start(endpoint="http://127.0.0.1:1")
    assert post({"trace_id": TRACE, "thumbs": "up"})[0] == 202


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["trace_id", "thumbs", "score", "label", "comment", "x"]), inner)
        ),
        max_leaves=6,
    )
)
def test_any_body_is_an_answer(body):
    """Never an exception, always JSON; without tracing never accepted."""
    status, answer = post(body)
    assert status in (400, 413, 503)
    assert answer["error"]


def test_as_a_route_of_fastapi(start, phoenix_like, strict):
    """As a route, and behind the middleware."""
    start(endpoint=phoenix_like.url)
    app = FastAPI()
    app.add_middleware(TraceIdMiddleware)
    app.router.routes.append(Route("/feedback", FeedbackRoute()))
    with TestClient(app) as client:
        header = client.get("/nowhere").headers["x-trace-id"]
        assert client.post("/feedback", json={"trace_id": header, "thumbs": "down"}).status_code == 202
        assert (
            client.post("/feedback", json={"trace_id": header, "thumbs": "no"}).json()["detail"]
            == "thumbs: allowed: up, down"
        )
