"""Images, audio and files inside a message: where they are, or what they are as a bounded data URL."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from llmtrace._attributes.fields import Attributes, Fields, either, fields, text
from llmtrace._values.serialize import DEFAULT_TEXT_LIMIT, MARK_TRUNCATED, to_text, truncate
from llmtrace.semconv import trace as keys

_BYTES: Final = DEFAULT_TEXT_LIMIT // 4 * 3
"""As many bytes become `DEFAULT_TEXT_LIMIT` characters."""
_HIDDEN: Final = "__REDACTED__"
"""What OpenInference writes in place of data inside a block that is recorded as JSON."""
_DEEPEST: Final = 4
_MOST_SEARCHED: Final = 2_000
"""Entries of a value that are searched for data; what comes after them stays as it is."""


def data_url(mime: object, data: object) -> str | None:
    """``data:image/png;base64,...`` of base64 text or of bytes; None where there are neither."""
    encoded = text(data) or encoded_bytes(data)
    return None if encoded is None else f"data:{text(mime) or ''};base64,{truncate(encoded, DEFAULT_TEXT_LIMIT)}"


def encoded_bytes(data: object) -> str | None:
    """Bytes as base64, as many as fit in an attribute; None for anything else."""
    if type(data) is not bytes or not data:
        return None
    encoded = b64encode(data[:_BYTES]).decode()
    return encoded if len(data) <= _BYTES else encoded + MARK_TRUNCATED.format(len(data) * 4 // 3)


def put_image(into: Attributes, prefix: str, url: str) -> None:
    """An image as a part of a message."""
    into[prefix + keys.CONTENT_TYPE] = "image"
    into[f"{prefix}{keys.CONTENT_IMAGE}.{keys.IMAGE_URL}"] = to_text(url)


def put_audio(into: Attributes, prefix: str, *, url: str | None, mime: str | None, transcript: str | None) -> None:
    """Audio as a part of a message, with as much of it as there is."""
    into[prefix + keys.CONTENT_TYPE] = "audio"
    named = ((keys.AUDIO_URL, url), (keys.AUDIO_MIME_TYPE, mime), (keys.AUDIO_TRANSCRIPT, transcript))
    for key, value in named:
        if value is not None:
            into[f"{prefix}{keys.CONTENT_AUDIO}.{key}"] = value


def put_blob(into: Attributes, prefix: str, mime: str | None, url: str) -> None:
    """Data of any kind as a part of a message, by its MIME type."""
    family = (mime or "").partition("/")[0]
    if family == "image":
        put_image(into, prefix, url)
    elif family == "audio":
        put_audio(into, prefix, url=url, mime=mime, transcript=None)
    elif family == "video":
        into[prefix + keys.CONTENT_TYPE] = "video"
        into[f"{prefix}{keys.CONTENT_VIDEO}.{keys.VIDEO_URL}"] = url
    else:
        put_file(into, prefix, url=url, name=None)


def put_file(into: Attributes, prefix: str, *, url: str | None, name: str | None) -> None:
    """A file as a part of a message."""
    into[prefix + keys.CONTENT_TYPE] = "document"
    for key, value in ((keys.DOCUMENT_URL, url), (keys.DOCUMENT_NAME, name)):
        if value is not None:
            into[f"{prefix}{keys.CONTENT_DOCUMENT}.{key}"] = value


def image_url(part: Fields) -> str | None:
    """The address of an image part in any of its spellings: OpenAI's, Anthropic's, LangChain's."""
    image = part.get("image_url")
    if image is not None:
        return text(image) or text(fields(image).get("url")) or to_text(image)
    source = fields(part.get("source"))
    data = source.get("data")
    if data is None:
        data = either(part, "data", "base64")
    if data is not None:
        return data_url(text(source.get("media_type")) or either(part, "mime_type", "mimeType"), data)
    return text(source.get("url")) or text(part.get("url")) or text(source.get("file_id"))


def bare_image(image: object) -> str | None:
    """An image given as bare base64, bytes, address or path, as Ollama takes it."""
    image = either(fields(image), "value") or image
    words = text(image)
    if words is not None and ("." in words[:4096] or words.startswith(("data:", "http", "/"))):
        return words
    return data_url("image/png", image)


def without_data(value: object) -> object:
    """The value with the base64 data of its sources left out, so that no file is copied into a text."""
    try:
        return _without_data(value, _DEEPEST, iter(range(_MOST_SEARCHED)))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a key that cannot be hashed again: the serialiser copes with it
        return value


def _without_data(value: object, depth: int, left: Iterator[int]) -> object:
    if next(left, None) is None or depth == 0:
        return value
    if type(value) is list:
        return value if len(value) > _MOST_SEARCHED else [_without_data(item, depth - 1, left) for item in value]
    found = fields(value)
    if type(found) is not dict or value is None or len(found) > _MOST_SEARCHED:
        return value
    return {
        key: _source(item) if type(key) is str and key == "source" else _without_data(item, depth - 1, left)
        for key, item in found.items()
        if item is not None or found is value  # an SDK object has fields that the provider did not send
    }


def _source(source: object) -> object:
    found = fields(source)
    if type(found) is not dict or text(found.get("type")) != "base64":
        return source
    return {key: found[key] if key in ("type", "media_type") else _HIDDEN for key in found if type(key) is str}
