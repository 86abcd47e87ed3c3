"""The parts of a message's content -> flat attributes: text, reasoning, media, tool use, of OpenAI and of Anthropic.

Names and shapes are those of OpenInference's own instrumentors. A part of a type unknown here is kept as its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.calls import put_call
from llmtrace._attributes.converse import converse_block, is_converse
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._attributes.media import (
    data_url,
    image_url,
    put_audio,
    put_blob,
    put_file,
    put_image,
    without_data,
)
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_PLAIN: Final = 2
"""Fields of a part that is a text and nothing else."""
_MOST_KEPT: Final = 512
_MOST_PLAIN: Final = 64
_kept: Final[dict[str, list[tuple[str, str]]]] = {}
_of_part: Final = itemgetter("type", "text")

_Put = Callable[[Attributes, str, Fields], bool]

_MIME: Final = ("mime_type", "media_type", "mimeType")
"""As LangChain and others spell it, and at last MCP."""
TOOL_USES: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""Anthropic's blocks in which the model, or the server for it, calls a tool."""


def put_parts(into: Attributes, contents: str, tools: str, parts: object, *, start: int = 0) -> None:
    """Flatten the parts of one message.

    Args:
        into: receives the attributes.
        contents: prefix of the message's contents.
        tools: prefix of the message's tool calls; each tool use is recorded as one of them, too.
        parts: dicts, SDK objects or texts.
        start: the index of the first part.
    """
    calls = 0
    for index, part in enumerate(each(entries(parts)), start):
        prefix = f"{contents}{index}."
        words = text(part)
        if words is not None:
            put_words(into, prefix, "text", words)
            continue
        found = fields(converse_block(part) if is_converse(part) else part)
        kind = text(found.get("type"))
        if kind in TOOL_USES:
            _put_use(into, prefix, f"{tools}{calls}.", found)
            calls += 1
        elif not _PUT.get(kind or "", _put_untyped)(into, prefix, found):
            into[prefix + keys.CONTENT_TYPE] = kind or "unknown"
            into[prefix + keys.CONTENT_TEXT] = to_text(without_data(part))


def put_plain_parts(into: Attributes, contents: str, parts: Sequence[Any]) -> bool:
    """Flatten parts that are texts in OpenAI's shape, the quick way; where one is anything else: False, and nothing."""
    kept = _kept.get(contents)
    if kept is None or len(kept) < len(parts):
        if not 0 < len(parts) <= _MOST_PLAIN:
            return False
        kept = _keep(contents, len(parts))
    texts: list[str] = []
    for part in parts:
        if type(part) is not dict or len(part) != _PLAIN:
            return False
        try:
            kind, words = _of_part(part)
        except KeyError:
            return False
        if not type(kind) is type(words) is str or kind != "text":
            return False
        texts.append(words)
    for (type_key, text_key), words in zip(kept, texts):  # noqa: B905 - keys are kept for as many as there ever were
        into[type_key] = "text"
        into[text_key] = words
    return bool(texts)


def _keep(contents: str, count: int) -> list[tuple[str, str]]:
    """The keys of `count` parts, kept: building them is most of the cost."""
    prefixes = [f"{contents}{index}." for index in range(count)]
    made = [(prefix + keys.CONTENT_TYPE, prefix + keys.CONTENT_TEXT) for prefix in prefixes]
    if len(_kept) < _MOST_KEPT:
        _kept[contents] = made
    return made


def put_words(into: Attributes, prefix: str, kind: str, words: str | None) -> None:
    """A part that is a text, of type "text" or "reasoning"."""
    into[prefix + keys.CONTENT_TYPE] = kind
    if words is not None:
        into[prefix + keys.CONTENT_TEXT] = words


