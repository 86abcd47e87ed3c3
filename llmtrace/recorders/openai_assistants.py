"""Runs of OpenAI's Assistants, whole or streamed, and of Azure's agents, which stream alike: read as OpenAI's chat.

A run is one message: what the assistant said, what it called, and what the provider ran for it.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._values.serialize import to_json
from llmtrace.recorders import openai_chat
from llmtrace.recorders.answer import put_error
from llmtrace.recorders.openai_assistants_stream import OBJECTS, RunAccumulator

_RUN: Final = "thread.run"
_CODE: Final = "code_interpreter"
_SEARCH: Final = "file_search"


def recognises(answer: object) -> bool:
    """Whether `answer` is a run."""
    return text(fields(answer).get("object")) == _RUN


def attributes(answer: object) -> Attributes:
    """Model, what was said and called, why it ended and token counts of one run.

    Args:
        answer: a run; one that was streamed has its ``messages`` and ``calls`` beside it.
    """
    found = fields(answer)
    said = [part for message in map(fields, entries(found.get("messages"))) for part in entries(message.get("content"))]
    action = fields(fields(found.get("required_action")).get("submit_tool_outputs"))
    calls = entries(found.get("calls")) or entries(action.get("tool_calls"))
    functions = [call for call in calls if fields(call).get("function") is not None]
    ran = [tool for call in calls if (tool := _ran(fields(call))) is not None]
    plain = [_part(fields(part)) for part in each(said)]
    words = plain[0].get("text") if len(plain) == 1 and plain[0].get("type") == "text" else plain or None
    message = {"role": "assistant", "content": words, "tool_calls": functions or None}
    cited = [cite for part in said for cite in entries(fields(fields(part).get("text")).get("annotations"))]
    reason = text(fields(found.get("incomplete_details")).get("reason")) or found.get("status")
    into = openai_chat.attributes(
        {
            "id": found.get("id"),
            "model": found.get("model"),
            "choices": [{"message": {**message, "annotations": cited, "executed_tools": ran}, "finish_reason": reason}],
            "usage": found.get("usage"),
        }
    )
    put_error(into, found.get("last_error"))
    return into


def _part(part: Fields) -> dict[str, Any]:
    """A part of a content; a text as everybody else has it."""
    if text(part.get("type")) == "text":
        held = part.get("text")
        return {"type": "text", "text": text(held) or text(fields(held).get("value")) or ""}
    return {name: part.get(name) for name in ("type", "refusal", "image_url", "image_file")}


def _ran(call: Fields) -> dict[str, Any] | None:
    """What the provider ran itself, as Groq says it."""
    code, search = call.get(_CODE), call.get(_SEARCH)
    if code is not None:
        outputs = [fields(output) for output in each(entries(fields(code).get("outputs")))]
        logs = "".join(text(output.get("logs")) or "" for output in outputs)
        others = [fields(output.get("image")).get("file_id") for output in outputs if output.get("image") is not None]
        output = logs or (to_json(others) if others else None)
        return {"type": _CODE, "id": call.get("id"), "arguments": fields(code).get("input"), "output": output}
    if search is not None:
        results = entries(fields(search).get("results"))
        return {"type": _SEARCH, "id": call.get("id"), "search_results": {"results": results} if results else None}
    return None


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a run that is streamed: it says so, or what it brings does."""
    found = fields(chunk)
    kind = text(either(found, "event", "object"))
    return kind is not None and (kind in OBJECTS or (kind.startswith("thread.") and found.get("data") is not None))


def accumulator() -> RunAccumulator:
    """A new accumulator for one stream."""
    return RunAccumulator(attributes)
