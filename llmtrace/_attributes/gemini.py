"""Google's contents, ``{"role": ..., "parts": [...]}``, in snake_case or camelCase -> messages.

As in OpenInference's instrumentor for google-genai: a single text is the message's content, several parts are its
contents, function calls are tool calls, and each function response is a message of its own, by the tool.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.calls import put_call
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, kept, text
from llmtrace._attributes.media import data_url, encoded_bytes, put_blob, without_data
from llmtrace._attributes.message_keys import MessageKeys, message_keys
from llmtrace._attributes.parts import put_words
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_MOST_PARTS: Final = 200
"""Parts of one content that are flattened."""


def put_content(into: Attributes, list_key: str, index: int, content: Fields) -> int:
    """Flatten one content to one or more messages, from the place `index` on; returns the next free place."""
    parts = [(part, fields(part)) for part in each(entries(content.get("parts")), _MOST_PARTS)]
    results = [response for _, found in parts if (response := _of(found, "function_response")) is not None]
    others = [pair for pair in parts if _of(pair[1], "function_response") is None]
    if others or not results:
        named = message_keys(list_key, index)
        into[named.role] = text(content.get("role")) or ("user" if named.is_input else "model")
        _put_parts(into, named, others)
        index += 1
    for result in results:
        _put_result(into, message_keys(list_key, index), fields(result))
        index += 1
    return index


def _of(found: Fields, name: str) -> object:
    """A field in Python's or in JSON's spelling."""
    value = found.get(name)
    return found.get(_in_json(name)) if value is None else value


@cache
def _in_json(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _put_result(into: Attributes, named: MessageKeys, result: Fields) -> None:
    into[named.role] = "tool"
    for key, field in ((named.name, "name"), (named.tool_call_id, "id")):
        words = text(result.get(field))
        if words is not None:
            into[key] = words
    response = result.get("response")
    if response is not None:
        into[named.content] = to_json(response)
    for place, part in enumerate(each(entries(result.get("parts")), _MOST_PARTS)):
        _put_part(into, f"{named.contents}{place}.", fields(part), None)


def _put_parts(into: Attributes, named: MessageKeys, parts: list[tuple[object, Fields]]) -> None:
    contents = calls = 0
    for part, found in parts:
        call = _of(found, "function_call")
        if call is not None:
            _put_call(into, f"{named.tools}{calls}.", fields(call), _signature(found))
            calls += 1
            continue
        words = text(part) or text(found.get("text"))
        if words is not None and len(parts) == 1 and found.get("thought") is not True and _signature(found) is None:
            into[named.content] = words
        elif _put_part(into, f"{named.contents}{contents}.", found, words):
            contents += 1


def _put_call(into: Attributes, prefix: str, call: Fields, signature: str | None) -> None:
    arguments = call.get("args")
    put_call(into, prefix, call.get("id"), call.get("name"), None if arguments is None else to_json(arguments))
    if signature is not None:
        into[prefix + keys.TOOL_CALL_REASONING_SIGNATURE] = signature


def _put_part(into: Attributes, prefix: str, found: Fields, words: str | None) -> bool:
    signature = _signature(found)
    blob, file = fields(_of(found, "inline_data")), fields(_of(found, "file_data"))
    url = data_url(_of(blob, "mime_type"), blob.get("data")) or text(_of(file, "file_uri"))
    if signature is not None:
        into[prefix + keys.CONTENT_SIGNATURE] = signature
    if words is None and url is not None:
        put_blob(into, prefix, text(_of(blob, "mime_type")) or text(_of(file, "mime_type")), url)
    elif words is not None or not _put_other(into, prefix, found):
        if words is None and signature is None:
            return False
        put_words(into, prefix, "reasoning" if found.get("thought") is True else "text", words)
    return True


_SAID_ELSEWHERE: Final = frozenset({"text", "thought", "thought_signature", "thoughtSignature"})


def _put_other(into: Attributes, prefix: str, found: Fields) -> bool:
    """Code that was run, and what else Google may put in a part: named by the one field that is set."""
    plain = {name: kept(value) or value for name, value in kept(found).items() if name not in _SAID_ELSEWHERE}
    kind = next(iter(plain), None)
    if kind is not None:
        put_words(into, prefix, kind, to_text(without_data(plain)))
    return kind is not None


def _signature(found: Fields) -> str | None:
    signature = _of(found, "thought_signature")
    return text(signature) or encoded_bytes(signature)
