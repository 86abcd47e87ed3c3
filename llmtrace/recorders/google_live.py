"""Messages of Google's Live API, one turn of them: what was said, heard and called, read as `generate_content`'s.

What is said aloud is recorded as its transcript; the audio itself comes in hundreds of pieces, and is left out.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, kept, text
from llmtrace._attributes.media import put_audio
from llmtrace._attributes.message_keys import message_keys
from llmtrace.recorders import google
from llmtrace.recorders.answer import put_output
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys

_CONTENT: Final = ("server_content", "serverContent")
_CALL: Final = ("tool_call", "toolCall")
_SETUP: Final = ("setup_complete", "setupComplete")
_USAGE: Final = ("usage_metadata", "usageMetadata")
_COUNTS: Final = (
    (("response_token_count", "responseTokenCount"), "candidates_token_count"),
    (("response_tokens_details", "responseTokensDetails"), "candidates_tokens_details"),
)
"""What this API calls otherwise than the other."""
_ENDS: Final = ((("interrupted",), "interrupted"), (("turn_complete", "turnComplete"), "turn_complete"))
_MODEL: Final = "model"


def recognises(answer: object) -> bool:
    """Whether `answer` is a message of a session."""
    found = fields(answer)
    if type(found) is not dict:  # a mock has every field
        return False
    return any(either(found, *names) is not None for names in (_CONTENT, _SETUP)) or _is_call(either(found, *_CALL))


def _is_call(call: object) -> bool:
    return type(either(fields(call), "function_calls", "functionCalls")) is list


recognises_chunk = recognises


def attributes(answer: object) -> Attributes:
    """What one message says."""
    accumulated = accumulator()
    accumulated.add(answer)
    return accumulated.attributes()


def accumulator() -> LiveAccumulator:
    """A new accumulator for one turn."""
    return LiveAccumulator()


class LiveAccumulator:
    """Puts the messages of a turn together."""

    def __init__(self) -> None:
        self._inner = google.ContentAccumulator()
        room = Room()
        self._said, self._heard = Pieces(room), Pieces(room)
        self._audio: str | None = None
        self._end: str | None = None

    def add(self, chunk: object) -> bool:
        """Take a message; True where it brought words, sound or a call."""
        found = fields(chunk)
        content = fields(either(found, *_CONTENT))
        self._take_end(content)
        turn = fields(either(content, "model_turn", "modelTurn"))
        given = entries(turn.get("parts"))
        parts: list[Any] = [part for part in each(given) if not self._is_sound(fields(part))]
        calls = fields(either(found, *_CALL))
        called = each(entries(either(calls, "function_calls", "functionCalls")))
        parts += [{"function_call": call} for call in called]
        candidate = {
            "content": {"role": text(turn.get("role")) or _MODEL, "parts": parts},
            "grounding_metadata": either(content, "grounding_metadata", "groundingMetadata"),
        }
        setup = fields(either(found, *_SETUP))
        self._inner.add(
            {
                "response_id": either(setup, "session_id", "sessionId"),
                "candidates": [candidate],
                "usage_metadata": _usage(kept(either(found, *_USAGE))),
            }
        )
        spoken = self._transcribe(self._said, content, "output_transcription", "outputTranscription")
        self._transcribe(self._heard, content, "input_transcription", "inputTranscription")
        return bool(given or parts or spoken)

    def _is_sound(self, part: Fields) -> bool:
        blob = fields(either(part, "inline_data", "inlineData"))
        mime = text(either(blob, "mime_type", "mimeType")) or ""
        if mime.startswith("audio"):
            self._audio = mime
        return mime.startswith("audio")

    def _transcribe(self, pieces: Pieces, content: Fields, *names: str) -> bool:
        words = text(fields(either(content, *names)).get("text"))
        if words is not None:
            pieces.add(words)
        return words is not None

    def _take_end(self, content: Fields) -> None:
        for names, word in _ENDS:
            if either(content, *names) is True and self._end is None:
                self._end = text(either(content, "turn_complete_reason", "turnCompleteReason")) or word

    def attributes(self) -> Attributes:
        """What has arrived so far: the model's message, and behind it what the user was heard to say."""
        into = self._inner.attributes()
        named = message_keys(keys.LLM_OUTPUT_MESSAGES, 0)
        said, heard = str(self._said), str(self._heard)
        if said or self._audio is not None:
            place = sum(key.startswith(named.contents) and key.endswith(keys.CONTENT_TYPE) for key in into)
            put_audio(into, f"{named.contents}{place}.", url=None, mime=self._audio, transcript=said or None)
        if keys.OUTPUT_VALUE not in into:
            put_output(into, (said,))
        if self._end is not None:
            into[keys.LLM_FINISH_REASON] = self._end
        if heard:
            user = message_keys(keys.LLM_OUTPUT_MESSAGES, 1)
            into[user.role], into[user.content] = "user", heard
        return into


def _usage(usage: dict[str, Any]) -> dict[str, Any] | None:
    """Counts under the names that `generate_content` has for them."""
    for names, name in _COUNTS:
        value = either(usage, *names)
        if value is not None:
            usage[name] = value
    return usage or None
