"""From the text of ``alerts.yaml`` to a RouterConfig: references checked, inheritance applied, each error one line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, SecretStr, ValidationError

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import document, proof, schema
from llmtrace.router.config.access import IntakeOptions
from llmtrace.router.config.document import Document, Location
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.settings import Fallback, Inhibition, Links, Listen, RouteNode, RouterConfig
from llmtrace.router.matchers import Silence
from llmtrace.router.model import Policy, Tier
from llmtrace.router.ports import NotifierKind

_SECRET_LISTS: Final = frozenset({"bearer", "secrets", "webhook_url"})
LISTEN_VARIABLE: Final = "LLMTRACE_ROUTER_LISTEN"

_BUILT_IN: Final[Mapping[Tier, Policy]] = MappingProxyType(
    {
        Tier.PAGE: Policy(
            Tier.PAGE, (), ("alertname", "service"), timedelta(0), timedelta(minutes=1), timedelta(hours=4)
        ),
        Tier.CHANNEL: Policy(
            Tier.CHANNEL, (), ("alertname", "service"), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=12)
        ),
        Tier.DIGEST: Policy(Tier.DIGEST, (), (), timedelta(days=1), timedelta(days=1), timedelta(days=1)),
    }
)
_PROBLEMS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        "missing": lambda _: "missing; it must be set",
        "string_type": lambda _: "not text; allowed: a string",
        "list_type": lambda _: "not a list",
        "dict_type": lambda _: "not a mapping",
        "enum": lambda context: f"not allowed; allowed: {context['expected']}",
        "literal_error": lambda context: f"not allowed; allowed: {context['expected']}",
        "llmtrace": lambda context: str(context["problem"]),
    }
)


class _Names(NamedTuple):
    """What a route may name."""

    receivers: Collection[str]
    intervals: Collection[str]


def load(
    file: Path, environ: Mapping[str, str], kinds: Mapping[str, NotifierKind], listen: str | None = None
) -> RouterConfig:
    """Read and check a router file. ``listen`` (the flag) wins over LLMTRACE_ROUTER_LISTEN, that over the file.

    Raises:
        ConfigurationError: for the first thing in the file that is wrong.
    """
    text = _read(file)
    opened = document.read(file.name, text, environ, _secret_keys(kinds))
    parsed: schema.RouterFile = _validate(opened, (), schema.RouterFile, opened.data)
    receivers = {name: _receiver(opened, name, kinds, found) for name, found in parsed.receivers.items()}
    names = _Names(receivers.keys(), parsed.time_intervals.keys())
    tree = _Tree(opened, names, _tiers(opened, parsed, names))
    routes = tree.nodes(parsed.routes)
    _prove(opened, routes, tree.tiers[Tier.DIGEST], receivers, kinds)
    return RouterConfig(
        hash=hashlib.sha256(text.encode()).hexdigest()[:16],
        listen=_listen(listen, environ, parsed.listen),
        store=str(file.parent / parsed.store),
        external_url=parsed.external_url,
        links=Links(parsed.links.trace),
        intake=parsed.intake,
        web=parsed.web,
        mappings=_mappings(opened, file, parsed.intake, environ),
        fallback=_fallback(opened, parsed, receivers.keys()),
        silences=tuple(_silence(index, each) for index, each in enumerate(parsed.silences)),
        inhibit=tuple(
            Inhibition(tuple(each.source_matchers), tuple(each.target_matchers), tuple(each.equal))
            for each in parsed.inhibit
        ),
        time_intervals=parsed.time_intervals,
        receivers=receivers,
        routes=routes,
        unrouted=tree.tiers[Tier.DIGEST],
        warnings=(*_warnings(parsed), *_oddities(parsed, routes, receivers, kinds)),
    )


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 text, byte {error.start}") from error


def _prove(
    opened: Document,
    routes: tuple[RouteNode, ...],
    unrouted: Policy,
    receivers: Mapping[str, Mapping[str, BaseModel]],
    kinds: Mapping[str, NotifierKind],
) -> None:
    """Rules that treat regulated alerts on their own must lead every one of them to a ticket."""
    if not proof.mentions_regulated(routes):
        return
    tickets = {name for name, found in receivers.items() if any(kinds[kind].tickets for kind in found)}
    problem = next(proof.without_ticket(routes, unrouted, tickets.__contains__), None)
    if problem is not None:
        allowed = "allowed: a receiver with a ticket system (servicenow) on every such route, not a digest"
        raise opened.error(("routes",), f"{problem}; {allowed}", about_key=True)


def _oddities(
    parsed: schema.RouterFile,
    routes: tuple[RouteNode, ...],
    receivers: Mapping[str, Mapping[str, BaseModel]],
    kinds: Mapping[str, NotifierKind],
) -> Iterator[str]:
    """What is allowed, and hardly meant."""
    yield from proof.unreachable(routes)
    yield from proof.dead_matchers(routes)
    if parsed.intake.pagerduty.auth is None:
        for name in _first_told(routes):
            if any(kinds[kind].escalates for kind in receivers[name]):
                yield (
                    f"receivers.{name} escalates by itself and no acknowledgement comes back from it: both escalate; "
                    "set intake.pagerduty.auth and send its webhook to /ingest/pagerduty"
                )


def _first_told(routes: tuple[RouteNode, ...]) -> list[str]:
    """The receivers whose policies escalate."""
    found: dict[str, None] = {}
    for node in routes:
        for policy in node.policies.values():
            found |= dict.fromkeys(policy.receivers if policy.escalate else ())
        found |= dict.fromkeys(_first_told(node.children))
    return list(found)


def _mappings(
    opened: Document, file: Path, intake: IntakeOptions, environ: Mapping[str, str]
) -> Mapping[str, AlertMapping]:
    """The mapping files of the sources that name one."""
    named: dict[tuple[str, ...], str] = {("sources", name): options.mapping for name, options in intake.sources.items()}
    if intake.arize.mapping is not None:
        named["arize",] = intake.arize.mapping
    found = {}
    for place, name in named.items():
        try:
            text = _read(file.parent / name)
        except ConfigurationError as error:
            raise opened.error(("intake", *place, "mapping"), str(error)) from error
        mapping = document.read(name, text, environ)
        found[place[-1]] = _validate(mapping, (), AlertMapping, mapping.data)
    return found


def _listen(flag: str | None, environ: Mapping[str, str], in_file: Listen) -> Listen:
    for name, value in (("--listen", flag), (LISTEN_VARIABLE, environ.get(LISTEN_VARIABLE))):
        if value:
            try:
                return schema.listen(value)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {value!r} is {error}") from error
    return in_file


def _secret_keys(kinds: Mapping[str, NotifierKind]) -> frozenset[str]:
    fields = (field for kind in kinds.values() for field in kind.settings.model_fields.items())
    return frozenset(name for name, field in fields if SecretStr.__name__ in str(field.annotation)) | _SECRET_LISTS


def _validate(opened: Document, prefix: Location, model: type[BaseModel], data: Any) -> Any:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _first(opened, prefix, error) from error


def _first(opened: Document, prefix: Location, error: ValidationError) -> ConfigurationError:
    found = error.errors(include_url=False, include_input=False)
    first, more = found[0], len(found) - 1
    context = first.get("ctx", {})
    say = _PROBLEMS.get(first["type"])
    problem = say(context) if say is not None else f"not allowed: {first['msg']}"
    location = (*prefix, *first["loc"], *([context["key"]] if "key" in context else []))
    about_key = "key" in context or first["type"] == "missing"
    return opened.error(location, problem + (f" (and {more} more)" if more else ""), about_key=about_key)


def _receiver(
    opened: Document, name: str, kinds: Mapping[str, NotifierKind], notifiers: Mapping[str, Any]
) -> Mapping[str, BaseModel]:
    location = ("receivers", name)
    if not notifiers:
        raise opened.error(location, f"no notifier; allowed: one or more of {', '.join(kinds)}")
    for kind in notifiers:
        if kind not in kinds:
            problem = f"no such notifier in this version; allowed: {', '.join(kinds)}"
            raise opened.error((*location, kind), problem, about_key=True)
    return {
        kind: _validate(opened, (*location, kind), kinds[kind].settings, {} if settings is None else settings)
        for kind, settings in notifiers.items()
    }


def _silence(index: int, given: schema.SilenceOptions) -> Silence:
    """One that stands in the file; a time without a zone is UTC."""
    start, end = (_aware(each) for each in (given.starts_at or datetime(1970, 1, 1, tzinfo=UTC), given.ends_at))
    return Silence(f"file:{index}", tuple(given.matchers), start, end, given.created_by, given.comment)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _fallback(opened: Document, parsed: schema.RouterFile, receivers: Any) -> Fallback | None:
    if parsed.fallback is None:
        return None
    if parsed.fallback.receiver not in receivers:
        raise opened.error(("fallback", "receiver"), f"no receiver of this file; allowed: {', '.join(receivers)}")
    return Fallback(parsed.fallback.receiver, parsed.fallback.after)


def _tiers(opened: Document, parsed: schema.RouterFile, names: _Names) -> Mapping[Tier, Policy]:
    for tier, options in parsed.tiers.items():
        _check_options(opened, ("tiers", tier.value), options, names)
        _check_life(opened, ("tiers", tier.value), _policy(_BUILT_IN[tier], options.said()), options.said())
    return {
        tier: _policy(built_in, parsed.tiers[tier].said() if tier in parsed.tiers else {})
        for tier, built_in in _BUILT_IN.items()
    }


def _policy(base: Policy, said: Mapping[str, Any]) -> Policy:
    """A digest opens no incident, so that nothing of it escalates."""
    policy = replace(base, **said)
    return replace(policy, escalate=()) if policy.tier is Tier.DIGEST else policy


def _check_life(opened: Document, location: Location, policy: Policy, said: Mapping[str, Any]) -> None:
    """Steps in their order, and an incident that lives to see the last one."""
    if not policy.escalate or not {"escalate", "resolve_after"} & said.keys():
        return
    place = (*location, "escalate" if "escalate" in said else "resolve_after")
    if any(later.after <= step.after for step, later in pairwise(policy.escalate)):
        raise opened.error(place, "not in order; allowed: each step's after longer than that before", about_key=True)
    last, over = policy.escalate[-1].after, policy.resolve_after
    if over < last:
        problem = f"the last step comes after {last}, the incident ends after {over}; allowed: resolve_after >= {last}"
        raise opened.error(place, problem, about_key=True)


def _check_options(opened: Document, location: Location, options: schema.Options, names: _Names) -> None:
    known = names.receivers
    _check_names(opened, (*location, "receivers"), options.receivers or (), known)
    for index, interval in enumerate(options.mute_time_intervals or ()):
        if interval not in names.intervals:
            problem = f"none of time_intervals; allowed: {', '.join(names.intervals) or 'none is defined'}"
            raise opened.error((*location, "mute_time_intervals", index), problem)
    for index, step in enumerate(options.escalate or ()):
        _check_names(opened, (*location, "escalate", index, "receivers"), step.receivers, known)


def _check_names(opened: Document, location: Location, names: Iterable[str], known: Any) -> None:
    for index, name in enumerate(names):
        if name not in known:
            problem = f"no receiver of this file; allowed: {', '.join(known)}"
            raise opened.error((*location, index), problem)


class _Tree:
    """Resolves routes: what a route says beats what its parents say, that beats its tier, that the built-ins."""

    def __init__(self, opened: Document, names: _Names, tiers: Mapping[Tier, Policy]) -> None:
        self._opened = opened
        self._names = names
        self._ids: set[str] = set()
        self.tiers = tiers

    def nodes(
        self,
        routes: list[schema.Route],
        location: Location = ("routes",),
        parent: str = "",
        tier: Tier | None = None,
        inherited: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[RouteNode, ...]:
        return tuple(
            self._node(route, (*location, index), parent, tier, inherited) for index, route in enumerate(routes)
        )

    def _node(
        self, route: schema.Route, location: Location, parent: str, tier: Tier | None, inherited: Mapping[str, Any]
    ) -> RouteNode:
        _check_options(self._opened, location, route, self._names)
        tier = route.tier or tier
        said = {**inherited, **route.said()}
        policies = {each: _policy(self.tiers[each], said) for each in ([tier] if tier else Tier)}
        for policy in policies.values():
            _check_life(self._opened, location, policy, route.said())
        if all(child.matchers for child in route.routes):  # else some child always applies, and never this one
            self._check_told(location, policies, route)
        name = self._identify(parent + "/{" + ",".join(str(matcher) for matcher in route.matchers) + "}")
        children = self.nodes(route.routes, (*location, "routes"), name, tier, said)
        return RouteNode(name, tuple(route.matchers), route.continues, tier, policies, children)

    def _identify(self, name: str) -> str:
        """``name``, with a number where a sibling has the same matchers."""
        number, unique = 1, name
        while unique in self._ids:
            number += 1
            unique = f"{name}#{number}"
        self._ids.add(unique)
        return unique

    def _check_told(self, location: Location, policies: Mapping[Tier, Policy], route: schema.Route) -> None:
        """A page or a message that nobody gets is a mistake; an alert that is only kept for the digest is not."""
        for tier, policy in policies.items():
            if not policy.receivers and (tier is not Tier.DIGEST or route.receivers is not None):
                problem = f"missing for tier {tier}; name a receiver here, on a parent route or under tiers.{tier}"
                raise self._opened.error((*location, "receivers"), problem, about_key=True)


def _warnings(parsed: schema.RouterFile) -> Iterator[str]:
    if all(route.matchers or route.continues for route in parsed.routes):
        yield "an alert that no route matches is kept for the digest (no_route); add a last route without matchers"
    used = {name for options in (*parsed.tiers.values(), *_every(parsed.routes)) for name in options.receivers or ()}
    used |= {parsed.fallback.receiver} if parsed.fallback else set()
    used |= {name for options in (*parsed.tiers.values(), *_every(parsed.routes)) for name in _escalated(options)}
    for name in parsed.receivers:
        if name not in used:
            yield f"receivers.{name}: no route and no tier names it"


def _escalated(options: schema.Options) -> Iterator[str]:
    return (name for step in options.escalate or () for name in step.receivers)


def _every(routes: list[schema.Route]) -> Iterator[schema.Route]:
    for route in routes:
        yield route
        yield from _every(route.routes)
