"""Images that a model made, of OpenAI and of Google."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types
from openai.types import ImagesResponse

from llmtrace.recorders import llm_accumulator, llm_answer

USAGE = {
    "input_tokens": 5,
    "output_tokens": 20,
    "total_tokens": 25,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 5},
}
MADE: dict[str, Any] = {
    "created": 1_763_000_000,
    "output_format": "webp",
    "data": [{"b64_json": "QUJD", "revised_prompt": "A grey cat"}, {"url": "https://images.example/2.png"}],
    "usage": USAGE,
}


@pytest.mark.parametrize("form", [lambda value: value, ImagesResponse.model_validate], ids=["dict", "sdk"])
def test_images_are_the_spans_images(form):
    """Each image by its address or as a data URL, never as a text; with what the model made of the prompt."""
    assert llm_answer(form(MADE)) == {
        "output.images.0.image.url": "data:image/webp;base64,QUJD",
        "output.images.1.image.url": "https://images.example/2.png",
        "output.value": "A grey cat",
        "output.mime_type": "text/plain",
        "llm.token_count.prompt": 5,
        "llm.token_count.completion": 20,
        "llm.token_count.total": 25,
    }


def test_images_of_google_are_the_spans_images():
    """Imagen answers with bytes, JSON with base64."""
    made = types.GenerateImagesResponse(
        generated_images=[types.GeneratedImage(image=types.Image(image_bytes=b"ABC", mime_type="image/jpeg"))]
    )
    as_json = {"generatedImages": [{"image": {"imageBytes": "QUJD", "mimeType": "image/jpeg"}}]}
    expected = {"output.images.0.image.url": "data:image/jpeg;base64,QUJD"}
    assert llm_answer(made) == llm_answer(as_json) == expected


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_the_last_image_of_a_stream_is_the_answer(kind):
    """Partial images give way to the whole; where that never came, the last of them is kept."""
    events = [
        {"type": f"{kind}.partial_image", "b64_json": "QQ==", "partial_image_index": 0, "output_format": "png"},
        {"type": f"{kind}.partial_image", "b64_json": "QUI=", "partial_image_index": 1, "output_format": "png"},
        {"type": f"{kind}.completed", "b64_json": "QUJD", "output_format": "jpeg", "usage": USAGE},
    ]
    images = []
    for count in (1, 2, 3):
        accumulator = llm_accumulator(events[0])
        assert all(accumulator.add(event) for event in events[:count])
        images.append(accumulator.attributes())
    assert [found["output.images.0.image.url"][-4:] for found in images] == ["QQ==", "QUI=", "QUJD"]
    assert images[-1]["llm.token_count.total"] == 25
    assert len(images[-1]) == 4


@pytest.mark.parametrize(
    "other",
    [{"data": [{"url": "u"}]}, {"created": 1, "data": []}, {"created": 1, "data": [{"title": "t"}]}, {"data": "x"}],
)
def test_what_are_no_images_is_not_taken_for_some(other):
    """A list of links, or of anything else, is kept as it is."""
    assert "output.images.0.image.url" not in llm_answer(other)
