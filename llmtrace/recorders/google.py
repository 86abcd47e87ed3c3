"""Google's ``generate_content``, whole or streamed: objects of google-genai, and the REST API's JSON in camelCase.

Google counts the cached tokens of a prompt as a part of it, and the thoughts beside the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, kept, text, whole_number
from llmtrace._attributes.gemini import put_content
from llmtrace.recorders.answer import MOST_CHOICES, place_of, put_citations, put_identity, put_model, put_output, sum_of
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys

_COUNTS: Final = (
    ("prompt", ("prompt_token_count", "promptTokenCount")),
    ("tools", ("tool_use_prompt_token_count", "toolUsePromptTokenCount")),
    ("cached", ("cached_content_token_count", "cachedContentTokenCount")),
    ("candidates", ("candidates_token_count", "candidatesTokenCount")),
    ("thoughts", ("thoughts_token_count", "thoughtsTokenCount")),
    ("total", ("total_token_count", "totalTokenCount")),
)
_LIVE: Final = ("server_content", "serverContent", "tool_call", "toolCall", "setup_complete", "setupComplete")
"""What only messages of the Live API have."""
_GROUNDS: Final = ("grounding_metadata", "groundingMetadata")
_QUOTES: Final = ("citation_metadata", "citationMetadata")


def recognises(answer: object) -> bool:
    """Whether `answer` is one of generate_content: it has candidates, or says why it has none."""
    found = fields(answer)
    if type(found.get("candidates")) is list:
        return True
    feedback = fields(either(found, "prompt_feedback", "promptFeedback"))
    if text(either(feedback, "block_reason", "blockReason")) is not None:
        return True
    if any(found.get(name) is not None for name in _LIVE):
        return False
    # LangChain's messages have a field of that name, with other counts in it.
    usage = fields(either(found, "usage_metadata", "usageMetadata"))
    return any(whole_number(either(usage, *spelt)) is not None for _, spelt in _COUNTS)


recognises_chunk = recognises


def attributes(answer: object) -> Attributes:
    """Model, a message for each candidate, finish reason and token counts of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, either(found, "model_version", "modelVersion"))
    put_identity(into, either(found, "response_id", "responseId"))
    put_usage(into, fields(either(found, "usage_metadata", "usageMetadata")))
    candidates = entries(found.get("candidates")) or _of_adk(found)
    reasons: dict[int, str] = {}
    free = 0
    for position, entry in enumerate(each(candidates, MOST_CHOICES)):
        candidate = fields(entry)
        index = max(free, place_of(candidate.get("index"), position))
        content = candidate.get("content")
        if content is not None:
            free = put_content(into, keys.LLM_OUTPUT_MESSAGES, index, fields(content))
        reason = text(either(candidate, "finish_reason", "finishReason"))
        if reason is not None:
            reasons[index] = reason
        if len(candidates) == 1:
            put_output(into, _spoken(fields(content)))
            put_citations(into, ({"citations": _references(candidate)},))
    feedback = fields(either(found, "prompt_feedback", "promptFeedback"))
    blocked = text(either(feedback, "block_reason", "blockReason"))
    _put_reasons(into, reasons, blocked)
    return into


def _references(candidate: Fields) -> list[Any]:
    """What an answer refers to: pages and documents that it is grounded in, and what it quotes."""
    grounds = fields(either(candidate, *_GROUNDS))
    quotes = fields(either(candidate, *_QUOTES))
    return [
        *entries(either(grounds, "grounding_chunks", "groundingChunks")),
        *entries(either(quotes, "citations", "citationSources")),
    ]


def _of_adk(found: Fields) -> Sequence[Any]:
    """The one candidate of an answer of Google's agent kit, which has no list of them."""
    content = found.get("content")
    if content is None or fields(content).get("parts") is None:
        return ()
    return ({"content": content, "finish_reason": either(found, "finish_reason", "finishReason")},)


def _put_reasons(into: Attributes, reasons: dict[int, str], blocked: str | None) -> None:
    reason = reasons[min(reasons)] if reasons else blocked
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    if len(reasons) > 1:
        into[keys.FINISH_REASONS] = tuple(reasons[place] for place in sorted(reasons))


def _spoken(content: Fields) -> list[str]:
    """The texts of a content, without the thoughts."""
    parts = [fields(part) for part in each(entries(content.get("parts")))]
    return [words for part in parts if part.get("thought") is not True and (words := text(part.get("text")))]


