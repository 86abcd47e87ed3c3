"""A secret given to llmtrace by any door is in no byte that reaches the backend; ordinary text arrives as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from otlp_sink import OtlpSink
from secret_canaries import BY_VALUE, TRACES

import llmtrace
from llmtrace.secrets import redact

pytest_plugins = ["core_fixtures"]

KINDS = (
    "openai project",
    "jwt",
    "private key",
    "assignment",
    "url password",
    "card",
    "basic",
    "json in json",
    "encoded query",
    "header",
)


def llm(**given: Any) -> None:
    """A model call."""
    messages, answer = given.pop("messages", None), given.pop("answer", None)
    with llmtrace.llm_span("m", messages, **given) as span:
        if answer is not None:
            span.record_output(answer)


def raised(error: BaseException) -> None:
    """A block that an error leaves."""
    with pytest.raises(type(error)), llmtrace.chain_span("c"):
        raise error


def with_note(secret: str) -> Exception:
    """An error with a note."""
    error = ValueError("no")
    error.add_note(f"tried {secret}")
    return error


def with_cause(secret: str) -> Exception:
    """An error with a cause, and a context behind it."""
    error = ValueError("outer")
    error.__cause__ = RuntimeError(f"inner {secret}")
    error.__cause__.__context__ = KeyError(f"innermost {secret}")
    return error


def carried(secret: str) -> None:
    """Values of `using`."""
    prompt = llmtrace.Prompt(template=f"Say {secret} to {{who}}", variables={"who": secret, secret: "x"})
    with llmtrace.using(metadata={"note": secret, secret: 1}, tags=[secret], prompt=prompt, user_id=secret):
        llm()


def decorated(secret: str) -> None:
    """Arguments and result of a decorated function."""

    @llmtrace.tool
    def search(query: str, *rest: Any, **more: Any) -> list[Any]:
        return [query, (secret,), {secret: [more]}]

    search(secret, (secret,), {"a": {secret: secret}}, key_word=secret)


def streamed(secret: str) -> None:
    """Chunks, the secret in one of them and torn into two."""
    half = len(secret) // 2
    with llmtrace.llm_span("m") as span:
        for _ in span.record_stream(iter(["It is ", secret[:half], secret[half:], " ."])):
            pass


def retrieved(secret: str) -> None:
    """A query and documents."""
    with llmtrace.retrieval_span(secret) as span:
        span.record_documents([{"id": secret, "text": secret, "metadata": {"u": secret}}, secret])


def named(secret: str) -> None:
    """A tool by that name."""
    with llmtrace.tool_span(secret):
        pass


def manual(secret: str) -> None:
    """OpenTelemetry's own methods on our span."""
    with llmtrace.chain_span("c") as span:
        span.set_attribute(f"own {secret}", [secret, secret])
        span.set_attribute("nested", {"a": [{"b": (secret,)}]})
        span.add_event(f"saw {secret}", {"x": secret})
        span.add_link(span.get_span_context(), {"why": secret})
        span.update_name(f"call {secret}")
        llmtrace.tag_alert("error", reason=f"because {secret}", key=secret)


CALL = {"id": "c", "type": "function", "function": {"name": "f"}}
DOORS: dict[str, Callable[[str], Any]] = {
    "messages": lambda s: llm(messages=[{"role": "user", "content": f"Use {s} ."}]),
    "message parts": lambda s: llm(messages=[{"role": "user", "content": [{"type": "text", "text": s}]}]),
    "tool arguments": lambda s: llm(
        messages=[
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**CALL, "function": {"name": "f", "arguments": json.dumps({"x": s})}}],
            }
        ]
    ),
    "parameters": lambda s: llm(extra_headers={"x": s}, stop=[s], user=s),
    "tool schema": lambda s: llm(
        tools=[{"type": "function", "function": {"name": "f", "description": s, "parameters": {"default": s, s: 1}}}]
    ),
    "answer": lambda s: llm(answer={"choices": [{"message": {"role": "assistant", "content": s}}]}),
    "answer of no shape": lambda s: llm(answer={"x": {"y": [s]}}),
    "documents": retrieved,
    "system": lambda s: llm(messages="q", system=s),
    "exception": lambda s: raised(ValueError(f"401 {s}")),
    "exception note": lambda s: raised(with_note(s)),
    "exception cause": lambda s: raised(with_cause(s)),
    "exception group": lambda s: raised(ExceptionGroup(f"several {s}", [ValueError(s), with_note(s)])),
    "using": carried,
    "decorator": decorated,
    "stream": streamed,
    "own attributes": manual,
    "span name": named,
}


@pytest.mark.parametrize("door", DOORS)
def test_no_secret_reaches_the_backend_by_any_door(door, start, sink: OtlpSink, strict):
    """Ten kinds of secret by every door of the API, with the GenAI conventions on: no piece of any is in the bytes."""
    start(conventions=("openinference", "gen_ai"), service_name=f"run {BY_VALUE['assignment']}")
    for kind in KINDS:
        DOORS[door](BY_VALUE[kind])
    assert llmtrace.flush(20)
    sent = b"".join(request.body for request in sink.requests)
    assert [piece for piece in TRACES if piece.encode() in sent] == []
    assert sent.count(b"[redacted:") >= len(KINDS)


ORDINARY = (
    "commit 3f2a9c1e8b7d6f5a4c3b2a1908f7e6d5c4b3a291",
    "550e8400-e29b-41d4-a716-446655440000",
    "trace 4bf92f3577b34da6a3ce929d0e0e4736, span 00f067aa0ba902b7",
    "total: $1,234.56 of 4111111111111112 (order 1234567890123456)",
    "/usr/lib/python3.11/site-packages/token.py, line 42",
    "the court session ended; the secretary kept the token of appreciation",
    "max_tokens=100, token_count: 55, tokens: 1500, session.id: s-42",
    "def get_password(self) -> str: return self._password",
    "password: str\napi_key: Optional",
    "if (password === confirm && token !== null) {",
    "credentials: required; signature: def f(x: int)",
    "api_key=os.environ['OPENAI_API_KEY'], key=${API_KEY}",
    "SELECT password FROM users WHERE id = 7",
    "Basic understanding of Bearer bonds",
    "The password is hidden. The key is under the mat.",
    "https://example.com/path?page=2&sort=asc&to=%2Fhome%3Ftab%3Done",
    "chatcmpl-BdX1Q2w3E4r5T6y7U8i9O0p call_VSPygqKTWdrhaFErNvMV18Yl toolu_01A09q90qw90lq917835lq9",
    "gpt-4o-mini-2024-07-18 claude-sonnet-4-5-20250929",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "IBAN DE89370400440532013000, ISBN 978-3-16-148410-0, +49 170 1234567",
    "curl -s https://example.org/users | jq .name",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_not_touched(text):
    """Hashes, ids, prices, order numbers, paths, prose and code are no secrets."""
    assert redact(text) == text
    assert redact(json.dumps({"text": text})) == json.dumps({"text": text})


def test_ordinary_text_arrives_as_it_was(start, sink: OtlpSink, strict):
    """The same, all the way to the backend."""
    start()
    llm(messages=[{"role": "user", "content": text} for text in ORDINARY])
    assert llmtrace.flush(20)
    found = sink.spans[0].attributes
    assert [found[f"llm.input_messages.{place}.message.content"] for place in range(len(ORDINARY))] == list(ORDINARY)
