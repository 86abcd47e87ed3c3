"""Flattened OpenInference messages -> the JSON messages of the GenAI conventions: roles with parts. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmtrace.semconv import trace as keys

Message = dict[str, Any]

_ROLES: Final = {"model": "assistant", "ai": "assistant", "human": "user", "function": "tool", "developer": "system"}
_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "refusal": "content_filter",
    "failed": "error",
}
"""A provider's word for why it stopped -> that of the conventions."""
_CONTENT: Final = keys.MESSAGE_CONTENTS + "."
_CALLS: Final = keys.MESSAGE_TOOL_CALLS + "."
_MEDIA: Final = (
    ("image", f"{keys.CONTENT_IMAGE}.{keys.IMAGE_URL}"),
    ("audio", f"{keys.CONTENT_AUDIO}.{keys.AUDIO_URL}"),
    ("video", f"{keys.CONTENT_VIDEO}.{keys.VIDEO_URL}"),
    ("document", f"{keys.CONTENT_DOCUMENT}.{keys.DOCUMENT_URL}"),
)


def messages(attributes: Mapping[str, Any], list_key: str) -> list[Message]:
    """The messages under `list_key`, in their order; one without any part is left out."""
    grouped = entries(attributes, list_key)
    made = (_message(grouped[index]) for index in sorted(grouped))
    return [message for message in made if message["parts"]]


def entries(attributes: Mapping[str, Any], list_key: str) -> dict[int, dict[str, Any]]:
    """The flattened entries of a list: index -> the rest of the key -> value."""
    prefix = list_key + "."
    found: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in attributes.items():
        if key.startswith(prefix):
            index, _, rest = key[len(prefix) :].partition(".")
            if index.isdecimal() and index.isascii() and rest:
                found[int(index[:9])][rest] = value
    return found


def one_answer(found: list[Message], reason: str | None) -> list[Message]:
    """What one choice said as one message: OpenInference has one for each item of an answer, the conventions one."""
    if not found:
        return []
    parts = [part for message in found for part in message["parts"]]
    return [_finished({**found[0], "role": "assistant", "parts": parts}, reason)]


def several_answers(found: list[Message], reasons: tuple[str, ...]) -> list[Message]:
    """One message for each choice, with why it ended."""
    padded = [*reasons, *[None] * len(found)]
    return [_finished(message, reason) for message, reason in zip(found, padded, strict=False)]


def text_message(role: str, words: str) -> Message:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": words}]}


def parsed(text: object) -> Any:
    """What a JSON text says; any other value as it is."""
    if type(text) is not str or text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _finished(message: Message, reason: str | None) -> Message:
    if reason is None:
        return message
    return {**message, "finish_reason": _REASONS.get(reason.lower(), reason.lower())}


def _message(fields: Mapping[str, Any]) -> Message:
    role = str(fields.get(keys.MESSAGE_ROLE, "user"))
    made: Message = {"role": _ROLES.get(role, role), "parts": list(_parts(fields))}
    name = fields.get(keys.MESSAGE_NAME)
    if name:
        made["name"] = name
    return made


def _parts(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    content = fields.get(keys.MESSAGE_CONTENT)
    contents = entries(fields, keys.MESSAGE_CONTENTS)
    called = fields.get(keys.MESSAGE_TOOL_CALL_ID)
    if called or fields.get(keys.MESSAGE_ROLE) == "tool":
        said = parsed(content) if content is not None else [_part(contents[index]) for index in sorted(contents)]
        yield {"type": "tool_call_response", "id": called or None, "response": said}
        return
    for index in sorted(contents):
        if contents[index].get(keys.CONTENT_TYPE) != "tool_use":  # it stands among the tool calls, too
            yield _part(contents[index])
    if content:
        yield {"type": "text", "content": content}
    calls = entries(fields, keys.MESSAGE_TOOL_CALLS)
    for index in sorted(calls):
        yield _call(calls[index])
    function = fields.get(keys.MESSAGE_FUNCTION_CALL_NAME)
    if function:
        arguments = parsed(fields.get(keys.MESSAGE_FUNCTION_CALL_ARGUMENTS))
        yield {"type": "tool_call", "id": None, "name": function, "arguments": arguments}


def _call(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": fields.get(keys.TOOL_CALL_ID),
        "name": fields.get(keys.TOOL_CALL_FUNCTION_NAME, ""),
        "arguments": parsed(fields.get(keys.TOOL_CALL_FUNCTION_ARGUMENTS)),
    }


def _part(fields: Mapping[str, Any]) -> dict[str, Any]:
    kind = fields.get(keys.CONTENT_TYPE, "text")
    words = fields.get(keys.CONTENT_TEXT, "")
    for modality, key in _MEDIA:
        if key in fields:
            return _medium(modality, str(fields[key]), fields)
    if kind == "audio":
        transcript = fields.get(f"{keys.CONTENT_AUDIO}.{keys.AUDIO_TRANSCRIPT}", "")
        return {"type": "blob", "modality": "audio", "content": "", "transcript": transcript}
    return {"type": kind, "content": words}


def _medium(modality: str, url: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    if not url.startswith("data:"):
        return {"type": "uri", "modality": modality, "uri": url}
    head, _, data = url.partition(",")
    made = {"type": "blob", "modality": modality, "content": data}
    mime = head.removeprefix("data:").partition(";")[0]
    if mime:
        made["mime_type"] = mime
    transcript = fields.get(f"{keys.CONTENT_AUDIO}.{keys.AUDIO_TRANSCRIPT}")
    if transcript:
        made["transcript"] = transcript
    return made
