"""A Celery task that goes on with the trace of whoever asked for it.

    python -m examples.celery_worker      asks one question, with a worker and a broker in this very process

The trace travels in the message's headers: `before_task_publish` writes it, `task_prerun` makes it current in the
worker, `task_postrun` ends that. A worker that forks begins its tracing after the fork, in `worker_process_init`.
"""

from __future__ import annotations

from contextvars import Token
from typing import Any

from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from opentelemetry import context, propagate

import llmtrace

app = Celery("bot", broker="memory://", backend="cache+memory://")
_entered: dict[str, Token[Any]] = {}


@signals.before_task_publish.connect
def write_trace(headers: dict[str, Any], **_: Any) -> None:
    """Who asks: his trace goes along."""
    propagate.inject(headers)


@signals.task_prerun.connect
def enter_trace(task_id: str, task: Any, **_: Any) -> None:
    """Who works: what the task records stands below who asked."""
    _entered[task_id] = context.attach(propagate.extract(task.request.headers or {}))


@signals.task_postrun.connect
def leave_trace(task_id: str, **_: Any) -> None:
    """The next task of this worker begins anew."""
    if (token := _entered.pop(task_id, None)) is not None:
        context.detach(token)


@signals.worker_process_init.connect
def begin(**_: Any) -> None:
    """In each process of a forking worker."""
    llmtrace.init_tracing(service_name="bot-worker")


@app.task
@llmtrace.agent(name="answer")
def answer(question: str) -> str:
    """The work: an agent, with a model call inside."""
    with llmtrace.llm_span("scripted", [{"role": "user", "content": question}]) as span:
        span.record_output("Rain.")
    return "Rain."


def main() -> None:
    """Ask, and wait for the answer."""
    llmtrace.init_tracing(service_name="bot")
    worker = start_worker(app, pool="solo", perform_ping_check=False, loglevel="ERROR")
    with worker, llmtrace.chain_span("request", input="Weather?") as request:
        found = answer.delay("Weather?").get(timeout=20)
        request.record_output(found)
    print(found)
    llmtrace.shutdown()


if __name__ == "__main__":
    main()
