"""The how-to pages of backends: each example, run as it stands towards a sink, sends what that backend wants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from otlp_sink import OtlpSink

import llmtrace

pytest_plugins = ["core_fixtures"]

FOLDER = Path(__file__).parent.parent / "docs/how-to"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"https?://[^/\"]+")
SECRETS = ("ARIZE_SPACE_ID", "ARIZE_API_KEY", "HONEYCOMB_API_KEY", "GRAFANA_INSTANCE_ID", "GRAFANA_TOKEN")
WANTED = {
    "otlp.arize.com": ("/v1/traces", {"space_id": "arize_space_id", "api_key": "arize_api_key"}),
    "api.honeycomb.io": ("/v1/traces", {"x-honeycomb-team": "honeycomb_api_key"}),
    "grafana.net": (
        "/otlp/v1/traces", {"authorization": "Basic Z3JhZmFuYV9pbnN0YW5jZV9pZDpncmFmYW5hX3Rva2Vu"}
    ),
    "localhost:4318": ("/v1/traces", {}),
}  # fmt: skip
EXAMPLES = {
    host: code
    for page in ("send-to-arize", "gen-ai-backends")
    for code in PYTHON.findall((FOLDER / f"{page}.md").read_text())
    for host in WANTED
    if host in code
}


@pytest.mark.parametrize("host", WANTED)
def test_each_example_sends_what_its_backend_wants(
    host: str, sink: OtlpSink, clean_env: None, fresh_otel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path, the headers and the attributes that the page names arrive; nothing but the host is another one."""
    for name in SECRETS:
        monkeypatch.setenv(name, name.lower())
    monkeypatch.setenv("LLMTRACE_SAMPLING", "development")
    exec(ADDRESS.sub(sink.url, EXAMPLES[host]), {})  # noqa: S102 - the page's own example
    try:
        with llmtrace.llm_span("gpt-x", [{"role": "user", "content": "hello"}]) as span:
            span.record_output({"choices": [{"message": {"role": "assistant", "content": "hi"}}]})
        (arrived,) = sink.wait_for_spans(1)
    finally:
        llmtrace.shutdown(timeout=0.2)
    path, headers = WANTED[host]
    (request, *_) = sink.requests
    assert request.path == path
    assert {name: request.headers.get(name) for name in headers} == headers
    assert arrived.attributes["llm.model_name"] == "gpt-x"
    if host == "otlp.arize.com":
        assert arrived.resource["openinference.project.name"] == "support-bot"
    else:
        assert arrived.attributes["gen_ai.request.model"] == "gpt-x"
