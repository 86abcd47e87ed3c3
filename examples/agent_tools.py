"""An agent that asks a model, runs the tool that it wants, and asks again; the waterfall is drawn on stderr.

python -m examples.agent_tools
"""

from __future__ import annotations

import json
from typing import Any

import llmtrace

TOOLS = [{"type": "function", "function": {"name": "search_docs", "parameters": {"type": "object"}}}]
Message = dict[str, Any]


def model(messages: list[Message]) -> Message:
    """In place of your client: wants a search first, then answers from what was found."""
    if messages[-1]["role"] != "tool":
        call = {"name": "search_docs", "arguments": json.dumps({"query": messages[-1]["content"]})}
        message = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
        reason = "tool_calls"
    else:
        message = {"role": "assistant", "content": f"The documentation says: {messages[-1]['content']}"}
        reason = "stop"
    usage = {"prompt_tokens": 20 * len(messages), "completion_tokens": 8, "total_tokens": 20 * len(messages) + 8}
    choice = {"index": 0, "finish_reason": reason, "message": message}
    return {"model": "gpt-4o-mini-2024-07-18", "choices": [choice], "usage": usage}


@llmtrace.tool
def search_docs(query: str) -> str:
    """A tool with a retrieval of its own."""
    with llmtrace.retrieval_span(query, top_k=1) as span:
        documents = [{"id": "sampling.md", "content": "production keeps every trace with an error", "score": 0.9}]
        span.record_documents(documents)
    return str(documents[0]["content"])


@llmtrace.agent(name="support")
def support(goal: str) -> str:
    """Ask until the model wants no tool any more."""
    messages: list[Message] = [{"role": "user", "content": goal}]
    while True:
        with llmtrace.llm_span("gpt-4o-mini", messages, tools=TOOLS) as span:
            answer = model(messages)
            span.record_output(answer)
        message = answer["choices"][0]["message"]
        if "tool_calls" not in message:
            return str(message["content"])
        messages.append(message)
        for call in message["tool_calls"]:
            said = search_docs(**json.loads(call["function"]["arguments"]))
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": said})


def main() -> None:
    """One goal."""
    llmtrace.init_tracing(service_name="agent-tools", console=True)
    print(support("What does the preset production keep?"))
    llmtrace.flush()


if __name__ == "__main__":
    main()
