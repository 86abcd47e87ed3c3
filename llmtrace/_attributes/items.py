"""The items of OpenAI's Responses API that are no messages: calls, their results, reasoning -> messages.

Each item is one message, given and answered alike, as in OpenInference's instrumentor.
"""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.calls import free_input, put_call
from llmtrace._attributes.fields import Attributes, Fields, either, text
from llmtrace._attributes.media import without_data
from llmtrace._attributes.message_keys import MessageKeys
from llmtrace._attributes.parts import put_words, words_of
from llmtrace._attributes.results import put_result
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_ROLES: Final = frozenset({"human", "ai", "system", "tool", "function", "developer", "user", "assistant", "chat"})
"""LangChain says its role in `type`, which is no item's."""
_ARGUMENTS: Final = ("arguments", "action", "actions", "queries", "code", "operation")
"""Where the calls of built-in tools say what is to be done."""
_RESULTS: Final = ("output", "outputs", "results", "error")
"""Where those that the provider ran itself say what came of it."""
_APPROVAL: Final = "mcp_approval_response"


def put_item(into: Attributes, named: MessageKeys, item: Fields) -> bool:
    """Flatten an item without a role; False where it is none of the Responses API's."""
    kind = text(item.get("type"))
    if kind is None or kind in _ROLES:
        return False
    if kind.endswith("_output"):
        _put_result(into, named, item)
    elif kind.endswith("_call"):
        _put_call(into, named, item, kind)
    elif kind == "reasoning":
        _put_reasoning(into, named, item)
    elif item.get("content") is None and (item.get("id") is not None or kind == _APPROVAL):
        into[named.role] = "user" if kind == _APPROVAL else "assistant"
        put_words(into, f"{named.contents}0.", kind, to_text(without_data(item)))
    else:
        return False
    return True


def _put_call(into: Attributes, named: MessageKeys, item: Fields, kind: str) -> None:
    into[named.role] = "assistant"
    arguments = either(item, *_ARGUMENTS)
    if arguments is None and kind == "custom_tool_call":
        rendered = free_input(item.get("input"))
    else:
        rendered = text(arguments) or (None if arguments is None or type(arguments) is str else to_json(arguments))
    put_call(into, f"{named.tools}0.", either(item, "call_id", "id"), text(item.get("name")) or kind, rendered)
    result = either(item, *_RESULTS)
    if result is not None and result != []:
        put_words(into, f"{named.contents}0.", f"{kind}_output", to_text(without_data(result)))


def _put_result(into: Attributes, named: MessageKeys, item: Fields) -> None:
    into[named.role] = "tool"
    identity = text(item.get("call_id"))
    if identity is not None:
        into[named.tool_call_id] = identity
    put_result(into, named, either(item, "output", "tools"))


def _put_reasoning(into: Attributes, named: MessageKeys, item: Fields) -> None:
    into[named.role] = "assistant"
    prefix = f"{named.contents}0."
    put_words(into, prefix, "reasoning", words_of(item.get("summary")) or words_of(item.get("content")))
    encrypted = text(item.get("encrypted_content"))
    if encrypted is not None:
        into[prefix + keys.CONTENT_ENCRYPTED] = encrypted
