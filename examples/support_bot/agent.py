"""The agent: asks the model, runs the tools that it calls, until it answers. Every step is a span."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from openai.lib.streaming.chat import ChatCompletionStreamState

import llmtrace

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from examples.support_bot.tools import Toolbox

SYSTEM = (
    "You answer questions about llmtrace, a Python library that traces LLM applications. First call search_docs. "
    "Answer only from what the tools return, in a few sentences, and name the page. If they return nothing, say so."
)
DEFAULT_MODEL = "gpt-4o-mini"
MAX_TURNS = 5


class SupportAgent:
    """Answers questions from the documentation only."""

    def __init__(self, client: AsyncOpenAI, model: str, tools: Toolbox) -> None:
        self._client = client
        self._model = model
        self._tools = tools

    @llmtrace.agent(name="support-bot")
    async def answer(self, question: str) -> AsyncIterator[str]:
        """Answer, piece by piece as the model speaks.

        Raises:
            openai.OpenAIError: the model server cannot be reached, or fails.
        """
        messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        request: dict[str, Any] = {"model": self._model, "tools": self._tools.schemas, "temperature": 0.2}
        for _ in range(MAX_TURNS):
            with llmtrace.llm_span(messages=messages, **request) as span:
                stream = await self._client.chat.completions.create(
                    messages=messages, **request, stream=True, stream_options={"include_usage": True}
                )
                state = ChatCompletionStreamState()
                async for chunk in span.record_stream(stream):
                    state.handle_chunk(chunk)
                    if chunk.choices and (piece := chunk.choices[0].delta.content):
                        yield piece
            reply = state.get_final_completion().choices[0].message.model_dump(exclude_none=True)
            if not reply.get("tool_calls"):
                return
            messages += [reply, *(self._run_tool(call) for call in reply["tool_calls"])]

    def _run_tool(self, call: dict[str, Any]) -> dict[str, Any]:
        """One tool call of the model; returns the message that answers it."""
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        with llmtrace.tool_span(name, arguments) as span:
            result = self._tools.call(name, arguments)
            span.record_output(result)
        return {"role": "tool", "tool_call_id": call["id"], "content": result}
