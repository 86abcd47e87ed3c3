"""From the text of ``alerts.yaml`` to a RouterConfig: references checked, inheritance applied, each error one line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import document, proof, schema
from llmtrace.router.config.access import MAPPED, IntakeOptions
from llmtrace.router.config.digests import digests
from llmtrace.router.config.document import Document
from llmtrace.router.config.lookup import lookup
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.oddities import Oddities
from llmtrace.router.config.rollout import capped, rollout
from llmtrace.router.config.settings import Fallback, Flapping, Inhibition, Links, Listen, RouteNode, RouterConfig
from llmtrace.router.config.tree import Names, Tree, tiers
from llmtrace.router.config.validation import read_text, validate
from llmtrace.router.config.watching import heartbeat_route, watch
from llmtrace.router.matchers import Silence
from llmtrace.router.model import Tier
from llmtrace.router.ports import NotifierKind, Retention

_SECRET_LISTS: Final = frozenset({"bearer", "secrets", "webhook_url"})
LISTEN_VARIABLE: Final = "LLMTRACE_ROUTER_LISTEN"


def load(
    file: Path, environ: Mapping[str, str], kinds: Mapping[str, NotifierKind], listen: str | None = None
) -> RouterConfig:
    """Read and check a router file. ``listen`` (the flag) wins over LLMTRACE_ROUTER_LISTEN, that over the file.

    Raises:
        ConfigurationError: for the first thing in the file that is wrong.
    """
    text = read_text(file)
    opened = document.read(file.name, text, environ, _secret_keys(kinds))
    parsed: schema.RouterFile = validate(opened, (), schema.RouterFile, opened.data)
    receivers = {name: _receiver(opened, name, kinds, found) for name, found in parsed.receivers.items()}
    names = Names(receivers.keys(), parsed.time_intervals.keys())
    tree = Tree(opened, names, tiers(opened, parsed, names))
    routes = tree.nodes(parsed.routes)
    notifiers = {name: {kind: kinds[kind] for kind in found} for name, found in receivers.items()}
    is_proven = _prove(opened, tree, routes, receivers, kinds)
    address = _listen(listen, environ, parsed.listen)
    _check_access(opened, address, parsed)
    return RouterConfig(
        hash=hashlib.sha256(text.encode()).hexdigest()[:16],
        listen=address,
        store=parsed.store if parsed.store.startswith(schema.SERVER) else str(file.parent / parsed.store),
        retention=Retention(parsed.retention.alerts, parsed.retention.audit),
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
        watch=watch(opened, parsed.watchdog, names.receivers, parsed.intake.sources),
        enrich=parsed.enrich,
        lookup=lookup(opened, file, parsed.enrich.lookup),
        flapping=Flapping(parsed.flapping.begins, parsed.flapping.within, parsed.flapping.steady),
        rollout=rollout(opened, parsed, names, tree.tiers),
        capped=capped(tree.tiers),
        time_intervals=parsed.time_intervals,
        receivers=receivers,
        routes=(*heartbeat_route(parsed.watchdog), *routes),
        unrouted=tree.tiers[Tier.DIGEST],
        is_proven=is_proven,
        digests=digests(opened, tree.places, routes, tree.tiers[Tier.DIGEST], receivers),
        warnings=tuple(Oddities(opened, parsed, tree.places, routes, notifiers).all()),
    )


def _prove(
    opened: Document,
    tree: Tree,
    routes: tuple[RouteNode, ...],
    receivers: Mapping[str, Mapping[str, BaseModel]],
    kinds: Mapping[str, NotifierKind],
) -> bool:
    """Rules that treat regulated alerts on their own must lead every one of them to a ticket."""
    if not proof.mentions_regulated(routes):
        return False
    tickets = {name for name, found in receivers.items() if any(kinds[kind].tickets for kind in found)}
    found = next(proof.without_ticket(routes, tree.tiers[Tier.DIGEST], tickets.__contains__), None)
    if found is not None:
        systems = " or ".join(name for name, kind in kinds.items() if kind.tickets)
        allowed = f"allowed: a receiver with a ticket system ({systems}) on every such route, not a digest"
        place = ("routes",) if found.node is None else tree.places[found.node.id]
        raise opened.error(place, f"{found.text}; {allowed}", about_key=True)
    return True


def _mappings(
    opened: Document, file: Path, intake: IntakeOptions, environ: Mapping[str, str]
) -> Mapping[str, AlertMapping]:
    """The mapping files of the sources that name one."""
    named: dict[tuple[str, ...], str] = {("sources", name): options.mapping for name, options in intake.sources.items()}
    for name in MAPPED:
        if (file_name := getattr(intake, name).mapping) is not None:
            named[name,] = file_name
    found = {}
    for place, name in named.items():
        try:
            text = read_text(file.parent / name)
        except ConfigurationError as error:
            raise opened.error(("intake", *place, "mapping"), str(error)) from error
        mapping = document.read(name, text, environ)
        found[place[-1]] = validate(mapping, (), AlertMapping, mapping.data)
    return found


def _listen(flag: str | None, environ: Mapping[str, str], in_file: Listen) -> Listen:
    for name, value in (("--listen", flag), (LISTEN_VARIABLE, environ.get(LISTEN_VARIABLE))):
        if value:
            try:
                return schema.listen(value)
            except ValueError as error:
                raise ConfigurationError(f"{name}: {value!r} is {error}") from error
    return in_file


def _check_access(opened: Document, address: Listen, parsed: schema.RouterFile) -> None:
    """Whoever can be reached from other machines must know who calls."""
    missing = [name for name, section in (("intake", parsed.intake), ("web", parsed.web)) if section.auth is None]
    if address.is_loopback or not missing:
        return
    needed = " and ".join(f"{name}.auth" for name in missing)
    problem = (
        f"reachable from other machines, which needs {needed}; "
        "allowed without: a loopback address such as 127.0.0.1:4319"
    )
    if address == parsed.listen:
        raise opened.error(("listen",), problem)
    raise ConfigurationError(f"listen: {str(address)!r} is {problem}")


def _secret_keys(kinds: Mapping[str, NotifierKind]) -> frozenset[str]:
    fields = (field for kind in kinds.values() for field in kind.settings.model_fields.items())
    return frozenset(name for name, field in fields if SecretStr.__name__ in str(field.annotation)) | _SECRET_LISTS


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
        kind: validate(opened, (*location, kind), kinds[kind].settings, {} if settings is None else settings)
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
