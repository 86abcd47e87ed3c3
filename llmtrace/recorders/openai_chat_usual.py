"""The chat completion that nearly every call gets, read in one go: one choice, with a text or with tool calls.

A quicker way to the very attributes that `openai_chat` finds, for a dict or an SDK object with nothing unusual in it;
anything else is left to that. A property test holds the two together.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from llmtrace._attributes.calls import put_tool_calls
from llmtrace._attributes.fields import Attributes, fields, read
from llmtrace._attributes.message_keys import message_keys
from llmtrace.recorders import text
from llmtrace.recorders.openai_chat import put_usage
from llmtrace.semconv.trace import (
    LLM_FINISH_REASON,
    LLM_MODEL_NAME,
    LLM_OUTPUT_MESSAGES,
    LLM_TOKEN_COUNT_COMPLETION,
    LLM_TOKEN_COUNT_PROMPT,
    LLM_TOKEN_COUNT_TOTAL,
    MIME_TEXT,
    OUTPUT_MIME_TYPE,
    OUTPUT_VALUE,
    RESPONSE_ID,
)

_SAYS_MORE: Final = frozenset(
    {
        "audio",
        "citations",
        "context",
        "executed_tools",
        "function_call",
        "images",
        "name",
        "parts",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "refusal",
        "thinking",
        "thinking_blocks",
        "tool_call_id",
        "tool_name",
    }
)
"""Fields of a message that are recorded too."""
_FARTHEST: Final = 2**63
_PLAIN: Final = 2
"""Fields of a message that has a role and a content, and nothing else."""
_COUNTS: Final = 3
"""Token counts of a server that says nothing more of them."""
_OUTPUT: Final = message_keys(LLM_OUTPUT_MESSAGES, 0)
# One call for several fields.
_of_answer: Final = itemgetter("id", "model", "choices", "usage")
_of_choice: Final = itemgetter("index", "message", "finish_reason")
_of_message: Final = itemgetter("role", "content")
_of_usage: Final = itemgetter("total_tokens", "prompt_tokens", "completion_tokens")


def put_usual(into: Attributes, answer: object) -> bool:  # noqa: PLR0911 - the hot path, without calls
    """Record a usual answer, or a bare text; False: it is neither, and nothing was recorded."""
    if type(answer) is str:
        into.update(text.attributes(answer))
        return True
    try:
        found = answer if type(answer) is dict else _stored(answer)
        identity, model, choices, usage = _of_answer(found)
        if type(choices) is not list or len(choices) != 1 or "citations" in found or "search_results" in found:
            return False
        choice = choices[0]
        index, message, reason = _of_choice(choice if type(choice) is dict else _stored(choice))
        said = message if type(message) is dict else _stored(message)
        role, content = _of_message(said)
    except KeyError:
        return False
    if not (type(identity) is type(model) is type(reason) is type(role) is str and model and reason):
        return False
    if role != "assistant" or type(index) is not int or index != 0:
        return False
    is_said = type(content) is str and content
    if (len(said) != _PLAIN or not is_said) and not _put_rest(into, message, said, content):
        return False
    if identity:
        into[RESPONSE_ID] = identity
    into[LLM_MODEL_NAME] = model
    into[_OUTPUT.role] = role
    into[LLM_FINISH_REASON] = reason
    if is_said:
        into[_OUTPUT.content] = into[OUTPUT_VALUE] = content
        into[OUTPUT_MIME_TYPE] = MIME_TEXT
    _put_usage(into, usage)
    return True


def _stored(value: object) -> dict[str, Any]:
    """The fields of an SDK object; of anything that would have to be asked, none."""
    found = fields(value)
    return found if type(found) is dict else {}


def _put_rest(into: Attributes, message: object, said: dict[str, Any], content: object) -> bool:
    """What stands beside a message's text, or instead of it: tool calls; False where there is anything else."""
    if content is None:
        if said is not message and read(message, "content") is not None:
            return False  # a property
    elif type(content) is not str:
        return False
    for field in tuple(said):
        if field in _SAYS_MORE and said[field] is not None:
            return False
    annotations = said.get("annotations")
    if annotations is not None and (type(annotations) is not list or annotations):
        return False
    calls = said.get("tool_calls")
    if calls is not None:
        put_tool_calls(into, _OUTPUT.tools, calls)
    return True


def _put_usage(into: Attributes, usage: Any) -> None:
    if type(usage) is dict and len(usage) == _COUNTS:
        try:
            total, prompt, completion = _of_usage(usage)
        except KeyError:
            total = prompt = completion = None
        if type(total) is type(prompt) is type(completion) is int and 0 <= total | prompt | completion < _FARTHEST:
            into[LLM_TOKEN_COUNT_TOTAL] = total
            into[LLM_TOKEN_COUNT_PROMPT] = prompt
            into[LLM_TOKEN_COUNT_COMPLETION] = completion
            return
    if usage is not None:
        put_usage(into, fields(usage))
