"""Sampling across two services over real HTTP: what holds, and what does not, as the documentation says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from otlp_sink import OtlpSink, otlp_sink
from servers import served
from waiting import wait_until

from llmtrace.semconv import trace as keys


@dataclass(frozen=True, slots=True)
class Pair:
    """Both services, the backend of each, and a client."""

    front: str
    back: str
    front_sink: OtlpSink
    back_sink: OtlpSink
    client: httpx.Client

    def go(self, **how: object) -> str:
        """One request to the front; its trace id."""
        return self.client.get(f"{self.front}/go", params=how).headers["x-trace-id"]

    def settle(self, trace_id: str) -> tuple[set[str], set[str]]:
        """What each backend has of a trace, once a request that must arrive at both has arrived there."""
        fence = self.go(then="/broken")
        for sink in (self.front_sink, self.back_sink):
            wait_until(lambda sink=sink: fence in {span.trace_id for span in sink.spans}, "the fence has arrived")
        return self.names(self.front_sink, trace_id), self.names(self.back_sink, trace_id)

    @staticmethod
    def names(sink: OtlpSink, trace_id: str) -> set[str]:
        """The spans of a trace, without those that the framework makes of itself."""
        named = {span.name for span in sink.spans if span.trace_id == trace_id}
        return {name for name in named if not name.startswith("fastapi.")}


UVICORN = "-m uvicorn --port {port} --log-level error"


def settings(name: str, sink: OtlpSink, back: str = "") -> dict[str, str]:
    """The environment of a service."""
    return {"SINK": sink.url, "SERVED": name, "BACK": back}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Both services at ratio 0: what is kept, a rule has kept."""
    with ExitStack() as stack:
        sinks = [stack.enter_context(otlp_sink()) for _ in range(2)]
        back = stack.enter_context(served(UVICORN, "two_services:back", settings("back", sinks[1])))
        front = stack.enter_context(served(UVICORN, "two_services:front", settings("front", sinks[0], back)))
        yield Pair(front, back, *sinks, stack.enter_context(httpx.Client(trust_env=False)))


def test_a_boring_request_is_kept_by_neither(pair):
    """Nothing failed."""
    assert pair.settle(pair.go()) == (set(), set())


def test_a_failure_that_is_answered_keeps_both_parts(pair):
    """B answers 500, A's call is an error: each keeps its part by itself."""
    front, back = pair.settle(pair.go(then="/broken"))
    assert front == {"GET /go", "call"}
    assert back == {"GET /broken"}


def test_a_trace_that_was_kept_before_the_call_is_kept_behind_it(pair):
    """A says so in its own tracestate key; B believes it, because A is a trusted peer, and gives that as its reason."""
    trace_id = pair.go(before=True)
    front, back = pair.settle(trace_id)
    assert front == {"GET /go", "call", "failed before"}
    assert back == {"GET /fine", "tool.fine"}
    reasons = {span.attributes[keys.SAMPLING_REASON] for span in pair.back_sink.spans if span.trace_id == trace_id}
    assert reasons == {"upstream"}


def test_a_failure_that_nobody_told_keeps_its_own_part_only(pair):
    """B failed inside and answered 200: A's part is gone. For whole traces there is the Collector."""
    front, back = pair.settle(pair.go(then="/quiet"))
    assert front == set()
    assert back == {"GET /quiet", "failed quietly"}


def test_a_failure_after_the_call_does_not_reach_back(pair):
    """B had answered already: its part is gone. For whole traces there is the Collector."""
    front, back = pair.settle(pair.go(after=True))
    assert front == {"GET /go", "call", "failed after"}
    assert back == set()


def test_a_stranger_keeps_nothing(pair):
    """A client behind the edge that claims a kept and sampled trace is not believed."""
    headers = {
        "x-forwarded-for": "203.0.113.7",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "llmtrace=k:error,ot=th:0",
    }
    answer = pair.client.get(f"{pair.back}/fine", headers=headers)
    assert pair.settle(answer.headers["x-trace-id"]) == (set(), set())
    assert pair.settle("0af7651916cd43dd8448eb211c80319c") == (set(), set())


def test_baggage_says_nothing_of_sampling(pair):
    """The hint travels in tracestate alone."""
    answer = pair.client.get(f"{pair.back}/fine", headers={"baggage": "llmtrace=k:error,llmtrace.keep=true"})
    assert pair.settle(answer.headers["x-trace-id"]) == (set(), set())
