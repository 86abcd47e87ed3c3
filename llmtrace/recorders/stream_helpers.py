"""The SDKs' stream helpers, which read themselves: what their methods do on the proxy that stands for them.

Anthropic's ``messages.stream(...)`` has ``text_stream`` and ``get_final_message()``, OpenAI's ``stream(...)`` has
``get_final_completion()`` and ``get_final_response()``. Inside the helper these read the helper, past the proxy, which
would then see nothing. Here they read the proxy first; that the helper has been read to its end is what they need.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from llmtrace._attributes.fields import fields, text

READERS: Final = (
    "until_done",
    "get_final_message",
    "get_final_text",
    "get_final_completion",
    "get_final_response",
)
"""Methods that read a helper to its end."""
_WITH_TEXTS: Final = "get_final_message"
"""Whoever has this has a ``text_stream``, too: an attribute of the object, which its class does not show."""


def helper_abilities(names: frozenset[str]) -> dict[str, Any]:
    """What the class of a proxy needs for the stream to be read through it.

    Args:
        names: which of `READERS` the stream's class has, and ``__aiter__`` where it is asynchronous.
    """
    is_async = "__aiter__" in names
    made: dict[str, Any] = {name: (_reader_async if is_async else _reader)(name) for name in READERS if name in names}
    if _WITH_TEXTS in made:
        made["text_stream"] = property(_kept_texts(_texts_async if is_async else _texts))
    return made


def _reader(name: str) -> Callable[..., Any]:
    def read_to_the_end(self: Any, *args: Any, **kwargs: Any) -> Any:
        for _ in self:
            pass
        return getattr(self.__wrapped__, name)(*args, **kwargs)

    return read_to_the_end


def _reader_async(name: str) -> Callable[..., Any]:
    async def read_to_the_end(self: Any, *args: Any, **kwargs: Any) -> Any:
        async for _ in self:
            pass
        return await getattr(self.__wrapped__, name)(*args, **kwargs)

    return read_to_the_end


def _kept_texts(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The one text stream of a helper: asked for twice, it goes on where it was."""

    def text_stream(self: Any) -> Any:
        kept = getattr(self, "_self_texts", None)
        if kept is None:
            kept = self._self_texts = make(self)
        return kept

    return text_stream


def _texts(stream: Any) -> Iterator[str]:
    for event in stream:
        words = _words(event)
        if words is not None:
            yield words


async def _texts_async(stream: Any) -> AsyncIterator[str]:
    async for event in stream:
        words = _words(event)
        if words is not None:
            yield words


def _words(event: object) -> str | None:
    """The text that an event brings, as the SDK's own text_stream yields it, the empty one included."""
    found = fields(event)
    delta = fields(found.get("delta"))
    if text(found.get("type")) != "content_block_delta" or text(delta.get("type")) != "text_delta":
        return None
    words = delta.get("text")
    return words if type(words) is str else None
