"""A model call's invocation parameters -> ``gen_ai.request.*``, and who provides the model. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llmtrace._attributes.fields import whole_number
from llmtrace.semconv import gen_ai
from llmtrace.semconv import trace as keys

_NESTED: Final = ("config", "generation_config", "generationConfig", "options", "inferenceConfig")
"""Where Google, Ollama and Bedrock keep their parameters."""


def _number(value: object) -> float | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]  # by its exact type


def _count(value: object) -> int | None:
    return whole_number(value)


def _several(value: object) -> int | None:
    count = whole_number(value)
    return None if count == 1 else count


def _texts(value: object) -> tuple[str, ...] | None:
    if type(value) is str:
        return (value,)
    if type(value) is list and value and all(type(item) is str for item in value):
        return tuple(value)
    return None


def _truth(value: object) -> bool | None:
    return value if type(value) is bool else None


_PARAMETERS: Final[tuple[tuple[str, Callable[[object], Any], tuple[str, ...]], ...]] = (
    (
        gen_ai.REQUEST_MAX_TOKENS,
        _count,
        (
            "max_completion_tokens",
            "max_output_tokens",
            "max_tokens",
            "maxOutputTokens",
            "maxTokens",
            "num_predict",
            "max_tokens_to_sample",
        ),
    ),
    (gen_ai.REQUEST_CHOICE_COUNT, _several, ("n", "candidate_count", "candidateCount")),
    (gen_ai.REQUEST_TEMPERATURE, _number, ("temperature",)),
    (gen_ai.REQUEST_TOP_P, _number, ("top_p", "topP", "p")),
    (gen_ai.REQUEST_TOP_K, _number, ("top_k", "topK", "k")),
    (gen_ai.REQUEST_STOP_SEQUENCES, _texts, ("stop", "stop_sequences", "stopSequences")),
    (gen_ai.REQUEST_FREQUENCY_PENALTY, _number, ("frequency_penalty", "frequencyPenalty")),
    (gen_ai.REQUEST_PRESENCE_PENALTY, _number, ("presence_penalty", "presencePenalty")),
    (gen_ai.REQUEST_SEED, _count, ("seed", "random_seed")),
    (gen_ai.REQUEST_STREAM, _truth, ("stream",)),
    (gen_ai.REQUEST_ENCODING_FORMATS, _texts, ("encoding_format", "encoding_formats", "embedding_types")),
)


def parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the conventions have a name for; one of a type that they do not expect is left out."""
    flat = dict(given)
    for name in _NESTED:
        inner = given.get(name)
        if type(inner) is dict:
            flat = {**inner, **flat}
    found: dict[str, Any] = {}
    for key, taken, names in _PARAMETERS:
        value = next((value for name in names if name in flat and (value := taken(flat[name])) is not None), None)
        if value is not None:
            found[key] = value
    kind = _output_type(flat)
    if kind is not None:
        found[gen_ai.OUTPUT_TYPE] = kind
    return found


def _output_type(given: Mapping[str, Any]) -> str | None:
    asked = given.get("response_format")
    word = asked.get("type") if type(asked) is dict else asked
    text = given.get("text")
    if word is None and type(text) is dict and type(text.get("format")) is dict:
        word = text["format"].get("type")
    if word is None:
        word = given.get("response_mime_type", given.get("responseMimeType", given.get("format")))
    if type(word) is dict or word in ("json", "json_object", "json_schema", "application/json"):
        return "json"
    if "audio" in (given.get("modalities") or ()):
        return "speech"
    return "text" if word in ("text", "text/plain") else None


_PROVIDERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "cohere": "cohere",
    "mistralai": "mistral_ai",
    "mistral": "mistral_ai",
    "google": "gcp.gen_ai",
    "gemini": "gcp.gemini",
    "vertexai": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "xai": "x_ai",
    "deepseek": "deepseek",
    "groq": "groq",
    "perplexity": "perplexity",
    "moonshot": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""OpenInference's word for a provider -> that of the conventions."""
_MODELS: Final = (
    (("gpt-", "chatgpt", "o1", "o3", "o4", "text-embedding-", "davinci", "babbage", "codex-"), "openai"),
    (("claude",), "anthropic"),
    (("gemini", "gemma", "models/gemini", "text-embedding-00", "imagen"), "gcp.gen_ai"),
    (("mistral", "ministral", "codestral", "magistral", "devstral", "pixtral", "open-mi"), "mistral_ai"),
    (("command", "embed-english", "embed-multilingual", "rerank-"), "cohere"),
    (("deepseek",), "deepseek"),
    (("grok",), "x_ai"),
    (("sonar",), "perplexity"),
    (("kimi", "moonshot"), "moonshot_ai"),
)
"""How a model's name begins -> its provider."""


def provider(attributes: Mapping[str, Any], model: object) -> str | None:
    """Who provides the model, as far as is known: what the span says of it, else what the model's name says.

    The conventions want the best of one's knowledge, which may differ from who really runs the model.
    """
    for key in (keys.LLM_PROVIDER, keys.LLM_SYSTEM):
        said = attributes.get(key)
        if type(said) is str and said:
            return _PROVIDERS.get(said.lower(), said.lower())
    name = model.lower() if type(model) is str else ""
    return next((owner for heads, owner in _MODELS if name.startswith(heads)), None)
