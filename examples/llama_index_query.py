"""LlamaIndex next to your own spans: a query engine over two documents, inside an agent of yours.

python -m examples.llama_index_query        needs llama-index-core and openinference-instrumentation-llama-index
"""

from __future__ import annotations

from llama_index.core import Document, SummaryIndex
from llama_index.core.llms import MockLLM

import llmtrace


def main() -> None:
    """One question."""
    llmtrace.init_tracing(service_name="llama-index-query", auto_instrument=["llama_index"])
    index = SummaryIndex.from_documents([Document(text="Oslo is rainy."), Document(text="Bergen is rainier.")])
    engine = index.as_query_engine(llm=MockLLM(max_tokens=5))  # in place of your OpenAI(...)
    with llmtrace.agent_span("support", input="Weather?", user_id="u-1", session_id="s-1") as agent:
        answer = str(engine.query("Weather?"))
        agent.record_output(answer)
    print("answered" if answer else "no answer")
    llmtrace.shutdown()


if __name__ == "__main__":
    main()
