"""A notebook whose cells are run again and again: one provider, no span twice, and a change of mind after `shutdown`.

python -m examples.notebook
"""

from __future__ import annotations

import llmtrace


def first_cell() -> None:
    """At the top of the notebook; run again, it changes nothing."""
    llmtrace.init_tracing(service_name="notebook", project="drafts")


def second_cell(question: str) -> str:
    """What the notebook is for."""
    with llmtrace.llm_span("gpt-4o-mini", question) as span:
        span.record_output("Paris.")
    return "Paris."


def other_project() -> None:
    """Other settings count after `shutdown`."""
    llmtrace.shutdown()
    llmtrace.init_tracing(service_name="notebook", project="final")


def main() -> None:
    """As somebody would who runs cells out of order."""
    for _ in range(3):
        first_cell()
        print(second_cell("Capital of France?"))
    other_project()
    second_cell("Once more?")
    print("all sent" if llmtrace.flush(10) else "not all sent")


if __name__ == "__main__":
    main()
