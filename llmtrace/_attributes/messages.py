"""Conversations of any provider -> OpenInference's flat messages.

Texts are taken by reference (strings cannot change); containers are rendered at once, so that what the caller changes
later does not change the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from operator import itemgetter
from typing import Any, Final

from llmtrace._attributes import pydantic_ai
from llmtrace._attributes.budget import MOST_TAKEN, each
from llmtrace._attributes.calls import put_tool_calls
from llmtrace._attributes.converse import converse_block, is_converse
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, listed, read, text
from llmtrace._attributes.gemini import put_content
from llmtrace._attributes.items import put_item
from llmtrace._attributes.media import bare_image, image_url, put_audio, put_image
from llmtrace._attributes.message_keys import KEPT, MOST_KEPT, MessageKeys, keep_keys, message_keys
from llmtrace._attributes.parts import put_parts, put_plain_parts
from llmtrace._attributes.results import put_result
from llmtrace._attributes.thoughts import put_thoughts
from llmtrace._attributes.values import put_value
from llmtrace._values.serialize import to_text
from llmtrace.semconv import trace as keys

_ROLES: Final = {"human": "user", "ai": "assistant"}
"""LangChain's words for what everybody else calls user and assistant."""
_SPEAKERS: Final = frozenset({*_ROLES, "system", "developer", "user", "assistant", "tool", "function"})
_MOST_FIELDS: Final = 256
_PLAIN: Final = 2
"""Fields of a message that has a role and a content, and nothing else."""
_of_message: Final = itemgetter("role", "content")
"""One call for both."""
_CONVERSATION: Final = ("messages", "input", "contents")
SYSTEM_FIELDS: Final = ("system", "instructions", "system_instruction", "systemInstruction")


def put_messages(into: Attributes, list_key: str, messages: object) -> None:
    """Flatten a conversation: a list of messages, one message, a bare prompt text, or the body of a request.

    Args:
        into: receives the attributes.
        list_key: ``llm.input_messages`` or ``llm.output_messages``.
        messages: dicts or SDK objects of the shapes of OpenAI (chat and Responses), Anthropic, Google, Ollama,
            LangChain, or OpenInference's own nested form.
    """
    if type(messages) is dict and "role" not in messages:
        messages = _of_request(into, messages)
    elif messages is not None and type(messages) is not list and type(messages) is not str:
        messages = _of_prompt_value(messages)
    items = listed(messages)
    index = put_plain_messages(into, list_key, items)
    if index < len(items):
        for message in each(items[index:] if index else items):
            index = _put(into, list_key, index, message)


def put_plain_messages(into: Attributes, list_key: str, items: Sequence[Any]) -> int:
    """Flatten a conversation as far as its messages are dicts of OpenAI's shape with texts and calls in them.

    Returns:
        How many messages that are, from the first one on.
    """
    count = len(items)
    if count > MOST_TAKEN:
        return 0
    kept = KEPT[list_key]
    if count > len(kept):
        keep_keys(list_key, count)
    for named, message in zip(kept, items):  # noqa: B905 - as far as keys are kept
        if type(message) is not dict:
            return named.index
        try:
            role, content = _of_message(message)
        except KeyError:
            return named.index
        # What most messages are, a role and a text, is done here, without a call: it is the hot path.
        if len(message) == _PLAIN and type(role) is str and type(content) is str and content and role not in _ROLES:
            into[named.role] = role
            into[named.content] = content
        elif not _put_plain(into, named, message, role, content):
            return named.index
    return min(count, MOST_KEPT)


def put_message(into: Attributes, list_key: str, index: int, message: object) -> None:
    """Flatten one message to the place `index` of a conversation."""
    _put(into, list_key, index, message)


