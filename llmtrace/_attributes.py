"""Messages, tools and documents of any common shape -> OpenInference's flat attributes. Pure: no span, no I/O.

Phoenix renders messages and documents only in this form, ``llm.input_messages.0.message.role`` and so on; a list in
one JSON string is shown as nothing or breaks the page. Texts are taken by reference (strings cannot change); containers
are rendered at once, so that what the caller changes later does not change the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final

from llmtrace._serialize import to_json, to_text
from llmtrace.semconv import trace as keys

AttributeValue = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
Attributes = dict[str, Any]
"""Flat attributes on their way to a span: key -> str, bool, int, float or a tuple of one of them."""

_ROLES: Final = {"human": "user", "ai": "assistant"}
"""LangChain's words for what everybody else calls user and assistant."""

_CONTENT_KEYS: Final = ("content", "text", "page_content")
_ID_KEYS: Final = ("id", "id_", "doc_id", "document_id", "node_id")
_SCORE_KEYS: Final = ("score", "relevance_score", "similarity")


def read(value: object, name: str) -> Any:
    """The field `name` of a mapping or an SDK object; None where there is none or reading it fails."""
    if type(value) is dict or isinstance(value, Mapping):
        return value.get(name)
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - a property of a foreign object may raise anything
        return None


def first(value: object, names: Iterable[str]) -> Any:
    """The first field of `names` that is there."""
    for name in names:
        found = read(value, name)
        if found is not None:
            return found
    return None


def listed(value: object) -> Sequence[object]:
    """A list as it is, nothing as an empty one, any other value as a list of one.

    An iterator is one value: reading it would take it away from the app.
    """
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, Sequence | AbstractSet | ValuesView) and not isinstance(value, str | bytes | bytearray):
        return tuple(value)
    return (value,)


class _MessageKeys:
    """The attribute keys of one message, made once and kept: building strings is most of the cost of flattening."""

    __slots__ = ("content", "contents", "function_arguments", "function_name", "name", "role", "tool_call_id", "tools")

    def __init__(self, prefix: str) -> None:
        self.role = prefix + keys.MESSAGE_ROLE
        self.content = prefix + keys.MESSAGE_CONTENT
        self.contents = f"{prefix}{keys.MESSAGE_CONTENTS}."
        self.name = prefix + keys.MESSAGE_NAME
        self.tools = f"{prefix}{keys.MESSAGE_TOOL_CALLS}."
        self.tool_call_id = prefix + keys.MESSAGE_TOOL_CALL_ID
        self.function_name = prefix + keys.MESSAGE_FUNCTION_CALL_NAME
        self.function_arguments = prefix + keys.MESSAGE_FUNCTION_CALL_ARGUMENTS


_KEPT: Final[dict[str, list[_MessageKeys]]] = {keys.LLM_INPUT_MESSAGES: [], keys.LLM_OUTPUT_MESSAGES: []}
_MOST_KEPT: Final = 512


def _message_keys(list_key: str, index: int) -> _MessageKeys:
    kept = _KEPT[list_key]
    if index < len(kept):
        return kept[index]
    made = _MessageKeys(f"{list_key}.{index}.")
    if index == len(kept) and index < _MOST_KEPT:
        kept.append(made)
    return made


def put_messages(into: Attributes, list_key: str, messages: object) -> None:
    """Flatten a conversation: a list of messages, one message, or a bare prompt text.

    Args:
        into: receives the attributes.
        list_key: ``llm.input_messages`` or ``llm.output_messages``.
        messages: dicts or SDK objects of OpenAI's shape, LangChain's messages, OpenInference's own nested form.
    """
    for index, message in enumerate(listed(messages)):
        put_message(into, list_key, index, message)


def put_message(into: Attributes, list_key: str, index: int, message: object) -> None:
    """Flatten one message to the place `index` of a conversation."""
    named = _message_keys(list_key, index)
    if isinstance(message, str):
        into[named.role] = "user" if list_key == keys.LLM_INPUT_MESSAGES else "assistant"
        into[named.content] = message
        return
    message = _unnested(message)
    role = read(message, "role") or read(message, "type")
    if role is not None:
        into[named.role] = _role(role)
    _put_content(into, named, first(message, ("content", "refusal")))
    for field, key in (("name", named.name), ("tool_call_id", named.tool_call_id)):
        text = read(message, field)
        if isinstance(text, str) and text:
            into[key] = text
    _put_function_call(into, named, read(message, "function_call"))
    put_tool_calls(into, named.tools, read(message, "tool_calls"))


def _unnested(message: object) -> object:
    """OpenInference's own form (``{"message": {"role": ..}}`` or ``{"message.role": ..}``) -> a plain message."""
    if not isinstance(message, Mapping):
        return message
    inner = message.get("message")
    if isinstance(inner, Mapping):
        return inner
    if any(isinstance(key, str) and key.startswith("message.") for key in message):
        return {str(key).removeprefix("message."): value for key, value in message.items()}
    return message


def _role(role: object) -> str:
    if isinstance(role, Enum):
        role = role.value
    return _ROLES.get(role, role) if isinstance(role, str) else to_text(role)


