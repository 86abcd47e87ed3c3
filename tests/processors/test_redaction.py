"""Tests of llmtrace.processors.redaction: a secret placed anywhere in a span is in no byte that leaves the process."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceState
from records import record
from secret_canaries import BY_NAME, BY_VALUE, TRACES

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import MARK_TRUNCATED, to_json
from llmtrace.exceptions import ConfigurationError
from llmtrace.exporters.alert_branch import slim
from llmtrace.exporters.otlp import encode
from llmtrace.processors.redaction import Redaction, redaction
from llmtrace.processors.redaction_rules import Rule
from llmtrace.secrets import RULE_FAILED
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

pytest_plugins = ["core_fixtures"]

CONTEXT = SpanContext(0x77, 0x88, is_remote=True)


def nested(secret):
    """JSON in JSON, the secret behind a line break."""
    return json.dumps({"a": [{"b": json.dumps({"c": f"x\n{secret}\ny"})}]})


PLACES = {
    "name": lambda s: record(name=f"GET {s}"),
    "attribute": lambda s: record({"my.key": s}),
    "input.value": lambda s: record({keys.INPUT_VALUE: nested(s)}),
    "message": lambda s: record({"llm.input_messages.3.message.content": f"Use this: {s}."}),
    "tool arguments": lambda s: record(
        {"llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": nested(s)}
    ),
    "invocation parameters": lambda s: record({keys.LLM_INVOCATION_PARAMETERS: json.dumps({"extra": {"x": s}})}),
    "metadata": lambda s: record({keys.METADATA: json.dumps({"x": s})}),
    "http.url": lambda s: record({"http.url": s}),
    "attribute key": lambda s: record({f"my.{s}": 1}),
    "sequence": lambda s: record({"tag.tags": ("a", s)}),
    "list": lambda s: record({"argv": ["run", s]}),
    "mapping": lambda s: record({"m": {"a": {"b": [s]}}}),
    "mapping key": lambda s: record({"m": {s: 1}}),
    "bytes": lambda s: record({"raw": s.encode()}),
    "foreign object": lambda s: record({"object": {"x": ValueError(s)}}),
    "alert reason": lambda s: record({alert.REASON: s}),
    "event name": lambda s: record(events=[Event(f"saw {s}")]),
    "event attribute": lambda s: record(events=[Event("e", {"x": s})]),
    "event attribute key": lambda s: record(events=[Event("e", {s: True})]),
    "exception message": lambda s: record(events=[Event("exception", {"exception.message": f"401: {s}"})]),
    "stack trace": lambda s: record(
        events=[
            Event(
                "exception", {"exception.stacktrace": f'Traceback:\n  File "a.py", line 1\n    call("{s}")\nE: {s}\n'}
            )
        ]
    ),
    "status": lambda s: record(status=Status(StatusCode.ERROR, f"E: {s}")),
    "link attribute": lambda s: record(links=[Link(CONTEXT, {"x": s})]),
    "resource": lambda s: record(resource=Resource({"process.command_line": f"run {s}"})),
    "resource list": lambda s: record(resource=Resource({"process.command_args": ["run", s]})),
    "scope name": lambda s: record(instrumentation_scope=InstrumentationScope(f"lib {s}")),
    "scope attribute": lambda s: record(instrumentation_scope=InstrumentationScope("lib", "1", None, {"x": s})),
}


def third_party(secret):
    """A span made with the SDK alone, as an instrumentor would."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("foreign").start_span(f"call {secret}", {"http.request.header.x": [secret]})
    try:
        int(f"no number {secret}")
    except ValueError as error:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, str(error))
    span.end()
    return SpanRecord.of(exporter.get_finished_spans()[0])


PLACES["third-party span"] = third_party


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", BY_VALUE)
def test_no_secret_is_in_the_bytes_wherever_it_was_placed(place, kind, strict):
    """Every kind of secret, in every place of a span: the encoded bytes hold no piece of it."""
    redacted = redaction()(PLACES[place](BY_VALUE[kind]))
    wire = encode([redacted])
    assert [piece for piece in TRACES if piece.encode() in wire] == []
    assert b"[redacted:" in wire
    assert redaction()(redacted) is redacted


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "token"])
@pytest.mark.parametrize(
    "value",
    ["canary-7x", ("canary-7x",), ["canary-7x"], '{"a": "canary-7x"}', {"a": "canary-7x"}, b"canary-7x"],
    ids=repr,
)
def test_the_value_of_a_secret_key_is_in_no_byte(name, value, strict):
    """On the span, its events, its links and its resource; whatever type the value has."""
    attributes = {name: value}
    spans = [
        record(attributes),
        record(events=[Event("e", attributes)]),
        record(links=[Link(CONTEXT, attributes)]),
        record({"m": attributes}),
    ]
    if isinstance(value, str | tuple | list):
        spans.append(record(resource=Resource({name: value})))
    wire = encode([redaction()(span) for span in spans])
    assert b"canary" not in wire


