"""Google's Interactions API, whole or streamed: its steps are one message of the model's, as in OpenInference.

What the provider ran itself comes behind what the model said and called, so that both stand where one looks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text, whole_number
from llmtrace._attributes.message_keys import message_keys
from llmtrace._attributes.messages import put_found, put_message
from llmtrace._attributes.parts import words_of
from llmtrace._attributes.values import put_value
from llmtrace.recorders.answer import put_citations, put_identity, put_model, put_output, sum_of, texts_of
from llmtrace.recorders.google_interactions_stream import EVENTS, STEPS, InteractionAccumulator
from llmtrace.semconv import trace as keys

_GIVEN: Final = "function_result"
_USAGE: Final = frozenset({"total_input_tokens", "total_output_tokens"})
_MEDIA: Final = frozenset({"image", "audio", "video", "document"})


def recognises(answer: object) -> bool:
    """Whether `answer` is an interaction: it says so, or has steps and counts as only interactions have them."""
    found = fields(answer)
    if text(found.get("object")) == "interaction":
        return True
    if type(found) is dict and "steps" in found and "previous_interaction_id" in found:
        return True  # the SDK's object, which does not say it
    if not entries(either(found, *STEPS)):
        return False
    usage = fields(found.get("usage"))
    return any(whole_number(usage.get(name)) is not None for name in _USAGE)


def attributes(answer: object) -> Attributes:
    """Model, the message with its thoughts and calls, results of functions, state and token counts."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    put_identity(into, found.get("id"))
    status = text(found.get("status"))
    if status is not None:
        into[keys.LLM_FINISH_REASON] = status
    usage = found.get("usage")
    if usage is not None:
        _put_usage(into, fields(usage))
    steps = [fields(step) for step in each(entries(either(found, *STEPS)))]
    given = [step for step in steps if text(step.get("type")) == _GIVEN]
    for place, step in enumerate(given):
        result = {"role": "tool", "tool_call_id": step.get("call_id"), "content": step.get("result")}
        put_message(into, keys.LLM_OUTPUT_MESSAGES, place, result)
    _put_message(into, len(given), [step for step in steps if text(step.get("type")) not in (_GIVEN, "user_input")])
    errors = found.get("errors")
    if errors is not None and keys.OUTPUT_VALUE not in into:
        put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, errors)
    return into


def _put_message(into: Attributes, place: int, steps: Sequence[Fields]) -> None:
    """All that the model did as one message."""
    parts: list[Any] = []
    calls: list[Fields] = []
    ran: list[Fields] = []
    for step in steps:
        kind = text(step.get("type")) or ""
        if kind == "function_call":
            calls.append(step)
        elif kind == "model_output":
            parts += map(_part, entries(step.get("content")))
        elif kind in ("text", "thought") or kind in _MEDIA:
            parts.append(_part(step))
        else:
            ran.append(step)
    if not steps:
        return
    named = message_keys(keys.LLM_OUTPUT_MESSAGES, place)
    every = [*calls, *(step for step in ran if _is_call(step))]
    message = {"role": "model", "tool_calls": [_call(step) for step in every] or None}
    put_found(into, named, message, [*parts, *(step for step in ran if not _is_call(step))])
    for index, step in enumerate(every):
        signature = text(step.get("signature"))
        if signature is not None:
            into[f"{named.tools}{index}.{keys.TOOL_CALL_REASONING_SIGNATURE}"] = signature
    put_output(into, (texts_of(parts),))
    put_citations(into, parts)


def _is_call(step: Fields) -> bool:
    return (text(step.get("type")) or "").endswith("_call")


def _call(step: Fields) -> dict[str, Any]:
    name = text(step.get("name")) or text(step.get("type"))
    return {"id": step.get("id"), "function": {"name": name, "arguments": step.get("arguments")}}


def _part(content: object) -> object:
    """A content as a part of a message."""
    found = fields(content)
    kind = text(found.get("type"))
    if kind == "thought":
        words = words_of(found.get("summary")) or found.get("text")
        return {"type": "thinking", "thinking": words, "signature": found.get("signature")}
    if kind in _MEDIA:
        whole = {name: found.get(name) for name in ("data", "mime_type")}
        return {"type": "media" if kind == "document" else kind, "url": found.get("uri"), **whole}
    return content


def _put_usage(into: Attributes, usage: Fields) -> None:
    """Token counts: the prompt with what tools brought into it, the completion with the thoughts."""
    names = ("input", "tool_use", "output", "thought", "cached")
    counts = {name: whole_number(usage.get(f"total_{name}_tokens")) for name in names}
    if counts["thought"] is None:
        counts["thought"] = whole_number(usage.get("total_reasoning_tokens"))
    prompt = sum_of(counts["input"], counts["tool_use"])
    completion = sum_of(counts["output"], counts["thought"])
    total = whole_number(usage.get("total_tokens"))
    named = (
        (keys.LLM_TOKEN_COUNT_PROMPT, prompt),
        (keys.LLM_TOKEN_COUNT_COMPLETION, completion),
        (keys.LLM_TOKEN_COUNT_TOTAL, sum_of(prompt, completion) if total is None else total),
        (keys.LLM_TOKEN_COUNT_CACHE_READ, counts["cached"]),
        (keys.LLM_TOKEN_COUNT_REASONING, counts["thought"]),
        (keys.LLM_TOKEN_COUNT_PROMPT_AUDIO, _audio(usage.get("input_tokens_by_modality"))),
        (keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO, _audio(usage.get("output_tokens_by_modality"))),
    )
    into.update({key: count for key, count in named if count is not None})


def _audio(details: object) -> int | None:
    """The tokens of the modality audio among the details of a count."""
    found = [fields(entry) for entry in each(entries(details))]
    spoken = [entry for entry in found if (text(entry.get("modality")) or "").lower() == "audio"]
    return sum_of(*(whole_number(entry.get("tokens")) for entry in spoken))


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed interaction."""
    kind = text(fields(chunk).get("event_type"))
    return kind is not None and kind.startswith(EVENTS)


def accumulator() -> InteractionAccumulator:
    """A new accumulator for one stream."""
    return InteractionAccumulator(attributes)
