"""Redaction: no secret leaves the process in a span. Once, on the worker, before any disk, wire or log.

Looks at all that the encoder writes: name, attributes and their keys, events, links, status, trace state, scope and
resource. It decides nothing about what a secret is (`llmtrace.secrets`), and removes no content
(`llmtrace.processors.content`). A rule that fails hides the value that it was shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from llmtrace._ids import NO_STATE
from llmtrace._record import SpanRecord
from llmtrace._values.serialize import to_text
from llmtrace._values.storage import exact_text
from llmtrace.processors.clean_texts import CleanTexts
from llmtrace.processors.edges import CUT, without_edges
from llmtrace.processors.redaction_rules import Rule, applied, say_failed
from llmtrace.secrets import (
    MARK,
    RULE_FAILED,
    SecretName,
    Suspicion,
    looks_random,
    mark,
    redact,
    secret_name,
    suspected,
)
from llmtrace.semconv import trace as keys

_T = TypeVar("_T")
_DEEPEST: Final = 16
_FIRST_CARD: Final = 10**12
_MOST_KEYS: Final = 4096
_MOST_HARMLESS: Final = 256
_MOST_SHARED: Final = 16


@dataclass(frozen=True, slots=True)
class _Key:
    """What is known of an attribute key.

    Attributes:
        clean: the key without a secret in itself; None where it has none.
        name: what the key says of its value.
    """

    clean: str | None
    name: SecretName | None


class Redaction:
    """The step. Also redacts single texts and resources, for whatever else leaves the process."""

    def __init__(self, rules: Sequence[Rule] = (), *, defaults: bool = True, known: Sequence[str] = ()) -> None:
        """Compile the rules; see `redaction`."""
        self._rules = tuple((rule.name, rule.compiled()) for rule in rules)
        self._defaults = defaults
        self._known = tuple(known)
        self._keys: dict[str, _Key] = {}
        self._harmless: set[tuple[str, ...]] = set()
        """Keys of whole groups that hold no secret and say nothing of their values."""
        self._clean = CleanTexts()
        self._shared: dict[int, tuple[object, Any]] = {}

    def __call__(self, record: SpanRecord) -> SpanRecord:
        """The record without secrets; the same object where there was none."""
        resource = self._once(record.resource, self.resource)
        scope = self._once(record.instrumentation_scope, self._scope)
        if resource is not record.resource or scope is not record.instrumentation_scope:
            record = record._replace(resource=resource, instrumentation_scope=scope)
        if self._is_clean(record):
            return record
        changed = {name: new for name, new in self._own_parts(record).items() if new is not getattr(record, name)}
        return record._replace(**changed) if changed else record

    def text(self, text: str) -> str:
        """A text without secrets. JSON stays JSON."""
        try:
            return self._text(exact_text(text))
        except Exception as error:  # noqa: BLE001 - fail closed, whatever a rule did
            say_failed("text", error)
            return RULE_FAILED

    def resource(self, resource: Resource) -> Resource:
        """A resource without secrets."""
        attributes = self.attributes(resource.attributes)
        return resource if attributes is resource.attributes else Resource(attributes, resource.schema_url)

    def attributes(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Attributes without secrets; the same object where there was none."""
        hidden: dict[str, Any] = {}
        is_changed = False
        for key, value in attributes.items():
            known = self._key(key)
            new = self._attribute(known.name, value)
            is_changed |= new is not value or known.clean is not None
            hidden[_free(known.clean or key, hidden)] = new
        return hidden if is_changed else attributes

    def _own_parts(self, record: SpanRecord) -> dict[str, Any]:
        description = record.status.description
        hidden = self.text(description) if description else description
        return {
            "name": self.text(record.name),
            "context": self._context(record.context),
            "parent": self._context(record.parent) if record.parent else record.parent,
            "attributes": self.attributes(record.attributes),
            "events": _all(record.events, self._event),
            "links": _all(record.links, self._link),
            "status": record.status if hidden is description else Status(record.status.status_code, hidden),
        }

    def _is_clean(self, record: SpanRecord) -> bool:
        """One look at all texts of a span together. Only where nothing but the default rules has to look."""
        if self._rules:
            return False
        if not self._defaults:
            return True
        texts: list[str] = [record.name]
        if record.status.description:
            texts.append(record.status.description)
        if not self._gather(record.attributes, texts):
            return False
        if (record.events or record.links) and not self._gather_parts(record, texts):
            return False
        if any([self._context(context) is not context for context in _contexts(record)]):  # noqa: C419 - mostly empty
            return False
        return self._clean.young.issuperset(texts) or self._are_clean(self._clean.unknown(texts))

    def _gather_parts(self, record: SpanRecord, texts: list[str]) -> bool:
        """The same as `_gather`, of the events and links."""
        texts += [event.name for event in record.events]
        groups = [event.attributes or {} for event in record.events] + [link.attributes or {} for link in record.links]
        return all(self._gather(group, texts) for group in groups)

    def _are_clean(self, texts: list[str]) -> bool:
        if not texts:
            return True
        joined = "\n".join(texts)
        if CUT in joined or any(value in joined for value in self._known):
            return False
        signs = suspected(joined)
        if signs and not _are_innocent(texts, signs):
            return False
        self._clean.add(texts)
        return True

    def _gather(self, attributes: Mapping[str, Any], texts: list[str]) -> bool:
        """Add the texts of these attributes that are not known; False where something needs a look of its own."""
        if tuple(attributes) not in self._harmless and not self._are_harmless(attributes):
            return False
        clean = self._clean.young
        for value in [value for value in attributes.values() if type(value) is not str or value not in clean]:
            kind = type(value)
            if kind is str:
                texts.append(value)
            elif kind is int:
                if abs(value) >= _FIRST_CARD:
                    texts.append(str(value))
            elif kind is tuple:
                if not all(type(item) in _INERT or type(item) is str for item in value):
                    return False
                texts.extend(item for item in value if type(item) is str)
            elif kind not in _INERT:
                return False
        return True

    def _are_harmless(self, attributes: Mapping[str, Any]) -> bool:
        """Whether no key has a secret in itself, nor is the name of a secret that this value could be."""
        is_always = True
        for key, value in attributes.items():
            known = self._key(key)
            if known.clean is not None or not _is_innocent(known.name, value):
                return False
            is_always = is_always and known.name is None
        if is_always and len(attributes) <= _MOST_HARMLESS:
            if len(self._harmless) >= _MOST_HARMLESS:
                self._harmless.clear()
            self._harmless.add(tuple(attributes))
        return True

    def _key(self, key: str) -> _Key:
        known = self._keys.get(key)
        if known is None:
            known = self._examined(key)
            if len(self._keys) >= _MOST_KEYS:
                self._keys.clear()
            if len(key) < _MOST_KEYS:
                self._keys[key] = known
        return known

    def _examined(self, key: str) -> _Key:
        if key.startswith(keys.TRUNCATED_PREFIX):
            # The attribute that tells the length of another one must follow it.
            clean = self._key(key.removeprefix(keys.TRUNCATED_PREFIX)).clean
            return _Key(None if clean is None else keys.TRUNCATED_PREFIX + clean, None)
        clean = self.text(key)
        return _Key(None if clean == key else clean, secret_name(MARK.sub("", clean)) if self._defaults else None)

    def _attribute(self, name: SecretName | None, value: Any) -> Any:
        try:
            if name is not None and not _is_innocent(name, value):
                return (mark(name.kind),) if isinstance(value, list | tuple) else mark(name.kind)
            return self._value(value, 0)
        except Exception as error:  # noqa: BLE001 - fail closed, whatever the value did
            say_failed("value", error)
            return RULE_FAILED

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float | bytes):
            return self._scalar(value)
        if depth >= _DEEPEST:
            return RULE_FAILED
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            hidden = [self._value(item, depth + 1) for item in value]
            return value if all(new is old for new, old in zip(hidden, value, strict=True)) else tuple(hidden)
        return self.text(to_text(value))

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, bytes):
            text = value.decode("latin-1")
        elif isinstance(value, int) and abs(value) >= _FIRST_CARD:
            text = to_text(value)
        else:
            return value
        return _unless_same(value, text, self.text(text))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Mapping[str, Any]:
        hidden: dict[str, Any] = {}
        is_changed = False
        for key, item in value.items():
            known = self._key(str(key))
            name = known.name
            new = mark(name.kind) if name and not _is_innocent(name, item) else self._value(item, depth + 1)
            is_changed |= new is not item or known.clean is not None
            hidden[_free(known.clean or str(key), hidden)] = new
        return hidden if is_changed else value

    def _text(self, text: str) -> str:
        hidden = text
        if self._defaults and text not in self._clean:
            hidden = redact(without_edges(text), self._known)
            if hidden is text:
                self._clean.add((text,))
        for name, rule in self._rules:
            hidden = applied(name, rule, hidden)
        return text if hidden == text else self._mended(text, hidden)

    def _mended(self, text: str, hidden: str) -> str:
        """JSON that a replacement broke (a card number that was a bare number), redacted value by value instead."""
        if text.lstrip()[:1] not in ("{", "[", '"') or _is_json(hidden) or not _is_json(text):
            return hidden
        return json.dumps(self._leaves(json.loads(text)), ensure_ascii=False)

    def _leaves(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(key): self._leaf(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._leaves(item) for item in value]
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        return _unless_same(value, str(value), self.text(str(value)))

    def _leaf(self, key: str, value: Any) -> Any:
        name = secret_name(key) if self._defaults else None
        return mark(name.kind) if name and not _is_innocent(name, value) else self._leaves(value)

    def _event(self, event: Event) -> Event:
        name, attributes = self.text(event.name), self.attributes(event.attributes or {})
        if name is event.name and (not event.attributes or attributes is event.attributes):
            return event
        return Event(name, attributes, event.timestamp)

    def _link(self, link: Link) -> Link:
        context, attributes = self._context(link.context), self.attributes(link.attributes or {})
        if context is link.context and (not link.attributes or attributes is link.attributes):
            return link
        return Link(context, attributes)

    def _context(self, context: SpanContext) -> SpanContext:
        """Entries of the trace state come from whoever called us; one with a secret is left out."""
        state = _trace_state(context)
        clean = [(key, value) for key, value in state.items() if self.text(f"{key}={value}") == f"{key}={value}"]
        if len(clean) == len(state):
            return context
        return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, TraceState(clean))

    def _scope(self, scope: InstrumentationScope) -> InstrumentationScope:
        name, version = self.text(scope.name), self.text(scope.version or "")
        attributes = self.attributes(scope.attributes or {})
        if name is scope.name and version == (scope.version or "") and attributes == (scope.attributes or {}):
            return scope
        return InstrumentationScope(name, version or None, scope.schema_url, attributes)

    def _once(self, shared: _T, redacted: Callable[[Any], Any]) -> _T:
        """What thousands of spans share is looked at once."""
        found = self._shared.get(id(shared))
        if found is None or found[0] is not shared:
            found = (shared, shared if shared is None else redacted(shared))
            if len(self._shared) >= _MOST_SHARED:
                self._shared.clear()
            self._shared[id(shared)] = found
        return found[1]  # type: ignore[no-any-return]  # of the type that came in


