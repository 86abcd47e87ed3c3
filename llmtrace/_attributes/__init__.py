"""Messages, tools and documents of any common shape -> OpenInference's flat attributes. Pure: no span, no I/O.

Phoenix renders messages and documents only in this form, ``llm.input_messages.0.message.role`` and so on; a list in
one JSON string is shown as nothing or breaks the page.
"""

from __future__ import annotations

from llmtrace._attributes.calls import put_tool_calls
from llmtrace._attributes.documents import put_document, put_documents
from llmtrace._attributes.fields import Attributes, AttributeValue, first, listed, read
from llmtrace._attributes.messages import put_message, put_messages, system_messages
from llmtrace._attributes.values import put_tools, put_value

__all__ = [
    "AttributeValue",
    "Attributes",
    "first",
    "listed",
    "put_document",
    "put_documents",
    "put_message",
    "put_messages",
    "put_tool_calls",
    "put_tools",
    "put_value",
    "read",
    "system_messages",
]
