"""Which proxy the environment names for an address."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace._proxy import proxy_for


def proxy(url: str, **env: str) -> str | None:
    """The proxy for an address."""
    return proxy_for(urlsplit(url), env)


@pytest.mark.parametrize(
    ("url", "env", "expected"),
    [
        ("http://a.org/", {}, None),
        ("http://a.org/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.org/", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a.org/", {"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "http://q:1"),
        ("https://a.org/", {"all_proxy": "p:1"}, "http://p:1"),
        ("https://a.org/", {"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ("http://a.org/", {"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, None),
        ("http://a.org/", {"http_proxy": " "}, None),
    ],
)
def test_the_proxy_is_the_one_for_the_scheme(url, env, expected):
    """The scheme's variable, then ALL_PROXY; lower case first; a header of a CGI request is no setting."""
    assert proxy(url, **env) == expected


@pytest.mark.parametrize(
    ("no_proxy", "exempt"),
    [
        ("", False),
        ("*", True),
        ("org", True),
        ("example.org", True),
        (".example.org", True),
        ("*.example.org", True),
        ("phoenix.example.org", True),
        (" other.net , EXAMPLE.ORG ", True),
        ("example.org:6006", True),
        ("example.org:80", False),
        ("ample.org", False),
        ("phoenix", False),
        (",", False),
    ],
)
def test_hosts_are_exempt_with_their_domains(no_proxy, exempt):
    """NO_PROXY names hosts and domains, with a port or without."""
    found = proxy("http://phoenix.example.org:6006/v1/traces", HTTP_PROXY="http://p:1", NO_PROXY=no_proxy)
    assert (found is None) is exempt


@pytest.mark.parametrize(("url", "entry"), [("http://[::1]:6006/", "::1"), ("http://127.0.0.1:9/", "127.0.0.1")])
def test_addresses_are_exempt_as_they_are(url, entry):
    """IPv4 and IPv6."""
    assert proxy(url, HTTP_PROXY="http://p:1") == "http://p:1"
    assert proxy(url, HTTP_PROXY="http://p:1", NO_PROXY=f"a.org,{entry}") is None
    assert proxy(url, HTTP_PROXY="http://p:1", NO_PROXY="[::1],127.0.0.1") is None


HOSTS = st.sampled_from(["a.org", "b.a.org", "x.net", "localhost", "127.0.0.1"])
ENTRIES = st.lists(HOSTS | st.sampled_from(["*", "", "org"]), max_size=3).map(",".join)


@given(
    scheme=st.sampled_from(["http", "https"]),
    host=HOSTS,
    no_proxy=ENTRIES,
    env=st.dictionaries(st.sampled_from(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]), st.just("http://p:1")),
)
def test_it_is_the_proxy_that_httpx_would_use(scheme, host, no_proxy, env):
    """What was reached through a proxy stays so, and what was not."""
    url = f"{scheme}://{host}/v1/traces"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        for name, value in {**env, "NO_PROXY": no_proxy}.items():
            patch.setenv(name, value)
        with httpx.Client(verify=False) as client:  # noqa: S501 - nothing is sent
            through = client._transport_for_url(httpx.URL(url)) is not client._transport
    assert (proxy(url, **env, NO_PROXY=no_proxy) is not None) is through
