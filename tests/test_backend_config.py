"""The settings `backends` and `spool`: what they take, and what they say to the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import llmtrace
from llmtrace._config.backends import resolve_backends
from llmtrace._config.spool import resolve_spool
from llmtrace.exceptions import ConfigurationError


def test_a_backend_is_settled_like_the_main_one():
    """A base URL gets its path, the name is the host unless one is given."""
    first, second = resolve_backends(
        [
            llmtrace.Backend("https://user:pw@otlp.example.org:4318"),
            llmtrace.Backend("http://a/v1/x", headers={"K": "v"}, conventions=("openinference", "gen_ai"), name="two"),
        ]
    )
    assert (first.name, first.url) == ("otlp.example.org:4318", "https://user:pw@otlp.example.org:4318/v1/traces")
    assert (second.name, second.url, second.headers) == ("two", "http://a/v1/x", {"k": "v"})
    assert second.conventions == ("openinference", "gen_ai")
    assert "pw" not in repr(first)


@pytest.mark.parametrize(
    ("backends", "said"),
    [
        ("http://a", "allowed: a list of llmtrace.Backend"),
        (["http://a"], "allowed: a list of llmtrace.Backend"),
        ([llmtrace.Backend("nowhere")], "backends: endpoint='nowhere'"),
        ([llmtrace.Backend("http://a:4317")], "port 6006 for Phoenix"),
        ([llmtrace.Backend("http://a"), llmtrace.Backend("http://a/other")], "name='a'"),
        ([llmtrace.Backend("http://a", name="router")], "name='router'"),
        ([llmtrace.Backend("http://a", conventions=("mine",))], "backends: conventions"),
        ([llmtrace.Backend("http://a", headers={"a b": "c"})], "backends: headers"),
    ],
)
def test_what_cannot_be_a_backend_is_refused(backends, said):
    """One line that names the setting, the value and what is allowed."""
    with pytest.raises(ConfigurationError) as raised:
        resolve_backends(backends)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_spool_is_where_the_state_of_programs_is():
    """$XDG_STATE_HOME, else ~/.local/state; a relative one is ignored, as its specification says."""
    home = {"HOME": "/home/u"}
    assert resolve_spool(True, {"XDG_STATE_HOME": "/state"}).folder == Path("/state/llmtrace/spool")
    assert resolve_spool(True, home).folder == Path("/home/u/.local/state/llmtrace/spool")
    assert resolve_spool(True, {**home, "XDG_STATE_HOME": "x"}).folder == Path("/home/u/.local/state/llmtrace/spool")


@pytest.mark.parametrize(
    ("asked", "word", "folder", "write_ahead"),
    [
        (None, "", "/home/u/.local/state/llmtrace/spool", False),
        (None, "on", "/home/u/.local/state/llmtrace/spool", False),
        (None, "write-ahead", "/home/u/.local/state/llmtrace/spool", True),
        (None, "/var/spool/bot", "/var/spool/bot", False),
        ("write-ahead", "off", "/home/u/.local/state/llmtrace/spool", True),
        ("/var/spool/bot", "", "/var/spool/bot", False),
        (Path("/var/spool/bot"), "", "/var/spool/bot", False),
        (llmtrace.Spool("/var/spool/bot", write_ahead=True), "", "/var/spool/bot", True),
    ],
)
def test_each_way_to_say_where(asked, word, folder, write_ahead):
    """The argument wins over LLMTRACE_SPOOL."""
    found = resolve_spool(asked, {"HOME": "/home/u", "LLMTRACE_SPOOL": word})
    assert (str(found.folder), found.write_ahead) == (folder, write_ahead)


@pytest.mark.parametrize(("asked", "word"), [(False, ""), (None, "false"), (None, "0"), (None, "off")])
def test_it_can_be_off(asked, word):
    """Then nothing is ever written to disk."""
    assert resolve_spool(asked, {"HOME": "/home/u", "LLMTRACE_SPOOL": word}) is None


@pytest.mark.parametrize(
    "asked",
    [7, "", [], llmtrace.Spool(max_bytes=10), llmtrace.Spool(max_age=0), llmtrace.Spool(max_age=-1.0), object()],
)
def test_what_cannot_be_a_spool_is_refused(asked):
    """One line that says what is allowed."""
    with pytest.raises(ConfigurationError, match=r"^spool=.*allowed: True, False, 'write-ahead', a folder"):
        resolve_spool(asked, {"HOME": "/home/u"})


def test_under_pytest_it_is_off_unless_it_is_asked_for():
    """A test run leaves no spans for the next one; a program that a test starts is no test run."""
    assert "_pytest.config" in sys.modules
    assert resolve_spool(None, os.environ) is None
    assert resolve_spool(True, os.environ) is None
    assert resolve_spool("/var/spool/bot", os.environ) is not None
    assert resolve_spool("write-ahead", os.environ) is not None