def put_usage(into: Attributes, usage: Fields) -> None:
    """Token counts: the prompt with what tools brought into it, the completion with the thoughts."""
    counts = {name: whole_number(either(usage, *spelt)) for name, spelt in _COUNTS}
    prompt = sum_of(counts["prompt"], counts["tools"])
    completion = sum_of(counts["candidates"], counts["thoughts"])
    total = counts["total"] if counts["total"] is not None else sum_of(prompt, completion)
    named = (
        (keys.LLM_TOKEN_COUNT_PROMPT, prompt),
        (keys.LLM_TOKEN_COUNT_COMPLETION, completion),
        (keys.LLM_TOKEN_COUNT_TOTAL, total),
        (keys.LLM_TOKEN_COUNT_CACHE_READ, counts["cached"]),
        (keys.LLM_TOKEN_COUNT_REASONING, counts["thoughts"]),
        (keys.LLM_TOKEN_COUNT_PROMPT_AUDIO, _audio(either(usage, "prompt_tokens_details", "promptTokensDetails"))),
        (
            keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO,
            _audio(either(usage, "candidates_tokens_details", "candidatesTokensDetails")),
        ),
    )
    into.update({key: count for key, count in named if count is not None})


def _audio(details: object) -> int | None:
    """The tokens of the modality AUDIO among the details of a count."""
    spoken = [found for entry in each(entries(details)) if text((found := fields(entry)).get("modality")) == "AUDIO"]
    return sum_of(*(whole_number(either(found, "token_count", "tokenCount")) for found in spoken))


def accumulator() -> ContentAccumulator:
    """A new accumulator for one stream."""
    return ContentAccumulator()


class ContentAccumulator:
    """Puts a streamed answer together: its chunks are answers, each with the next parts of every candidate."""

    def __init__(self) -> None:
        self._room = Room()
        self._model: str | None = None
        self._identity: str | None = None
        self._usage: dict[str, Any] = {}
        self._feedback: object = None
        self._candidates: dict[int, _Candidate] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought a part."""
        found = fields(chunk)
        self._model = text(either(found, "model_version", "modelVersion")) or self._model
        self._identity = self._identity or text(either(found, "response_id", "responseId"))
        feedback = either(found, "prompt_feedback", "promptFeedback")
        self._feedback = self._feedback if feedback is None else feedback
        self._usage.update(kept(either(found, "usage_metadata", "usageMetadata")))
        brought = False
        for position, entry in enumerate(entries(found.get("candidates"))):
            candidate = fields(entry)
            index = place_of(candidate.get("index"), position)
            if index in self._candidates or self._room.part():
                brought |= self._candidates.setdefault(index, _Candidate(self._room)).add(candidate)
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        candidates = [{"index": index, **candidate.whole()} for index, candidate in sorted(self._candidates.items())]
        return attributes(
            {
                "model_version": self._model,
                "response_id": self._identity,
                "usage_metadata": self._usage or None,
                "prompt_feedback": self._feedback,
                "candidates": candidates,
            }
        )


class _Candidate:
    """One of a stream's answers."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._role: str | None = None
        self._reason: str | None = None
        self._parts: list[object] = []
        self._references: dict[str, object] = {}

    def add(self, candidate: Fields) -> bool:
        self._reason = text(either(candidate, "finish_reason", "finishReason")) or self._reason
        for names in (_GROUNDS, _QUOTES):
            said = either(candidate, *names)
            if said is not None and self._room.part():
                self._references[names[0]] = said
        content = fields(candidate.get("content"))
        self._role = text(content.get("role")) or self._role
        parts = entries(content.get("parts"))
        for part in each(parts):
            self._add_part(part)
        return bool(parts)

    def _add_part(self, part: object) -> None:
        found = fields(part)
        if not issubclass(type(found.get("text")), str):
            if self._room.part():
                self._parts.append(part)
            return
        is_thought = found.get("thought") is True
        last = self._parts[-1] if self._parts else None
        if type(last) is not _Text or last.is_thought is not is_thought:
            if not self._room.part():
                return
            last = _Text(self._room, is_thought=is_thought)
            self._parts.append(last)
        last.add(found)

    def whole(self) -> dict[str, Any]:
        parts = [part.whole() if type(part) is _Text else part for part in self._parts]
        content = {"role": self._role, "parts": parts} if parts or self._role else None
        return {"content": content, "finish_reason": self._reason, **self._references}


class _Text:
    """Consecutive text parts of one kind, which are one text."""

    def __init__(self, room: Room, *, is_thought: bool) -> None:
        self.is_thought = is_thought
        self._words = Pieces(room)
        self._signature: object = None

    def add(self, part: Fields) -> None:
        self._words.add(text(part.get("text")) or "")
        signature = either(part, "thought_signature", "thoughtSignature")
        if signature is not None:
            self._signature = signature

    def whole(self) -> dict[str, Any]:
        return {"text": str(self._words), "thought": self.is_thought, "thought_signature": self._signature}
