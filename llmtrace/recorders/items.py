"""What a generator that is no model call produced: texts joined, documents flattened, other values as a list."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes import Attributes, put_document, put_value
from llmtrace._values.serialize import to_json
from llmtrace.recorders.growing import LONGEST
from llmtrace.recorders.text import Pieces
from llmtrace.semconv import trace as keys

MOST_DOCUMENTS: Final = 1_000
"""Documents of one generator that are recorded; the count goes on."""


class ItemAccumulator:
    """Texts become one text; as soon as one item is something else, all become a JSON list."""

    def __init__(self) -> None:
        self._text = Pieces()
        self._rendered: list[str] = []
        self._room = LONGEST
        self._only_texts = True

    def add(self, chunk: object) -> bool:
        """Take an item."""
        if issubclass(type(chunk), str):
            self._text.add(str.__str__(chunk))
        else:
            self._only_texts = False
        rendered = to_json(chunk, limit=4_096)
        self._room -= len(rendered)
        if self._room > 0:
            self._rendered.append(rendered)
        return True

    def attributes(self) -> Attributes:
        """What has arrived so far, as ``output.value``."""
        into: Attributes = {}
        if self._only_texts:
            put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, str(self._text))
        else:
            into[keys.OUTPUT_VALUE] = f"[{','.join(self._rendered)}]"
            into[keys.OUTPUT_MIME_TYPE] = keys.MIME_JSON
        return into


class DocumentAccumulator:
    """Documents that a retriever hands out one by one."""

    def __init__(self) -> None:
        self._into: Attributes = {}
        self._count = 0

    def add(self, chunk: object) -> bool:
        """Take a document."""
        if self._count < MOST_DOCUMENTS:
            put_document(self._into, keys.RETRIEVAL_DOCUMENTS, self._count, chunk)
        self._count += 1
        return True

    def attributes(self) -> Attributes:
        """What has arrived so far."""
        return {**self._into, keys.RETRIEVAL_COUNT: self._count}