def _put_plain(into: Attributes, named: MessageKeys, message: dict[Any, Any], role: object, content: object) -> bool:
    """Flatten a message of OpenAI's shape whose content is texts or None; False where it has anything else."""
    if type(role) is not str:
        return False
    count = len(message)
    if content is not None and type(content) is not str:
        if type(content) is not list or count != _PLAIN or not put_plain_parts(into, named.contents, content):
            return False
        content = None  # it is there
    elif count == _PLAIN + 1:  # who called a tool, or what it gave
        if "tool_calls" in message and (calls := message["tool_calls"]) is not None:
            put_tool_calls(into, named.tools, calls)
        else:
            identity = message.get("tool_call_id")
            if type(identity) is not str or not identity:
                return False
            into[named.tool_call_id] = identity
    elif count != _PLAIN:
        return False
    into[named.role] = _ROLES.get(role, role)
    if content:
        into[named.content] = content
    return True


def _put(into: Attributes, list_key: str, index: int, message: object) -> int:
    """Flatten one message; returns the next free place, since tool results become messages of their own."""
    named = message_keys(list_key, index)
    if type(message) is dict and "role" in message and "content" in message:
        role, content = _of_message(message)
        if _put_plain(into, named, message, role, content):
            return index + 1
    if issubclass(type(message), str):
        into[named.role] = "user" if named.is_input else "assistant"
        into[named.content] = str.__str__(message)
        return index + 1
    return _put_fields(into, list_key, index, _unnested(message))


def _of_pair(message: tuple[Any, ...] | list[Any]) -> object:
    """A message as LangChain lets one write it, ``("human", "Hello")``; anything else as it is."""
    if len(message) == _PLAIN and type(message[0]) is str and message[0] in _SPEAKERS:
        return {"role": message[0], "content": message[1]}
    return message


def _put_fields(into: Attributes, list_key: str, index: int, message: object) -> int:
    named = message_keys(list_key, index)
    found = fields(message)
    role = found.get("role")
    content = found.get("content")
    if role is None and put_item(into, named, found):
        return index + 1
    if content is None and found is not message:
        content = read(message, "content")  # a property, perhaps
    if content is None and pydantic_ai.is_theirs(found):
        for plain in pydantic_ai.plain_messages(found):
            index = _put(into, list_key, index, plain)
        return index
    if content is None and found.get("parts") is not None:
        return put_content(into, list_key, index, found)
    if type(content) is not str and any(_is_result(part) for part in each(entries(content))):
        return _put_results(into, list_key, index, found, entries(content))
    before = len(into)
    put_found(into, named, found, content)
    if len(into) == before and message is not None:  # of no known shape; what the model was given is not hidden
        into[named.role] = "user" if named.is_input else "assistant"
        into[named.content] = to_text(message)
    return index + 1


def put_found(into: Attributes, named: MessageKeys, found: Fields, content: object) -> None:
    """Flatten a message of which the fields are at hand.

    Args:
        into: receives the attributes.
        named: the message's keys.
        found: its fields.
        content: its content, a text or parts.
    """
    role = found.get("role")
    if role is None:
        role = found.get("type")
    if role is not None:
        into[named.role] = _ROLES.get(role, role) if type(role) is str else _role(role)
    _put_content(into, named, found, content)
    for field, key in (("name", named.name), ("tool_name", named.name), ("tool_call_id", named.tool_call_id)):
        value = found.get(field)
        if value is not None and (words := text(value)) is not None:
            into[key] = words
    call = found.get("function_call")
    if call is not None:
        _put_function_call(into, named, fields(call))
    calls = found.get("tool_calls")
    if calls is not None:
        put_tool_calls(into, named.tools, calls)


def _role(role: object) -> str:
    words = text(role)
    if words is None and issubclass(type(role), Enum):
        words = text(read(role, "value"))
    return to_text(role) if words is None else _ROLES.get(words, words)


def _put_content(into: Attributes, named: MessageKeys, found: Fields, content: object) -> None:
    start = put_thoughts(into, named.contents, found)
    if type(content) is str and content:
        into[named.content] = content
    elif parts := entries(content):
        put_parts(into, named.contents, named.tools, parts, start=start)
        start += len(parts)
    else:
        words = text(content) or text(found.get("refusal"))
        if words is not None:
            into[named.content] = words
        elif content is not None and not issubclass(type(content), (str, list, tuple)):
            into[named.content] = to_text(content)
    images, audio = found.get("images"), found.get("audio")
    if images is not None or audio is not None:
        _put_media(into, named, images, audio, start)


