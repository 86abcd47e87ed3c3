"""LangSmith's trace(); runs are serialised as always and put in a queue that forgets them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ |= {"LANGSMITH_TRACING": "true", "LANGSMITH_DISABLE_RUN_COMPRESSION": "true"}

from langsmith import Client, trace
from workload import MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("langsmith==0.14.17",)


def record(client: Client) -> None:
    """One LLM call."""
    with trace(
        "llm.chat",
        run_type="llm",
        inputs={"messages": MESSAGES},
        extra={"invocation_params": PARAMETERS, "metadata": {"ls_model_name": MODEL}},
        client=client,
    ) as run:
        run.end(outputs={"message": OUTPUT, "usage_metadata": USAGE})


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    client = Client(api_url="http://127.0.0.1:9", api_key="bench")

    def forget(*_: Any, **__: Any) -> None:
        """Nothing is queued."""

    client.tracing_queue.put = client.tracing_queue.put_nowait = forget
    trace("support", run_type="chain", client=client).__enter__()
    return {"llm": lambda: record(client)}
