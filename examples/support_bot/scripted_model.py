"""A model server that is SCRIPTED: it speaks the OpenAI protocol, and follows a few rules instead of thinking.

It stands in where there is no model to ask. What it answers is quoted from what the tools returned, so the answers of
the demo do depend on the retrieval. On cue it fails and is slow, so that the demo can show both.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel

MODEL = "scripted-model"
FAILS_ON = "model server fails"
SLOW_ON = "take your time"
SLOW_SECONDS = 3.0

app = FastAPI(title="Scripted model: follows rules, does not think", telemetry={"tracing": False})
_numbers = itertools.count(1)


class ChatRequest(BaseModel):
    """What the script reads of a request. It only streams; what else a request says, it ignores."""

    messages: list[dict[str, Any]]
    stream: Literal[True]


@app.get("/v1/models")
async def models() -> dict[str, Any]:
    """The one model, which says in its name what it is."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "llmtrace example"}]}


@app.post("/v1/chat/completions")
async def chat_completions(request: ChatRequest) -> Response:
    """The next message of the conversation."""
    question, results = _since_last_question(request.messages)
    if FAILS_ON in question:
        error = {"message": "the scripted model fails on cue", "type": "server_error", "param": None, "code": None}
        return JSONResponse({"error": error}, status_code=500)
    if SLOW_ON in question and results:
        await asyncio.sleep(SLOW_SECONDS)
    message = next_message(question, results)
    usage = {"prompt_tokens": count_tokens(request.messages), "completion_tokens": count_tokens(message)}
    usage["total_tokens"] = sum(usage.values())
    return StreamingResponse(_stream(message, usage), media_type="text/event-stream")


def next_message(question: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    """The rules: search first; list the settings where asked for them; then quote what was found."""
    if not results:
        return _call("search_docs", query=question)
    if "settings" in question and not any("settings" in result for result in results):
        return _call("list_settings")
    passages = [passage for result in results for passage in result.get("passages", [])]
    settings = [name for result in results for name in result.get("settings", {})]
    sentences = [f"{_best_sentence(passage['text'], question)} ({passage['page']})" for passage in passages[:2]]
    if settings:
        sentences.insert(0, f"The settings are {', '.join(settings)}.")
    return {"content": "\n".join(sentences) or "The documentation says nothing about that."}


def count_tokens(value: object) -> int:
    """Words and punctuation marks: near enough to a tokenizer for a script."""
    return len(re.findall(r"\w+|[^\w\s]", json.dumps(value)))


def _since_last_question(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """What the user asked last, and what the tools have returned since."""
    start = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=0)
    results = [json.loads(message["content"]) for message in messages[start:] if message["role"] == "tool"]
    return messages[start]["content"], results


def _call(tool: str, **arguments: str) -> dict[str, Any]:
    return {"tool": tool, "arguments": json.dumps(arguments)}


def _best_sentence(text: str, question: str) -> str:
    """The sentence that shares most words with the question; the first one of equals. Code blocks are left out."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    sentences = re.split(r"(?<=[.!?]) |\n\n|\n(?=- )", prose.strip())
    wanted = _words(question)
    best = max(sentences, key=lambda sentence: len(wanted & _words(sentence)))
    return re.sub(r"\s+", " ", best.removeprefix("- "))


def _words(text: str) -> set[str]:
    """Its words of some length, without a plural's s."""
    return {word.rstrip("s") for word in re.findall(r"\w{4,}", text.lower())}


async def _stream(message: dict[str, Any], usage: dict[str, int]) -> AsyncIterator[str]:
    """Server-sent events as OpenAI sends them: deltas, the finish reason, the usage, the end."""
    head = {"id": f"chatcmpl-{next(_numbers)}", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    for delta in _deltas(message):
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        await asyncio.sleep(0.01)
    reason = "tool_calls" if "tool" in message else "stop"
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    yield _event(head | {"choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if "tool" in message else ""}
    if "tool" not in message:
        yield from ({"content": word} for word in re.findall(r"\s*\S+", message["content"]))
        return
    function = {"name": message["tool"], "arguments": ""}
    yield {"tool_calls": [{"index": 0, "id": f"call_{next(_numbers)}", "type": "function", "function": function}]}
    for piece in re.findall(r".{1,12}", message["arguments"]):
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"
