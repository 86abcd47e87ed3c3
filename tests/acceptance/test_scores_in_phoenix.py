"""The how-to page of scores, run against the real Phoenix."""

from __future__ import annotations

from typing import Any

import pytest
from pages import examples, run_example
from starlette.testclient import TestClient
from waiting import wait_until

import llmtrace

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.phoenix


def annotations(phoenix, trace_id: str) -> list[dict[str, Any]]:
    """The annotations of a trace."""
    answer = phoenix.client.get(f"/v1/projects/{phoenix.project}/trace_annotations", params={"trace_ids": trace_id})
    return [] if answer.status_code == 404 else answer.json()["data"]


@pytest.mark.filterwarnings("default")  # Phoenix's client's own
def test_the_page_runs(phoenix, clean_env, fresh_otel, capsys):
    """Each example does what the page says, and Phoenix has what it says."""
    request, later, route, judge, versions, dataset = examples("how-to/scores-and-feedback.md")
    llmtrace.init_tracing("scores", endpoint=phoenix.base_url, project=phoenix.project)
    given = {"phoenix_url": phoenix.base_url, "project": phoenix.project}
    try:
        trace_id = run_example(request)["trace_id"]
        assert str(run_example(later, trace_id=trace_id)["outcome"]) == "taken"
        run_example(judge, trace_id=trace_id)
        assert llmtrace.flush(30)
        found = {item["name"]: item for item in annotations(phoenix, trace_id)}
        assert found["thumbs"]["result"] == {"score": 0.0, "label": "down", "explanation": "It never rains."}
        assert found["groundedness"]["annotator_kind"] == "LLM"
        frame = run_example(versions, **given)["versions"]
        assert list(frame["llm.prompt_template.version"]) == ["v2"]
        assert "v2" in capsys.readouterr().out
        made = run_example(dataset, **given)["dataset"]
        (example,) = made.examples
        assert example["input"] == {"question": "Weather?"}
        assert example["output"] == {"answer": "Rain."}
        _change_of_mind(phoenix, trace_id)
        _route(phoenix, run_example(route)["app"])
    finally:
        llmtrace.shutdown()


def _change_of_mind(phoenix, trace_id: str) -> None:
    """The same judge again: one annotation, the last."""
    llmtrace.record_score("thumbs", score=1, label="up", trace_id=trace_id)
    assert llmtrace.flush(30)
    (thumbs,) = [item for item in annotations(phoenix, trace_id) if item["name"] == "thumbs"]
    assert (thumbs["result"]["score"], thumbs["result"]["label"]) == (1.0, "up")


def _route(phoenix, app: Any) -> None:
    """A thumb that is faster than its trace, and one for a trace that never was."""
    with TestClient(app) as client:
        header = client.get("/nowhere").headers["x-trace-id"]
        assert client.post("/feedback", json={"trace_id": header, "thumbs": "down"}).status_code == 202
        unknown = client.post("/feedback", json={"trace_id": "1" * 32, "thumbs": "down"})
        assert (unknown.status_code, unknown.json()["error"]) == (404, "not_kept")
    assert llmtrace.flush(30)
    wait_until(lambda: annotations(phoenix, header), "the thumb is there")
