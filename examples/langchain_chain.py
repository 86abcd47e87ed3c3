"""LangChain next to your own spans: the chain stands below your agent, with its user and session.

Its instrumentor does not make its spans current, so what a step records itself stands below your agent, too.

    python -m examples.langchain_chain          needs langchain-core and openinference-instrumentation-langchain
"""

from __future__ import annotations

from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

import llmtrace


def look_up(question: dict[str, str]) -> dict[str, str]:
    """A step of the chain with a span of your own in it."""
    with llmtrace.retrieval_span(question["question"]) as span:
        span.record_documents([{"id": "weather.md", "content": "Oslo is rainy.", "score": 0.9}])
    return {**question, "context": "Oslo is rainy."}


def main() -> None:
    """One question."""
    llmtrace.init_tracing(service_name="langchain-chain", auto_instrument=["langchain"])
    prompt = ChatPromptTemplate.from_template("Answer from {context}: {question}")
    model = FakeListChatModel(responses=["Rain."])  # in place of your ChatOpenAI
    chain = RunnableLambda(look_up) | prompt | model
    with llmtrace.agent_span("support", input="Weather?", user_id="u-1", session_id="s-1") as agent:
        answer = chain.invoke({"question": "Weather?"})
        agent.record_output(answer.content)
    print(answer.content)


if __name__ == "__main__":
    main()
