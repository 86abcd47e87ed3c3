"""The Celery example, with its in-memory broker."""

from __future__ import annotations

from pathlib import Path

from otlp_sink import otlp_sink
from scripts import run_script

ROOT = Path(__file__).parents[2]


def test_the_task_goes_on_with_the_trace_of_who_asked():
    """One trace: the request, the agent that is the task, its model call; the next task begins anew."""
    with otlp_sink() as sink:
        code = """
            import warnings
            warnings.simplefilter("default")  # Celery's own
            from examples import celery_worker
            celery_worker.main()
        """
        done = run_script(code, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url, "PYTHONPATH": str(ROOT)}, timeout=60)
        assert (done.returncode, done.stdout) == (0, "Rain.\n"), done.stderr
        request, agent, model = (sink.span(name) for name in ("request", "answer", "llm.chat"))
    assert request.trace_id == agent.trace_id == model.trace_id
    assert agent.parent_id == request.span_id
    assert model.parent_id == agent.span_id
    assert request.attributes["output.value"] == "Rain."
