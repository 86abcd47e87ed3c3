"""The attribute keys of each message of a conversation, made once: building them is most of the cost of flattening."""

from __future__ import annotations

from typing import Final

from llmtrace.semconv import trace as keys

MOST_KEPT: Final = 512
"""Messages of a list whose keys are kept."""


class MessageKeys:
    """The keys of one message; those that end in a dot are prefixes."""

    __slots__ = (
        "content",
        "contents",
        "function_arguments",
        "function_name",
        "index",
        "is_input",
        "name",
        "role",
        "tool_call_id",
        "tools",
    )

    def __init__(self, list_key: str, index: int) -> None:
        prefix = f"{list_key}.{index}."
        self.index = index
        self.is_input = list_key == keys.LLM_INPUT_MESSAGES
        self.role = prefix + keys.MESSAGE_ROLE
        self.content = prefix + keys.MESSAGE_CONTENT
        self.contents = f"{prefix}{keys.MESSAGE_CONTENTS}."
        self.name = prefix + keys.MESSAGE_NAME
        self.tools = f"{prefix}{keys.MESSAGE_TOOL_CALLS}."
        self.tool_call_id = prefix + keys.MESSAGE_TOOL_CALL_ID
        self.function_name = prefix + keys.MESSAGE_FUNCTION_CALL_NAME
        self.function_arguments = prefix + keys.MESSAGE_FUNCTION_CALL_ARGUMENTS


KEPT: Final[dict[str, list[MessageKeys]]] = {keys.LLM_INPUT_MESSAGES: [], keys.LLM_OUTPUT_MESSAGES: []}


def keep_keys(list_key: str, count: int) -> None:
    """Make the keys of a list's first `count` messages, as far as they are kept."""
    for index in range(len(KEPT[list_key]), min(count, MOST_KEPT)):
        message_keys(list_key, index)


def message_keys(list_key: str, index: int) -> MessageKeys:
    """The keys of message `index` of a list of messages."""
    kept = KEPT[list_key]
    if index < len(kept):
        return kept[index]
    made = MessageKeys(list_key, index)
    if index == len(kept) and index < MOST_KEPT:
        kept.append(made)
    return made