def _put_media(into: Attributes, named: MessageKeys, images: object, audio: object, start: int) -> None:
    """Images and audio that stand beside the content instead of in it."""
    for image in each(entries(images)):
        url = image_url(fields(image)) or bare_image(image)
        if url is not None:
            put_image(into, f"{named.contents}{start}.", url)
            start += 1
    if audio is not None:
        spoken = fields(audio)
        prefix = f"{named.contents}{start}."
        put_audio(into, prefix, url=None, mime=None, transcript=text(spoken.get("transcript")))
        identity = text(spoken.get("id"))
        if identity is not None:
            into[prefix + keys.CONTENT_ID] = identity


def _put_function_call(into: Attributes, named: MessageKeys, call: Fields) -> None:
    name = text(call.get("name"))
    if name is not None:
        into[named.function_name] = name
    arguments = call.get("arguments")
    if arguments is not None and arguments != "":
        into[named.function_arguments] = to_text(arguments)


def _is_result(part: object) -> bool:
    if is_converse(part):
        return "toolResult" in part  # type: ignore[operator]  # a dict by the line above
    return type(part) is not str and text(fields(part).get("type")) == "tool_result"


def _put_results(into: Attributes, list_key: str, index: int, found: Fields, parts: Sequence[Any]) -> int:
    """Each of Anthropic's tool results as a message by the tool, then what else the user said."""
    for part in each(parts):
        if _is_result(part):
            _put_result(
                into, message_keys(list_key, index), fields(converse_block(part) if is_converse(part) else part)
            )
            index += 1
    others = [part for part in each(parts) if not _is_result(part)]
    if others:
        put_found(into, message_keys(list_key, index), found, others)
        index += 1
    return index


def _put_result(into: Attributes, named: MessageKeys, result: Fields) -> None:
    into[named.role] = "tool"
    identity = text(result.get("tool_use_id"))
    if identity is not None:
        into[named.tool_call_id] = identity
    put_result(into, named, result.get("content"))


def _unnested(message: object) -> object:
    """OpenInference's own form (``{"message": {"role": ..}}`` or ``{"message.role": ..}``) -> a plain message."""
    if type(message) is tuple or type(message) is list:
        return _of_pair(message)
    if type(message) is not dict or "role" in message:
        return message
    inner = message.get("message")
    if type(inner) is dict:
        return inner
    if len(message) <= _MOST_FIELDS and any(type(key) is str and key.startswith("message.") for key in message):
        return {key.removeprefix("message."): value for key, value in message.items() if type(key) is str}
    return message


def _of_request(into: Attributes, request: dict[str, Any]) -> object:
    """The conversation in the body of a request, its system prompt first; what is no such body, as it is."""
    prompt = request.get("prompt")
    if prompt is not None:
        for index, item in enumerate(each(listed(prompt))):
            into[f"{keys.LLM_PROMPTS}.{index}.{keys.PROMPT_TEXT}"] = to_text(item)
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, prompt)
        return None
    inner = either(request, *_CONVERSATION)
    if inner is None:
        return request
    return [*system_messages(request), *listed(inner)]


def _of_prompt_value(value: object) -> object:
    """The messages or the text in one of LangChain's prompt values; anything else, as it is."""
    found = fields(value)
    if type(found) is not dict or "content" in found or "role" in found:
        return value
    inner = found.get("messages")
    return inner if type(inner) is list else text(found.get("text")) or value


def system_messages(parameters: Fields) -> list[Any]:
    """The system prompt that stands beside the messages of a request, as a message; none where there is none.

    Args:
        parameters: the request's fields: Anthropic's ``system``, OpenAI's ``instructions``, Google's
            ``system_instruction``.
    """
    system = either(parameters, *SYSTEM_FIELDS)
    if system is None:
        return []
    inner = fields(system).get("parts") if not issubclass(type(system), str | list | tuple) else None
    return [{"role": "system", "content": system} if inner is None else {"role": "system", "parts": inner}]
