"""Which requests are model calls, and what they ask: by path and body, so on whatever host. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from llmtrace import _inputs
from llmtrace._attributes import Attributes
from llmtrace.semconv import trace as keys

_MOST_BYTES: Final = 32 * 1024 * 1024
"""A longer body is not looked at."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One API of a provider.

    Attributes:
        path: how its path ends.
        needs: fields of the body without which it is something else.
        asks: fields of the body that are the conversation, or the texts to embed.
        is_lines: whether it streams one JSON document a line, and does so unless told otherwise.
        kind: OpenInference's kind.
    """

    path: re.Pattern[str]
    needs: tuple[str, ...]
    asks: tuple[str, ...]
    is_lines: bool = False
    kind: str = keys.KIND_LLM


def _endpoint(path: str, needs: str, asks: str, **more: Any) -> Endpoint:
    return Endpoint(re.compile(path), tuple(needs.split()), tuple(asks.split()), **more)


_EMBEDDING: Final = {"kind": keys.KIND_EMBEDDING}
_GEMINI_SYSTEM: Final = "systemInstruction system_instruction"
ENDPOINTS: Final = (
    _endpoint(r"/chat/completions$", "messages", "messages"),
    _endpoint(r"/completions$", "prompt", "prompt"),
    _endpoint(r"/responses$", "model input", "instructions input"),
    _endpoint(r"/embeddings$", "input", "input", **_EMBEDDING),
    _endpoint(r"/v1/messages$", "model messages max_tokens", "system messages"),
    _endpoint(r"/models/[^/]+:(?:streamG|g)enerateContent$", "contents", f"{_GEMINI_SYSTEM} contents"),
    _endpoint(r"/models/[^/]+:embedContent$", "content", "content", **_EMBEDDING),
    _endpoint(r"/models/[^/]+:batchEmbedContents$", "requests", "requests", **_EMBEDDING),
    _endpoint(r"/api/chat$", "model messages", "messages", is_lines=True),
    _endpoint(r"/api/generate$", "model prompt", "system prompt", is_lines=True),
    _endpoint(r"/api/embed$", "model input", "input", **_EMBEDDING),
    _endpoint(r"/api/embeddings$", "model prompt", "prompt", **_EMBEDDING),
)
"""In the order in which they are asked."""
_MODEL_IN_PATH: Final = re.compile(r"/(?:models|deployments)/([^/:]+)")
_PROVIDERS: Final = (
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    ("api.anthropic.com", "anthropic"),
    ("googleapis.com", "google"),
    ("api.mistral.ai", "mistralai"),
    ("api.groq.com", "groq"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "xai"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.moonshot.ai", "moonshot"),
    (".amazonaws.com", "aws"),
)
"""End of a host -> OpenInference's word for whose it is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of a model.

    Attributes:
        endpoint: which API it is.
        name: the name for its span.
        attributes: what the span is to say of the request.
    """

    endpoint: Endpoint
    name: str
    attributes: Attributes


def endpoint_of(method: str, path: str) -> Endpoint | None:
    """The API that a request may be for, by its path alone."""
    if method != "POST":
        return None
    for endpoint in ENDPOINTS:
        if endpoint.path.search(path):
            return endpoint
    return None


def asked(endpoint: Endpoint, host: str, path: str, content: bytes) -> Asked | None:
    """What a request asks; None where its body says that it is none of a model after all."""
    if len(content) > _MOST_BYTES:
        return None
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if type(body) is not dict or any(body.get(name) is None for name in endpoint.needs):
        return None
    into: Attributes = {keys.SPAN_KIND: endpoint.kind}
    provider = next((word for end, word in _PROVIDERS if host.endswith(end)), None)
    if provider is not None:
        into[keys.LLM_PROVIDER] = provider
    if endpoint.kind == keys.KIND_EMBEDDING:
        _put_embedding(into, endpoint, path, body)
        return Asked(endpoint, "embedding", into)
    rest = {name: value for name, value in body.items() if name not in (*endpoint.asks, "model", "tools")}
    given = {name: body[name] for name in endpoint.asks if body.get(name) is not None}
    _inputs.put_llm(into, _model(path, body), _conversation(given), body.get("tools"), _flat(rest))
    return Asked(endpoint, "llm.chat", into)


def _conversation(given: Mapping[str, Any]) -> object:
    if type(given.get("prompt")) is str and "system" in given:  # Ollama's generate
        return [{"role": "system", "content": given["system"]}, {"role": "user", "content": given["prompt"]}]
    return given


def _flat(rest: dict[str, Any]) -> dict[str, Any]:
    """Gemini's and Ollama's parameters stand in a field of their own."""
    for name in ("generationConfig", "options"):
        inner = rest.get(name)
        if type(inner) is dict:
            rest = {**{key: value for key, value in rest.items() if key != name}, **inner}
    return rest


def _put_embedding(into: Attributes, endpoint: Endpoint, path: str, body: dict[str, Any]) -> None:
    given = body[endpoint.asks[0]]
    if endpoint.asks == ("content",):
        given = _words(body)
    elif endpoint.asks == ("requests",):
        given = [_words(request) for request in given]
    rest = {name: value for name, value in body.items() if name not in (*endpoint.asks, "model")}
    _inputs.put_embedding(into, _model(path, body), given, rest)


def _words(request: Any) -> str:
    """The text of a Gemini content to embed."""
    content = request.get("content") if type(request) is dict else None
    parts = content.get("parts") if type(content) is dict else None
    found = [part.get("text") for part in parts or () if type(part) is dict]
    return "".join(words for words in found if type(words) is str)


def _model(path: str, body: dict[str, Any]) -> object:
    model = body.get("model")
    if model is None and (found := _MODEL_IN_PATH.search(path)):
        model = found[1]
    return model