def put_opaque(into: Attributes, prefix: str, found: Fields) -> None:
    """What a provider wants back unread: signatures, encrypted content, redacted data."""
    named = (
        ("signature", keys.CONTENT_SIGNATURE),
        ("encrypted_content", keys.CONTENT_ENCRYPTED),
        ("data", keys.CONTENT_DATA),
    )
    for field, key in named:
        words = text(found.get(field))
        if words is not None:
            into[prefix + key] = words


def words_of(value: object, *names: str) -> str | None:
    """The text of a field, or the texts of its parts joined by line ends."""
    direct = text(value)
    if direct is not None:
        return direct
    parts = each(entries(value))
    texts = [words for part in parts for name in names or ("text",) if (words := text(fields(part).get(name)))]
    return "\n".join(texts) or None


def _put_use(into: Attributes, prefix: str, call: str, found: Fields) -> None:
    arguments = found.get("input")
    rendered = text(arguments) or (None if arguments is None else to_json(arguments))
    into[prefix + keys.CONTENT_TYPE] = "tool_use"
    for base in (call, prefix):
        put_call(into, base, found.get("id"), found.get("name"), rendered)


def _put_text(into: Attributes, prefix: str, found: Fields) -> bool:
    words = found.get("text")
    if type(words) is dict or words is None:
        words = fields(words).get("value")  # as OpenAI's Assistants write it
    if not issubclass(type(words), str):
        return False
    put_words(into, prefix, "text", str.__str__(words))
    return True


def _put_refusal(into: Attributes, prefix: str, found: Fields) -> bool:
    words = text(found.get("refusal"))
    if words is not None:
        put_words(into, prefix, "text", words)
        if prefix.startswith(keys.LLM_OUTPUT_MESSAGES):
            into[keys.LLM_REFUSED] = True
    return words is not None


def _put_image(into: Attributes, prefix: str, found: Fields) -> bool:
    url = image_url(found) or text(fields(found.get("image_file")).get("file_id")) or text(found.get("file_id"))
    if url is not None:
        put_image(into, prefix, url)
    return url is not None


def _put_audio(into: Attributes, prefix: str, found: Fields) -> bool:
    audio = fields(found.get("input_audio"))
    kind = text(audio.get("format"))
    mime = f"audio/{kind}" if kind else "audio"
    url, words = data_url(mime, either(audio, "data") or found.get("audio")), text(found.get("transcript"))
    is_there = url is not None or words is not None
    if is_there:
        put_audio(into, prefix, url=url, mime=mime if url is not None else None, transcript=words)
    return is_there


def _put_spoken(into: Attributes, prefix: str, found: Fields) -> bool:
    """Audio of the Realtime API, which has a transcript, or LangChain's, which has not."""
    return _put_media(into, prefix, found) or _put_audio(into, prefix, found)


def _put_media(into: Attributes, prefix: str, found: Fields) -> bool:
    """Audio, video and more as LangChain writes them: data or an address, and what it is."""
    url = _address(found)
    if url is not None:
        put_blob(into, prefix, text(either(found, *_MIME, "type")), url)
    return url is not None


def _put_linked(into: Attributes, prefix: str, found: Fields) -> bool:
    """Audio and video as vLLM takes them, by their address."""
    kind = text(found.get("type")) or ""
    linked = found.get(kind)
    url = text(linked) or text(fields(linked).get("url"))
    if url is not None:
        put_blob(into, prefix, kind.removesuffix("_url"), url)
    return url is not None


def _put_file(into: Attributes, prefix: str, found: Fields) -> bool:
    inner = found.get("file")
    file = found if inner is None else fields(inner)
    data = text(file.get("file_data"))
    url = data_url("", data) if data is not None and not data.startswith("data:") else data
    url = url or text(file.get("file_url")) or text(file.get("file_id"))
    name = text(file.get("filename"))
    url = url or _address(found)
    if url is None and name is None:
        return False
    put_file(into, prefix, url=None if url is None else to_text(url), name=name)
    return True


