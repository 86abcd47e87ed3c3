"""Images that a model made: OpenAI's Images API, whole or streamed, and Google's Imagen. They are the span's images."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._attributes.media import data_url
from llmtrace._values.serialize import to_text
from llmtrace.recorders.answer import put_model, put_output
from llmtrace.recorders.openai_responses import put_usage
from llmtrace.semconv import trace as keys

_MOST_IMAGES: Final = 16
_EVENTS: Final = ("image_generation.", "image_edit.")


def recognises(answer: object) -> bool:
    """Whether `answer` is a list of images: of OpenAI with the time at which they were made, or of Google."""
    found = fields(answer)
    if type(found) is not dict:
        return False
    images = entries(found.get("data")) if type(found.get("created")) is int else ()
    if images:
        return text(either(fields(images[0]), "b64_json", "url")) is not None
    return type(either(found, "generated_images", "generatedImages")) is list


def attributes(answer: object) -> Attributes:
    """Each image, what the model made of the prompt, and token counts."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_usage(into, fields(found.get("usage")))
    made = entries(either(found, "data", "generated_images", "generatedImages"))
    prompts = []
    for entry in each(made, _MOST_IMAGES):
        image = fields(entry)
        url = _url(image, found)
        if url is not None:
            number = sum(key.startswith(keys.OUTPUT_IMAGES) for key in into)
            into[f"{keys.OUTPUT_IMAGES}.{number}.{keys.IMAGE_URL}"] = to_text(url)
        prompts.append(text(either(image, "revised_prompt", "enhanced_prompt", "enhancedPrompt")))
    put_output(into, ("\n".join(filter(None, prompts)),))
    return into


def _url(image: Fields, answer: Fields) -> str | None:
    """Where an image is, or the image itself, of the kind that the answer says."""
    held = fields(image.get("image"))
    address = text(image.get("url")) or text(either(held, "gcs_uri", "gcsUri"))
    if address is not None:
        return address
    kind = text(image.get("output_format")) or text(answer.get("output_format")) or "png"
    mime = text(either(held, "mime_type", "mimeType")) or f"image/{kind}"
    own = image.get("b64_json")
    return data_url(mime, either(held, "image_bytes", "imageBytes") if own is None else own)


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed image."""
    kind = text(fields(chunk).get("type"))
    return kind is not None and kind.startswith(_EVENTS)


def accumulator() -> ImageAccumulator:
    """A new accumulator for one stream."""
    return ImageAccumulator()


class ImageAccumulator:
    """Keeps the last event: a partial image gives way to the next one, and all of them to the whole."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought an image."""
        found = fields(chunk)
        if text(found.get("b64_json")) is None:
            return False
        self._last = {name: found.get(name) for name in ("b64_json", "output_format", "usage", "model")}
        return True

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        return attributes({**self._last, "data": [self._last] if self._last else []})
