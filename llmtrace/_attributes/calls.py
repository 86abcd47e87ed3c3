"""Tool calls of any provider -> flat attributes: id, name, arguments."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, either, entries, fields, text
from llmtrace._serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_MOST_KEPT: Final = 512
_kept: Final[dict[str, tuple[str, str, str]]] = {}


def _call_keys(base: str) -> tuple[str, str, str]:
    """The keys of id, name and arguments below `base`, kept: building them is most of the cost."""
    found = _kept.get(base)
    if found is None:
        found = (
            base + keys.TOOL_CALL_ID,
            base + keys.TOOL_CALL_FUNCTION_NAME,
            base + keys.TOOL_CALL_FUNCTION_ARGUMENTS,
        )
        if len(_kept) < _MOST_KEPT:
            _kept[base] = found
    return found


def put_call(into: Attributes, base: str, identity: object, name: object, arguments: object) -> None:
    """One tool call. What is not there is left out."""
    id_key, name_key, arguments_key = _call_keys(base)
    words = text(identity)
    if words is not None:
        into[id_key] = words
    words = text(name)
    if words is not None:
        into[name_key] = words
    if type(arguments) is str:
        if arguments:
            into[arguments_key] = arguments
    elif arguments is not None:
        into[arguments_key] = to_text(arguments)


def put_tool_calls(into: Attributes, prefix: str, calls: object) -> None:
    """Flatten tool calls: OpenAI's (``function.name``, ``.arguments``) or LangChain's (``name``, ``args``)."""
    for index, call in enumerate(each(entries(calls))):
        found = fields(call)
        base = f"{prefix}{index}."
        custom = found.get("custom")
        if custom is not None:
            chosen = fields(custom)
            put_call(into, base, found.get("id"), chosen.get("name"), free_input(chosen.get("input")))
            continue
        function = found.get("function")
        chosen = found if function is None else fields(function)
        put_call(into, base, found.get("id"), chosen.get("name"), either(chosen, "arguments", "args"))


def free_input(value: object) -> str | None:
    """The free text that a custom tool is given, as the JSON object that tool calls have elsewhere."""
    return None if value is None else to_json({"input": value})