def _put_content(into: Attributes, named: _MessageKeys, content: object) -> None:
    if isinstance(content, str):
        into[named.content] = content
    elif isinstance(content, list | tuple):
        for index, part in enumerate(content):
            _put_part(into, f"{named.contents}{index}.", part)
    elif content is not None:
        into[named.content] = to_text(content)


def _put_part(into: Attributes, prefix: str, part: object) -> None:
    if isinstance(part, str):
        into[prefix + keys.CONTENT_TYPE] = "text"
        into[prefix + keys.CONTENT_TEXT] = part
        return
    kind = read(part, "type")
    text = first(part, ("text", "refusal"))
    image = read(part, "image_url")
    if isinstance(text, str):
        into[prefix + keys.CONTENT_TYPE] = "text"
        into[prefix + keys.CONTENT_TEXT] = text
    elif image is not None:
        into[prefix + keys.CONTENT_TYPE] = "image"
        url = image if isinstance(image, str) else read(image, "url")
        into[f"{prefix}{keys.CONTENT_IMAGE}.image.url"] = to_text(url)
    else:
        into[prefix + keys.CONTENT_TYPE] = kind if isinstance(kind, str) else "unknown"
        into[prefix + keys.CONTENT_TEXT] = to_text(part)


def _put_function_call(into: Attributes, named: _MessageKeys, call: object) -> None:
    if call is None:
        return
    name, arguments = read(call, "name"), read(call, "arguments")
    if isinstance(name, str):
        into[named.function_name] = name
        into[named.function_arguments] = to_text(arguments)


def put_tool_calls(into: Attributes, prefix: str, calls: object) -> None:
    """Flatten tool calls: OpenAI's (``function.name``, ``.arguments``) or LangChain's (``name``, ``args``)."""
    if not isinstance(calls, list | tuple):
        return
    for index, call in enumerate(calls):
        base = f"{prefix}{index}."
        function = read(call, "function") or call
        identity = read(call, "id")
        name = read(function, "name")
        arguments = first(function, ("arguments", "args"))
        if isinstance(identity, str) and identity:
            into[base + keys.TOOL_CALL_ID] = identity
        if isinstance(name, str) and name:
            into[base + keys.TOOL_CALL_FUNCTION_NAME] = name
        if arguments is not None and arguments != "":
            into[base + keys.TOOL_CALL_FUNCTION_ARGUMENTS] = to_text(arguments)


def put_tools(into: Attributes, tools: object) -> None:
    """The tools offered to a model, each as its JSON schema: ``llm.tools.<i>.tool.json_schema``."""
    for index, tool in enumerate(listed(tools)):
        into[f"{keys.LLM_TOOLS}.{index}.{keys.TOOL_JSON_SCHEMA}"] = tool if isinstance(tool, str) else to_json(tool)


def put_documents(into: Attributes, list_key: str, documents: object) -> int:
    """Flatten retrieved documents and return how many there were.

    A document is a text, a dict or an object with ``content``/``text``/``page_content`` and optional ``id``, ``score``,
    ``metadata``; a pair ``(document, score)``; or a node with ``.node`` and ``.score``.
    """
    items = listed(documents)
    for index, document in enumerate(items):
        put_document(into, list_key, index, document)
    return len(items)


def put_document(into: Attributes, list_key: str, index: int, document: object) -> None:
    """Flatten one document to the place `index` of a list."""
    prefix = f"{list_key}.{index}."
    document, score = _with_score(_unwrapped(document))
    if isinstance(document, str):
        into[prefix + keys.DOCUMENT_CONTENT] = document
    else:
        _put_document_fields(into, prefix, document)
    if isinstance(score, int | float):
        into[prefix + keys.DOCUMENT_SCORE] = float(score)


def _unwrapped(document: object) -> object:
    """OpenInference's own nested form (``{"document": {..}}`` or ``{"document.content": ..}``) -> a plain document."""
    if not isinstance(document, Mapping):
        return document
    inner = document.get("document")
    if isinstance(inner, Mapping):
        return inner
    if any(isinstance(key, str) and key.startswith("document.") for key in document):
        return {str(key).removeprefix("document."): value for key, value in document.items()}
    return document


def _with_score(document: object) -> tuple[object, object]:
    match document:
        case (inner, int() | float() as score):
            return inner, score
        case _ if not isinstance(document, str | Mapping) and read(document, "node") is not None:
            return read(document, "node"), read(document, "score")
    return document, first(document, _SCORE_KEYS)


def _put_document_fields(into: Attributes, prefix: str, document: object) -> None:
    content = first(document, _CONTENT_KEYS)
    into[prefix + keys.DOCUMENT_CONTENT] = to_text(document if content is None else content)
    identity = first(document, _ID_KEYS)
    if isinstance(identity, str | int):
        into[prefix + keys.DOCUMENT_ID] = str(identity)
    metadata = read(document, "metadata")
    if metadata:
        into[prefix + keys.DOCUMENT_METADATA] = metadata if isinstance(metadata, str) else to_json(metadata)


def put_value(into: Attributes, value_key: str, mime_key: str, value: object) -> None:
    """An input or output of any kind as text, with its MIME type."""
    if isinstance(value, str):
        into[value_key] = value
        into[mime_key] = keys.MIME_TEXT
    elif value is not None:
        into[value_key] = to_json(value)
        into[mime_key] = keys.MIME_JSON
