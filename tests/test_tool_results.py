"""What tools gave back, with images, documents and audio in it -> parts of the tool's message, of every provider."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types
from openai.types.responses import (
    ResponseComputerToolCallOutputItem,
    ResponseFunctionToolCallOutputItem,
)
from pydantic import BaseModel, ConfigDict
from strategies import HOSTILE

from llmtrace._attributes import put_messages

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

PIXEL = "iVBORw0KGgo="
PAGE = "JVBERi0xLjQ="
IMAGE_URL = f"data:image/png;base64,{PIXEL}"
PAGE_URL = f"data:application/pdf;base64,{PAGE}"
MESSAGE = "llm.input_messages.0.message"


def flat(*messages: object) -> dict[str, Any]:
    """A flattened conversation."""
    into: dict[str, Any] = {}
    put_messages(into, "llm.input_messages", list(messages))
    return into


def contents(into: dict[str, Any], place: int = 0) -> list[dict[str, Any]]:
    """The parts of a message, each as its fields without their common prefix."""
    prefix = f"llm.input_messages.{place}.message.contents."
    parts: dict[int, dict[str, Any]] = {}
    for key, value in into.items():
        if key.startswith(prefix):
            index, _, field = key.removeprefix(prefix).partition(".")
            parts.setdefault(int(index), {})[field.removeprefix("message_content.")] = value
    return [parts[index] for index in sorted(parts)]


class Block(BaseModel):
    """Whatever an SDK makes of a block."""

    model_config = ConfigDict(extra="allow")


def as_object(value: Any) -> Any:
    """As an SDK's object that has the same fields."""
    if type(value) is list:
        return [as_object(item) for item in value]
    return Block(**{key: as_object(item) for key, item in value.items()}) if type(value) is dict else value


@pytest.mark.parametrize("form", [lambda value: value, as_object], ids=["dict", "object"])
def test_media_in_a_tool_result_of_anthropic_are_parts(form):
    """Images, documents and what a search found stand in their order, as they would outside the result."""
    content = [
        {"type": "text", "text": "A chart:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/chart.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {
            "type": "document",
            "title": "Report",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PAGE},
        },
        {
            "type": "search_result",
            "source": "https://example.org/kb/1",
            "title": "Refunds",
            "content": [{"type": "text", "text": "Within 30 days."}],
            "citations": {"enabled": True},
        },
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": False, "content": content}
    into = flat(form({"role": "user", "content": [result, {"type": "text", "text": "So?"}]}))
    assert into[f"{MESSAGE}.role"] == "tool"
    assert into[f"{MESSAGE}.tool_call_id"] == "toolu_1"
    assert f"{MESSAGE}.content" not in into
    words, image, linked, filed, document, found = contents(into)
    assert words == {"type": "text", "text": "A chart:"}
    assert image == {"type": "image", "image.image.url": IMAGE_URL}
    assert linked["image.image.url"] == "https://example.org/chart.png"
    assert filed["image.image.url"] == "file_1"
    assert (document["document.document.url"], document["document.document.name"]) == (PAGE_URL, "Report")
    assert PAGE not in document.get("text", "")
    assert found == {
        "type": "search_result",
        "text": "Within 30 days.",
        "document.document.url": "https://example.org/kb/1",
        "document.document.name": "Refunds",
    }
    assert into["llm.input_messages.1.message.role"] == "user"


def test_a_tool_result_of_texts_alone_stays_what_it_was():
    """Without media the message's content is the result, a text or its JSON."""
    results = [
        {"type": "tool_result", "tool_use_id": "1", "content": "Sun"},
        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "Rain"}]},
        {"type": "tool_result", "tool_use_id": "3"},
    ]
    into = flat({"role": "user", "content": results})
    assert into[f"{MESSAGE}.content"] == "Sun"
    assert into["llm.input_messages.1.message.content"] == '[{"type":"text","text":"Rain"}]'
    assert "llm.input_messages.2.message.content" not in into


OUTPUT: list[dict[str, Any]] = [
    {"type": "input_text", "text": "The receipt:"},
    {"type": "input_image", "image_url": IMAGE_URL, "detail": "auto"},
    {"type": "input_image", "file_id": "file-1", "detail": "low"},
    {"type": "input_file", "filename": "receipt.pdf", "file_data": PAGE_URL},
    {"type": "input_file", "file_url": "https://example.org/terms.pdf"},
]