def _address(found: Fields) -> str | None:
    """Where data is, or the data itself, as LangChain writes it."""
    mime = either(found, *_MIME)
    return data_url(mime, either(found, "data", "base64")) or text(found.get("url"))


def _put_document(into: Attributes, prefix: str, found: Fields) -> bool:
    """Where Anthropic's document is, or the document itself; what else is said of it stays in its JSON."""
    source = fields(found.get("source"))
    data = data_url(source.get("media_type"), source.get("data")) if text(source.get("type")) == "base64" else None
    url = data or _address(found) or text(either(source, "url", "file_id"))
    put_file(into, prefix, url=url, name=text(either(found, "title", "name")))
    return False


def _put_search_result(into: Attributes, prefix: str, found: Fields) -> bool:
    """What an app's own search found, as Anthropic and Bedrock take it: its words, its title and where it is from."""
    put_file(into, prefix, url=text(found.get("source")), name=text(found.get("title")))
    put_words(into, prefix, "search_result", words_of(found.get("content"), "text"))
    return True


def _put_resource(into: Attributes, prefix: str, found: Fields) -> bool:
    """What a tool of MCP embeds: a text, or data with its type."""
    inner = fields(found.get("resource"))
    words = text(inner.get("text"))
    if words is not None:
        put_words(into, prefix, "text", words)
        return True
    mime = text(either(inner, "mimeType", "mime_type"))
    url = data_url(mime, inner.get("blob"))
    if url is not None:
        put_blob(into, prefix, mime, url)
    return url is not None


def _put_thinking(into: Attributes, prefix: str, found: Fields) -> bool:
    put_words(into, prefix, "reasoning", words_of(found.get("thinking")))
    put_opaque(into, prefix, found)
    return True


def _put_reasoning(into: Attributes, prefix: str, found: Fields) -> bool:
    words = (words_of(found.get(name)) for name in ("text", "reasoning", "summary"))
    put_words(into, prefix, "reasoning", next(filter(None, words), None))
    put_opaque(into, prefix, found)
    return True


def _put_compaction(into: Attributes, prefix: str, found: Fields) -> bool:
    put_words(into, prefix, "text", text(found.get("content")))
    put_opaque(into, prefix, found)
    return True


def _put_fallback(into: Attributes, prefix: str, found: Fields) -> bool:
    """Where one model's words give way to the next one's: which, to which, and why."""
    models = [text(fields(either(found, *names)).get("model")) or "?" for names in (("from", "from_"), ("to",))]
    category = text(fields(found.get("trigger")).get("category"))
    put_words(into, prefix, "fallback", " -> ".join(models) + (f" (refusal: {category})" if category else ""))
    return True


def _put_untyped(into: Attributes, prefix: str, found: Fields) -> bool:
    """A part that does not say what it is, or whose type is news."""
    if found.get("type") is not None:
        return False
    return _put_text(into, prefix, found) or _put_refusal(into, prefix, found) or _put_image(into, prefix, found)


_PUT: Final[dict[str, _Put]] = {
    "text": _put_text,
    "input_text": _put_text,
    "output_text": _put_text,
    "refusal": _put_refusal,
    "image_url": _put_image,
    "input_image": _put_image,
    "image": _put_image,
    "image_file": _put_image,
    "input_audio": _put_audio,
    "file": _put_file,
    "input_file": _put_file,
    "audio": _put_spoken,
    "output_audio": _put_spoken,
    "video": _put_media,
    "media": _put_media,
    "document": _put_document,
    "search_result": _put_search_result,
    "computer_screenshot": _put_image,
    "resource": _put_resource,
    "audio_url": _put_linked,
    "video_url": _put_linked,
    "text-plain": _put_text,
    "thinking": _put_thinking,
    "redacted_thinking": _put_thinking,
    "reasoning": _put_reasoning,
    "reasoning_text": _put_reasoning,
    "compaction": _put_compaction,
    "fallback": _put_fallback,
}
