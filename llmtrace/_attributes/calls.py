"""Tool calls of any provider -> flat attributes: id, name, arguments."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, either, entries, fields, text
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_MOST_KEPT: Final = 512
_MOST_PLAIN: Final = 64

CallKeys = tuple[str, str, str]
"""The keys of a call's id, name and arguments."""

# One call for several fields.
_of_call: Final = itemgetter("id", "function")
_of_function: Final = itemgetter("name", "arguments")
_kept: Final[dict[str, list[CallKeys]]] = {}


def _call_keys(base: str) -> CallKeys:
    return (base + keys.TOOL_CALL_ID, base + keys.TOOL_CALL_FUNCTION_NAME, base + keys.TOOL_CALL_FUNCTION_ARGUMENTS)


def _keep(prefix: str, count: int) -> list[CallKeys]:
    """The keys of `count` calls below `prefix`, kept: building them is most of the cost."""
    made = [_call_keys(f"{prefix}{index}.") for index in range(count)]
    if len(_kept) < _MOST_KEPT:
        _kept[prefix] = made
    return made


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
    """Flatten tool calls: OpenAI's (``function.name``, ``.arguments``) LangChain's (``name``, ``args``), Cohere's."""
    items = calls if type(calls) is list else entries(calls)
    done = _put_plain(into, prefix, items)
    if done == len(items):
        return
    for index, call in enumerate(each(items[done:]), done):
        found = fields(call)
        base = f"{prefix}{index}."
        custom = found.get("custom")
        if custom is not None:
            chosen = fields(custom)
            put_call(into, base, found.get("id"), chosen.get("name"), free_input(chosen.get("input")))
            continue
        function = found.get("function")
        chosen = found if function is None else fields(function)
        put_call(into, base, found.get("id"), chosen.get("name"), either(chosen, "arguments", "args", "parameters"))


def _put_plain(into: Attributes, prefix: str, calls: Sequence[Any]) -> int:
    """Flatten calls as far as they are complete dicts of OpenAI's shape, the hot path; returns how many that are."""
    if len(calls) > _MOST_PLAIN:
        return 0
    kept = _kept.get(prefix)
    if kept is None or len(kept) < len(calls):
        kept = _keep(prefix, len(calls))
    done = 0
    for named, call in zip(kept, calls):  # noqa: B905 - another thread may add to them
        if type(call) is not dict or "custom" in call:
            break
        try:
            identity, function = _of_call(call)
            if type(function) is not dict:
                break
            name, arguments = _of_function(function)
        except KeyError:
            break
        if not type(identity) is type(name) is type(arguments) is str:
            break
        if not (identity and name and arguments):
            break
        into[named[0]] = identity
        into[named[1]] = name
        into[named[2]] = arguments
        done += 1
    return done


def free_input(value: object) -> str | None:
    """The free text that a custom tool is given, as the JSON object that tool calls have elsewhere."""
    return None if value is None else to_json({"input": value})
