"""Which model the demo asks, and which of the user's variables its processes see."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.support_bot.stack import clean_environment, is_model_real, name_model


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "SCRIPTED"),
        ({"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}, "SCRIPTED"),
        ({"OPENAI_API_KEY": "sk-secret"}, "the model gpt-4o-mini at api.openai.com"),
        (
            {"OPENAI_BASE_URL": "http://u:pw@localhost:11434/v1", "OPENAI_MODEL": "qwen3"},
            "the model qwen3 at localhost",
        ),
    ],
)
def test_the_demo_says_which_model_it_asks(environment, words):
    """Without OPENAI_* it is the scripted one; otherwise the name and the host are said, and no secret."""
    assert is_model_real(environment) == ("SCRIPTED" not in words)
    assert words in name_model(environment)
    assert not any(secret in name_model(environment) for secret in ("sk-secret", "pw"))


def test_the_users_telemetry_settings_do_not_redirect_the_demo():
    """Variables of OpenTelemetry, Phoenix and llmtrace stay out; loopback goes through no proxy; the rest is kept."""
    users = {"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "PHOENIX_API_KEY": "x", "LLMTRACE_SAMPLING": "off", "HOME": "/home/u"}
    children = clean_environment(users, Path("/run"))
    assert not {"OTEL_EXPORTER_OTLP_ENDPOINT", "PHOENIX_API_KEY", "LLMTRACE_SAMPLING"} & children.keys()
    assert children["HOME"] == "/home/u"
    assert "127.0.0.1" in children["NO_PROXY"]
    assert children["XDG_STATE_HOME"] == "/run/state"