def _are_innocent(texts: list[str], signs: Suspicion) -> bool:
    """Whether no text has a secret: a sign is not yet one, and stands in many an ordinary text, as a "key" in JSON."""
    try:
        return all(redact(text, among=signs) is text for text in texts)
    except Exception:  # noqa: BLE001 - the look at each value by itself meets it again, and hides the value
        return False


def redaction(rules: Sequence[Rule] = (), *, defaults: bool = True, known: Sequence[str] = ()) -> Redaction:
    """The step that redacts spans.

    Args:
        rules: rules of your own, run in this order on every text, after the defaults.
        defaults: False turns off all that llmtrace brings, `known` included; then only `rules` hide anything.
        known: exact secrets, from `llmtrace.secrets.environment_secrets`.

    Raises:
        ConfigurationError: where a rule cannot be.
    """
    return Redaction(rules, defaults=defaults, known=known)


_INERT: Final = frozenset({bool, float, type(None)})


def _is_innocent(name: SecretName | None, value: object) -> bool:
    """Whether a value under a secret's name is none: a truth value, nothing, a count under a weak name."""
    if name is None or value is None or value == "" or isinstance(value, bool):
        return True
    if isinstance(value, str) and MARK.fullmatch(value):
        return True
    return name.is_weak and not (isinstance(value, str) and looks_random(value))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _all(items: Sequence[_T], hidden: Callable[[_T], _T]) -> Sequence[_T]:
    new = [hidden(item) for item in items]
    return items if all(a is b for a, b in zip(new, items, strict=True)) else new


def _unless_same(value: Any, text: str, hidden: str) -> Any:
    return value if hidden == text else hidden


def _free(key: str, taken: Mapping[str, Any]) -> str:
    """The key, or one like it: two keys that differed in a secret only must not become one."""
    while key in taken:
        key += "_"
    return key


def _trace_state(context: SpanContext | None) -> Mapping[str, str]:
    return context.trace_state if context is not None and context.trace_state else {}


def _contexts(record: SpanRecord) -> list[SpanContext]:
    """Those with a trace state."""
    found = [record.context, record.parent, *[link.context for link in record.links]]
    # Nearly every span has the same empty one: to ask it for its length would be a call.
    return [context for context in found if context and context.trace_state is not NO_STATE and context.trace_state]
