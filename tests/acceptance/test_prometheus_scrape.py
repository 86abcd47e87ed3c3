"""Debian's real Prometheus scrapes an application that llmtrace measures, through OpenTelemetry's exporter."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus import free_port, program, running
from waiting import wait_until

import llmtrace

pytest_plugins = ("core_fixtures",)

GUIDE = Path(llmtrace.__file__).parent.parent / "docs/how-to/metrics.md"
WORK = """
import sys
for number in range(10):
    with llmtrace.llm_span("gpt-4o", "hello") as span:
        span.set_attributes({"llm.token_count.prompt": 900, "llm.cost.total": 0.5, "llm.provider": "openai"})
with llmtrace.retrieval_span("q") as span:
    span.record_documents([])
try:
    with llmtrace.tool_span("search", {}):
        raise TimeoutError
except TimeoutError:
    pass
llmtrace.flush(5)
print("ready", flush=True)
sys.stdin.read()
"""


def block(kind: str, having: str) -> str:
    """The guide's example of that language that holds these words."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if having in text]
    return found


@contextmanager
def application(folder: Path, port: int, backend: str, sampling: str):
    """The guide's program, as it stands but for its port, with some work to do."""
    setup = block("python", "PrometheusMetricReader").replace("9464", str(port))
    environment = {"PHOENIX_COLLECTOR_ENDPOINT": backend, "LLMTRACE_SAMPLING": sampling, "XDG_STATE_HOME": str(folder)}
    command = [sys.executable, "-W", "error", "-c", setup + WORK]
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(llmtrace.__file__).parents[1],
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield
        process.stdin.close()
        assert process.wait(15) == 0


@contextmanager
def prometheus(folder: Path, port: int):
    """A Prometheus with the guide's configuration, every second."""
    config = "global: {scrape_interval: 1s}\n" + block("yaml", "scrape_configs").replace("9464", str(port))
    (folder / "prometheus.yml").write_text(config)
    own = free_port()
    url = f"http://127.0.0.1:{own}"
    arguments = [f"--web.listen-address=127.0.0.1:{own}", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
    arguments += [f"--config.file={folder}/prometheus.yml"]
    with (
        running(folder, program("prometheus"), *arguments, ready=f"{url}/-/ready"),
        httpx.Client(base_url=url) as client,
    ):
        yield client


def ask(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query."""
    answer = client.get("/api/v1/query", params={"query": query}).raise_for_status().json()
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def test_a_real_prometheus_scrapes_what_was_sampled_away(clean_env, sink, tmp_path):
    """At a sampling ratio of 0 no span arrives, and Prometheus has counted every one of them."""
    port = free_port()
    with application(tmp_path, port, sink.url, "production:ratio=0,errors=false"), prometheus(tmp_path, port) as client:
        name = "gen_ai_client_operation_duration_seconds_count"
        (calls,) = wait_until(lambda: ask(client, name + '{gen_ai_operation_name="chat"}'), "the scrape", deadline=30)
        assert calls["value"][1] == "10"
        assert calls["metric"]["gen_ai_request_model"] == "gpt-4o"
        assert calls["metric"]["job"] == "support-bot"
        for query, value in {
            'gen_ai_client_token_usage_sum{gen_ai_token_type="input"}': "9000",
            "llmtrace_llm_cost_total": "5",
            "llmtrace_retrieval_empty_total": "1",
            'llmtrace_tool_errors_total{error_type="TimeoutError"}': "1",
        }.items():
            (found,) = ask(client, query)
            assert found["value"][1] == value, query
        quantile = re.search(r"`(histogram_quantile.*)`", GUIDE.read_text())
        assert quantile is not None
        assert client.get("/api/v1/query", params={"query": quantile[1]}).json()["status"] == "success"
    assert sink.spans == []
