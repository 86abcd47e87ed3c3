"""Links into Phoenix's page."""

from __future__ import annotations

import pytest

from llmtrace.backends.phoenix import session_url, span_url, trace_url


@pytest.mark.parametrize("base", ["http://localhost:6006", "http://localhost:6006/"])
def test_links_stand_below_the_base(base):
    """A link is the base, the kind and the id, whether or not the base ends in a slash."""
    assert trace_url(base, "ab" * 16) == f"http://localhost:6006/redirects/traces/{'ab' * 16}"
    assert span_url(base, "cd" * 8) == f"http://localhost:6006/redirects/spans/{'cd' * 8}"


def test_a_host_path_is_kept():
    """A Phoenix below a path of a shared host keeps that path."""
    assert trace_url("https://acme.example/phoenix", "0" * 32).startswith("https://acme.example/phoenix/redirects/")


def test_a_session_id_is_quoted():
    """A session id of any text cannot leave its place in the path."""
    assert session_url("http://h", "a/../b?c#d é") == "http://h/redirects/sessions/a%2F..%2Fb%3Fc%23d%20%C3%A9"
