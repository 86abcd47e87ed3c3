"""The tools that the model may call: search the documentation, read a page, list the settings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import llmtrace

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionToolUnionParam

    from examples.support_bot.retrieval import DocsIndex

RUNBOOK = "https://runbooks.example.org/retriever-empty"
PASSAGES = 3


class Toolbox:
    """The tools by name, over one index. Each takes text arguments and returns what `json.dumps` takes."""

    def __init__(self, index: DocsIndex) -> None:
        self._index = index
        self._tools: dict[str, Callable[..., object]] = {
            tool.__name__: tool for tool in (self.search_docs, self.read_page, self.list_settings)
        }

    @property
    def schemas(self) -> list[ChatCompletionToolUnionParam]:
        """The tools as the model is told of them."""
        return [_schema(name, tool) for name, tool in self._tools.items()]

    def call(self, name: str, arguments: str) -> str:
        """The result as JSON. A model can name a tool or arguments that do not exist: that is an answer to it too."""
        try:
            result = self._tools[name](**json.loads(arguments))
        except (KeyError, TypeError, ValueError):
            result = {"error": f"{name}({arguments}) does not fit any tool; there are: {', '.join(self._tools)}"}
        return json.dumps(result)

    def search_docs(self, query: str) -> dict[str, Any]:
        """Search the documentation of llmtrace; returns the passages that fit best."""
        with llmtrace.retrieval_span(query, top_k=PASSAGES) as span:
            passages = self._index.search(query, PASSAGES)
            span.record_documents(passages)
            if not passages:
                # No exception, no error status, and yet somebody has to know: this is what an alert tag is for.
                llmtrace.tag_alert(
                    "critical", reason="the retriever found nothing", key="retriever-empty", runbook_url=RUNBOOK
                )
        return {"passages": [passage.metadata | {"text": passage.content} for passage in passages]}

    def read_page(self, page: str) -> dict[str, Any]:
        """Read one whole page of the documentation, named as in the passages."""
        if page not in self._index.pages:
            return {"error": f"there is no page {page!r}", "pages": list(self._index.pages)}
        return {"page": page, "text": self._index.pages[page]}

    def list_settings(self) -> dict[str, Any]:
        """List the settings of llmtrace.init_tracing with their default values."""
        settings = inspect.signature(llmtrace.init_tracing).parameters.values()
        return {"settings": {setting.name: repr(setting.default) for setting in settings}}


def _schema(name: str, tool: Callable[..., object]) -> ChatCompletionToolUnionParam:
    parameters = list(inspect.signature(tool).parameters)
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": inspect.getdoc(tool) or "",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {parameter: {"type": "string"} for parameter in parameters},
                "required": parameters,
                "additionalProperties": False,
            },
        },
    }