@pytest.mark.parametrize("form", [lambda value: value, ResponseFunctionToolCallOutputItem.model_validate])
@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
def test_media_in_an_output_of_openais_responses_are_parts(form, kind):
    """A function's or a custom tool's output may be a list of texts, images and files."""
    item = {"id": "fc_1", "type": kind, "call_id": "call_1", "status": "completed", "output": OUTPUT}
    into = flat(form(item) if kind.startswith("function") else item)
    assert into[f"{MESSAGE}.role"] == "tool"
    assert into[f"{MESSAGE}.tool_call_id"] == "call_1"
    words, image, filed, file, linked = contents(into)
    assert words == {"type": "text", "text": "The receipt:"}
    assert image == {"type": "image", "image.image.url": IMAGE_URL}
    assert filed["image.image.url"] == "file-1"
    assert (file["document.document.url"], file["document.document.name"]) == (PAGE_URL, "receipt.pdf")
    assert linked["document.document.url"] == "https://example.org/terms.pdf"


@pytest.mark.parametrize("form", [lambda value: value, ResponseComputerToolCallOutputItem.model_validate])
def test_a_computers_screenshot_is_an_image(form):
    """What the computer shows after an action is an image, not a text of its data."""
    screenshot = {"type": "computer_screenshot", "image_url": IMAGE_URL}
    into = flat(
        form(
            {
                "id": "o_1",
                "type": "computer_call_output",
                "call_id": "call_1",
                "status": "completed",
                "output": screenshot,
            }
        )
    )
    assert into[f"{MESSAGE}.tool_call_id"] == "call_1"
    assert contents(into) == [{"type": "image", "image.image.url": IMAGE_URL}]


@pytest.mark.parametrize("form", [lambda value: value, types.Content.model_validate], ids=["rest", "sdk"])
def test_media_in_a_function_response_of_google_stand_behind_it(form):
    """The response stays the content; its images and files are the message's parts."""
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": PIXEL}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/report.pdf"}},
    ]
    response = {"id": "f1", "name": "chart", "response": {"image": {"$ref": "chart.png"}}, "parts": parts}
    into = flat(form({"role": "user", "parts": [{"functionResponse": response}]}))
    assert into[f"{MESSAGE}.role"] == "tool"
    assert into[f"{MESSAGE}.content"] == '{"image":{"$ref":"chart.png"}}'
    image, file = contents(into)
    assert image["image.image.url"] == IMAGE_URL
    assert file["document.document.url"] == "gs://b/report.pdf"


def test_media_in_a_tool_result_of_converse_are_parts():
    """Bedrock's texts, JSON, images, documents and search results stand in their order."""
    content = [
        {"text": "The chart:"},
        {"json": {"url": "u", "rows": 3}},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x1a\n"}}},
        {"document": {"format": "pdf", "name": "Report", "source": {"bytes": b"%PDF-1.4"}}},
        {"document": {"format": "txt", "name": "Notes", "source": {"text": "By hand."}}},
        {"searchResult": {"source": "s3://kb/1", "title": "Refunds", "content": [{"text": "30 days."}]}},
    ]
    result = {"toolResult": {"toolUseId": "c1", "status": "success", "content": content}}
    into = flat({"role": "user", "content": [result]})
    assert into[f"{MESSAGE}.tool_call_id"] == "c1"
    words, data, image, document, notes, found = contents(into)
    assert words["text"] == "The chart:"
    assert data == {"type": "text", "text": '{"url":"u","rows":3}'}
    assert image["image.image.url"] == IMAGE_URL
    assert (document["document.document.url"], document["document.document.name"]) == (PAGE_URL, "Report")
    assert "By hand." in notes["text"]
    assert notes["document.document.name"] == "Notes"
    assert (found["text"], found["document.document.url"]) == ("30 days.", "s3://kb/1")


def test_what_a_tool_of_mcp_gave_is_read_in_its_spelling():
    """MCP says mimeType, and embeds resources."""
    content = [
        {"type": "image", "data": PIXEL, "mimeType": "image/png"},
        {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"},
        {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "A"}},
        {"type": "resource", "resource": {"uri": "file:///a.pdf", "mimeType": "application/pdf", "blob": PAGE}},
    ]
    into = flat({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": content}]})
    image, audio, words, file = contents(into)
    assert image["image.image.url"] == IMAGE_URL
    assert audio["audio.audio.url"] == "data:audio/wav;base64,UklGRg=="
    assert words["text"] == "A"
    assert file["document.document.url"] == PAGE_URL


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_a_result_costs_that_value(name):
    """Whatever stands in a result, the message of its tool is there, and nothing is raised."""
    value = HOSTILE[name]()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    for content in (value, [value, image], [{**image, "source": value}], [{"type": "search_result", "content": value}]):
        into = flat({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": content}]})
        assert into[f"{MESSAGE}.role"] == "tool"
    into = flat({"role": "user", "parts": [{"functionResponse": {"name": "f", "response": value, "parts": [value]}}]})
    assert into[f"{MESSAGE}.name"] == "f"
