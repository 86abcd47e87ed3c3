"""OpenAI's old text completions, whole or streamed, as many local servers still answer."""

from __future__ import annotations

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, either, entries, fields, text
from llmtrace.recorders.answer import MOST_CHOICES, place_of, put_identity, put_model, put_output
from llmtrace.recorders.openai_chat import put_usage
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a text completion: its first choice has a text and no message."""
    choices = entries(fields(answer).get("choices"))
    return bool(choices) and issubclass(type(fields(choices[0]).get("text")), str)


recognises_chunk = recognises


def attributes(answer: object) -> Attributes:
    """Model, the text of each choice, finish reason and token counts of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_identity(into, found.get("id"))
    usage = found.get("usage")
    if usage is not None:
        put_usage(into, fields(usage))
    choices = entries(found.get("choices"))
    for position, entry in enumerate(each(choices, MOST_CHOICES)):
        choice = fields(entry)
        index = place_of(choice.get("index"), position)
        words, reason = text(choice.get("text")), text(either(choice, "finish_reason", "stop_reason"))
        if words is not None:
            into[f"{keys.LLM_CHOICES}.{index}.{keys.COMPLETION_TEXT}"] = words
        if index == 0 and reason is not None:
            into[keys.LLM_FINISH_REASON] = reason
        if len(choices) == 1:
            put_output(into, (words or "",))
    return into


def accumulator() -> CompletionAccumulator:
    """A new accumulator for one stream."""
    return CompletionAccumulator()


class CompletionAccumulator:
    """Puts a streamed text completion together."""

    def __init__(self) -> None:
        self._room = Room()
        self._model: str | None = None
        self._identity: str | None = None
        self._usage: object = None
        self._texts: dict[int, Pieces] = {}
        self._reasons: dict[int, str] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words."""
        found = fields(chunk)
        self._model = text(found.get("model")) or self._model
        self._identity = self._identity or text(found.get("id"))
        usage = found.get("usage")
        if usage is not None:
            self._usage = usage
        brought = False
        for position, entry in enumerate(entries(found.get("choices"))):
            choice = fields(entry)
            index = place_of(choice.get("index"), position)
            if index not in self._texts and not self._room.part():
                continue
            words, reason = text(choice.get("text")), text(choice.get("finish_reason"))
            self._texts.setdefault(index, Pieces(self._room)).add(words or "")
            brought |= words is not None
            if reason is not None:
                self._reasons[index] = reason
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        choices = [
            {"index": index, "text": str(words), "finish_reason": self._reasons.get(index)}
            for index, words in sorted(self._texts.items())
        ]
        return attributes({"id": self._identity, "model": self._model, "usage": self._usage, "choices": choices})