def test_a_bare_token_is_hidden_unless_it_is_a_word():
    """The name is that of a language model's tokens, too."""
    redacted = redaction()(record({"token": "canary-7x", "a": '{"token": "canary-7x"}', "b": '{"token": " the"}'}))
    assert redacted.attributes == {
        "token": "[redacted:token]",
        "a": '{"token": "[redacted:token]"}',
        "b": '{"token": " the"}',
    }


def test_a_number_that_is_a_card_is_hidden():
    """As an integer attribute, and as a bare number in JSON, which stays JSON."""
    redacted = redaction()(
        record({"card": 4111111111111111, "n": 4111, "j": '{"card": 4111111111111111, "n": [1.5, null]}'})
    )
    assert redacted.attributes["card"] == "[redacted:card_number]"
    assert redacted.attributes["n"] == 4111
    assert json.loads(redacted.attributes["j"]) == {"card": "[redacted:card_number]", "n": [1.5, None]}


def test_known_values_of_the_environment_are_hidden():
    """Where a variable's value has no shape that betrays it."""
    redacted = redaction(known=("swordfish-is-long",))(record({"a": "say swordfish-is-long now"}))
    assert redacted.attributes["a"] == "say [redacted:environment_secret] now"


def test_a_trace_state_with_a_secret_loses_that_entry():
    """It comes from whoever called, and goes to the wire."""
    state = TraceState([("vendor", "ok"), ("other", BY_VALUE["openai"])])
    redacted = redaction()(record(context=SpanContext(1, 2, is_remote=False, trace_state=state)))
    assert list(redacted.context.trace_state.items()) == [("vendor", "ok")]


def test_a_clean_span_is_handed_on_as_it_is():
    """The same object: nothing is copied where nothing was hit."""
    clean = record(
        {
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 12,
            "session.id": "s-1",
            "score": 0.5,
            "tag.tags": ("a", "b"),
            "password": True,
            "text": "the court session ended",
        },
        events=[Event("exception", {"exception.type": "ValueError", "exception.message": "bad"})],
        links=[Link(CONTEXT, {"a": 1})],
        status=Status(StatusCode.ERROR, "ValueError: bad"),
    )
    assert redaction()(clean) is clean
    assert redaction([Rule("own", "nothing of this")])(clean) is clean


def test_untouched_parts_are_kept_as_they_are():
    """Of a span with one secret the rest is not copied."""
    event = Event("e", {"x": "clean"})
    redacted = redaction()(record({"a": "clean", "b": BY_VALUE["openai"]}, events=[event]))
    assert redacted.events[0] is event
    assert redacted.attributes["a"] == "clean"


@pytest.mark.parametrize("place", PLACES)
def test_rules_of_your_own_apply_everywhere(place):
    """A pattern or a function, beside the defaults or instead of them."""
    span = PLACES[place]("ACME-1234567")
    for rules in (
        [Rule("acme", r"ACME-\d+")],
        [Rule("acme", lambda text: text.replace("ACME-1234567", "[redacted:acme]"))],
    ):
        for defaults in (True, False):
            wire = encode([redaction(rules, defaults=defaults)(span)])
            assert b"ACME-1234567" not in wire
            assert b"[redacted:acme]" in wire


def test_the_defaults_can_be_turned_off():
    """Explicitly, and then nothing is looked at."""
    span = record({"password": "x", "a": BY_VALUE["openai"]})
    assert redaction(defaults=False)(span) is span


@pytest.mark.parametrize("find", [lambda _: 1 / 0, lambda _: None, lambda _: b"bytes"])
def test_a_failing_rule_hides_what_it_was_shown(find, lenient, caplog):
    """The value never passes; one log line names the rule and not the text."""
    redacted = redaction([Rule("broken", find)])(record({"a": "canary text", "n": 1}, name="canary name"))
    assert RULE_FAILED in redacted.attributes.values()
    assert redacted.name == RULE_FAILED
    assert b"canary" not in encode([redacted])
    assert caplog.text.count("broken") == 1
    assert "canary" not in caplog.text


