"""The sampling policy as plain data, and its form in the environment."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.exceptions import ConfigurationError
from llmtrace.sampling import Preset, SamplingPolicy, policy_of, read_sampling


def test_the_defaults_are_the_production_preset():
    """1 %, errors, ten seconds, a cap of 100 traces a second."""
    policy = policy_of(Preset.PRODUCTION)
    assert policy == SamplingPolicy() == policy_of(read_sampling("x", "production"))
    assert (policy.ratio, policy.errors, policy.slow, policy.cost, policy.rule_cap) == (0.01, True, 10.0, None, 100.0)
    assert policy_of(Preset.DEVELOPMENT) is policy_of(Preset.COLLECTOR) is policy_of(Preset.OFF) is None


def test_a_policy_is_frozen():
    """It is data."""
    with pytest.raises(FrozenInstanceError):
        SamplingPolicy().ratio = 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"ratio": -0.1},
        {"ratio": 1.1},
        {"ratio": True},
        {"ratio": "1 %"},
        {"ratio": float("nan")},
        {"errors": 1},
        {"slow": 0},
        {"slow": float("inf")},
        {"cost": -1},
        {"rule_cap": 0},
        {"grace": None},
        {"max_spans": 1.5},
        {"max_bytes": -1},
        {"keep_if": "error"},
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(wrong):
    """In one line: the value's name, what it was, what is allowed."""
    (name,) = wrong
    with pytest.raises(ConfigurationError) as caught:
        SamplingPolicy(**wrong)
    assert f"{name}={wrong[name]!r}" in str(caught.value)
    assert "allowed:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_follow_the_preset_in_the_environment():
    """Numbers, times with their unit, yes and no, none."""
    text = (
        "production: ratio=0.05, slow=500ms, grace=2s, max_age=5m, cost=0.5, rule_cap=none, errors=false, max_spans=10"
    )
    assert read_sampling("LLMTRACE_SAMPLING", text) == SamplingPolicy(
        ratio=0.05, slow=0.5, grace=2.0, max_age=300.0, cost=0.5, rule_cap=None, errors=False, max_spans=10
    )
    assert read_sampling("x", "Production:slow=5") == SamplingPolicy(slow=5)


@pytest.mark.parametrize(
    "wrong",
    [
        "production:",
        "production:ratio",
        "production:rate=1",
        "production:ratio=1s",
        "production:ratio=2",
        "production:slow=5x",
        "production:slow=",
        "production:keep_if=f",
        "development:ratio=1",
        "productive",
    ],
)
def test_what_cannot_be_in_the_environment_is_one_line(wrong):
    """It names the setting, the value and what is allowed."""
    if wrong == "production:":
        assert read_sampling("LLMTRACE_SAMPLING", wrong) == SamplingPolicy()
        return
    with pytest.raises(ConfigurationError) as caught:
        read_sampling("LLMTRACE_SAMPLING", wrong)
    assert str(caught.value).startswith(f"LLMTRACE_SAMPLING={wrong!r}")
    assert "allowed:" in str(caught.value)


@given(st.text(max_size=60))
def test_no_text_is_anything_but_a_policy_or_a_configuration_error(text):
    """Whatever stands in the environment."""
    for word in (text, f"production:{text}"):
        try:
            read_sampling("LLMTRACE_SAMPLING", word)
        except ConfigurationError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most texts raise, some do not
