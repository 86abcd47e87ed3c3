"""The head: what leaves this process is an honest decision by chance."""

from __future__ import annotations

import random

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from tail_house import remote

import llmtrace
from llmtrace import _chance
from llmtrace._head import RANDOM_TRACE_ID, SAMPLED, Head, trusting

pytest_plugins = ("core_fixtures",)


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 0), (2.0**-56, 0), (1.0, 1)])
def test_the_ends_of_the_scale(ratio, kept):
    """At 0 nothing is sampled, at 1 everything, at the least probability the one trace that it stands for."""
    head = Head(ratio)
    for trace_id in (0, 1 << 64, 12345, _chance.END - 2):
        assert head.of_root(trace_id, RANDOM_TRACE_ID, "a", {})[0] == kept
    last = head.of_root(_chance.END - 1, RANDOM_TRACE_ID, "a", {})[0]
    assert last == (ratio > 0)


def test_an_id_that_is_not_random_gets_a_randomness_of_its_own():
    """It is written into the state, so that everybody compares the same."""
    head = Head(0.5)
    for _ in range(100):
        flag, state = head.of_root(1, 0, "a", {})
        said = _chance.read(state)
        assert said.randomness is not None
        assert flag == (said.randomness >= _chance.threshold(0.5))
        assert said.threshold == (_chance.threshold(0.5) if flag else None)


def test_the_share_that_is_sampled_is_the_ratio():
    """Within three standard deviations, and spread evenly: chi-squared over ten groups."""
    dice = random.Random(5)  # noqa: S311 - a test's dice
    head, number = Head(0.1), 100_000
    groups = [0] * 10
    for index in range(number):
        groups[index % 10] += head.of_root(dice.getrandbits(128), RANDOM_TRACE_ID, "a", {})[0]
    assert abs(sum(groups) - number * 0.1) < 3 * (number * 0.1 * 0.9) ** 0.5
    expected = number * 0.1 / 10
    assert sum((group - expected) ** 2 / (expected * 0.9) for group in groups) < 27.9  # p = 0.001 at 9 degrees


def test_a_ratio_may_be_a_function(lenient, counts):
    """Of the first span's name and attributes; where it fails the trace is kept and the failure counted."""

    def ratio(name, attributes):
        return {"health": 0.0, "checkout": 1.0}[name] if "bad" not in attributes else 1 / 0

    head = Head(ratio)
    assert head.of_root(_chance.END - 1, RANDOM_TRACE_ID, "health", {}) == (0, None)
    assert head.of_root(0, RANDOM_TRACE_ID, "checkout", {})[0] == SAMPLED
    assert head.of_root(0, RANDOM_TRACE_ID, "health", {"bad": 1}) == (SAMPLED, {"ot": "th:0"})
    assert counts()["lost.internal_error"] == 1


def test_vendors_entries_pass_through():
    """Whatever others have written is handed on, in its order."""
    flag, state = Head(0.01).of_remote(remote(sampled=True, state="ot=th:8;rv:ffffffffffffff,a=1,b=2"), Context())
    assert flag == SAMPLED
    assert dict(state) == {"ot": "th:8;rv:ffffffffffffff", "a": "1", "b": "2"}


def test_a_threshold_that_contradicts_the_flag_is_left_out():
    """The flag is what others have acted on; what the threshold said of the probability is then unknown."""
    _, state = Head(0.01).of_remote(remote(sampled=True, state="ot=th:fff;rv:00000000000000,a=1"), Context())
    assert dict(state) == {"ot": "rv:00000000000000", "a": "1"}
    _, state = Head(0.01).of_remote(remote(sampled=False, state="ot=th:0"), Context())
    assert dict(state) == {}


def test_only_a_trusted_caller_says_that_it_has_kept_a_trace():
    """By default nobody is; the middleware says who is, or the policy says that all are."""
    caller = remote(state="llmtrace=k:error")
    assert "llmtrace" not in Head(0.01).of_remote(caller, Context())[1]
    assert "llmtrace" in Head(0.01).of_remote(caller, trusting(Context()))[1]
    assert "llmtrace" in Head(0.01, trusts=True).of_remote(caller, Context())[1]


def test_as_a_sampler_it_records_everything_and_loses_no_attribute():
    """Wherever the SDK asks it."""
    for ratio, decision in ((0.0, Decision.RECORD_ONLY), (1.0, Decision.RECORD_AND_SAMPLE)):
        result = Head(ratio).should_sample(None, 7, "a", attributes={"k": 1})
        assert result.decision is decision
        assert result.attributes == {"k": 1}


@pytest.mark.parametrize("inner", [ALWAYS_OFF, ParentBased(TraceIdRatioBased(0.0)), ALWAYS_ON])
def test_record_all_records_what_a_sampler_drops(inner):
    """With its attributes and its parent's state; the flag stays what the sampler decided."""
    provider = SdkProvider(sampler=llmtrace.record_all(inner), shutdown_on_exit=False)
    flags = TraceFlags(1 if inner is ALWAYS_ON else 0)
    caller = SpanContext(7, 5, is_remote=True, trace_flags=flags, trace_state=TraceState([("a", "1")]))
    context = set_span_in_context(NonRecordingSpan(caller))
    span = provider.get_tracer("t").start_span("a", context, attributes={"k": 1})
    assert span.is_recording()
    assert span.attributes == {"k": 1}
    assert span.get_span_context().trace_flags.sampled == (inner is ALWAYS_ON)
    assert dict(span.get_span_context().trace_state) == {"a": "1"}