def test_a_value_that_cannot_be_read_is_hidden(lenient):
    """A mapping that raises, or one that never ends: the span leaves without it."""

    class Raising(dict):
        def items(self):
            raise ValueError("canary")

    deep: dict = {}
    for _ in range(50):
        deep = {"a": deep, "b": "canary"}
    redacted = redaction()(record({"a": Raising(x="canary"), "b": 1, "c": BY_VALUE["openai"]}))
    assert redacted.attributes["a"] == RULE_FAILED
    assert RULE_FAILED in str(redaction()(record({"d": deep, "c": BY_VALUE["openai"]})).attributes["d"])


@pytest.mark.parametrize(
    ("name", "find"), [("bad name", "x"), ("", "x"), ("ok", "("), ("ok", 7)], ids=["space", "empty", "pattern", "type"]
)
def test_a_rule_that_cannot_be_is_refused_at_once(name, find):
    """With one line that says which rule, and what is allowed."""
    with pytest.raises(ConfigurationError, match="redaction rule") as caught:
        redaction([Rule(name, find)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", BY_VALUE)
def test_a_secret_cut_in_half_before_redaction_leaks_no_half(kind):
    """Texts cut on the caller's thread end in a mark; what stands before it is dropped if it may be a half."""
    secret = BY_VALUE[kind].splitlines()[0]
    start = max((secret.find(piece) for piece in TRACES if piece in secret), default=0)
    for cut in range(start + 3, len(secret)):
        text = f"see {secret[:cut]}{MARK_TRUNCATED.format(90000)}"
        for shown in (text, to_json({"messages": [text]})):
            hidden = Redaction().text(shown)
            assert [piece for piece in TRACES if piece in hidden] == []
            assert MARK_TRUNCATED.format(90000) in hidden or "[redacted:" in hidden


def test_a_word_before_a_cut_is_all_that_the_edge_costs():
    """The text before it stays, and the JSON valid."""
    cut = json.dumps({"a": "one two\nthree" + MARK_TRUNCATED.format(99), "b": "x"}, ensure_ascii=False)
    assert json.loads(Redaction().text(cut))["b"] == "x"
    assert json.loads(Redaction().text(cut))["a"].startswith("one two\n")


def test_two_keys_that_differ_in_a_secret_only_stay_two():
    """No attribute is lost because its key was hidden."""
    secrets = (BY_VALUE["openai"], BY_VALUE["openai"].replace("Zq7", "Zq8"))
    redacted = redaction()(record({f"k.{secret}": index for index, secret in enumerate(secrets)}))
    assert sorted(redacted.attributes.values()) == [0, 1]


def test_what_goes_to_the_router_is_redacted_too():
    """The slim copy is made of the redacted span."""
    tag = Event(alert.EVENT_NAME, {alert.SEVERITY: "critical", alert.REASON: BY_VALUE["openai"]})
    redacted = redaction()(record({keys.LLM_MODEL_NAME: "m", alert.REASON: BY_VALUE["openai"]}, events=[tag]))
    wire = encode([slim(redacted, list(redacted.events))])
    assert [piece for piece in TRACES if piece.encode() in wire] == []


def test_a_resource_is_looked_at_once(monkeypatch):
    """Thousands of spans share it."""
    step = redaction()
    seen = []
    monkeypatch.setattr(step, "resource", lambda resource: seen.append(resource) or resource)
    shared = Resource({"service.name": "x"})
    for _ in range(5):
        step(record(resource=shared))
    assert seen == [shared]


def test_texts_that_only_look_like_secrets_are_seen_as_clean_together():
    """A "key" in JSON and a token that nobody names are no secrets: the record is the same, whatever stood beside."""
    redacts = redaction()
    given = record({"a": '{"key": "colour", "token": "of love"}', "b": "The token is here, the pass: over the Alps."})
    assert redacts(given) is given
    hidden = redacts(record({"a": "password: hunter2-hunter2", "b": '{"key": "colour"}'}))
    assert hidden.attributes == {"a": "password: [redacted:password]", "b": '{"key": "colour"}'}
