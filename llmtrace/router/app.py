"""The one place where the router's parts are joined: built from a RouterConfig, started and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from llmtrace.router.clock import SystemClock
from llmtrace.router.config import RouterConfig
from llmtrace.router.config.digests import MAIL
from llmtrace.router.digest.sender import DigestSender
from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.enrichment import Enricher
from llmtrace.router.enrichment.lookup import LookingUp
from llmtrace.router.model import Destination
from llmtrace.router.notifiers import KINDS
from llmtrace.router.notifiers.http import open_client
from llmtrace.router.notifiers.mail import EmailNotifier
from llmtrace.router.page.routes import page_routes
from llmtrace.router.ports import Notifier, Records, Toolbox
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.store.database import Database
from llmtrace.router.store.digests import SqlDigests
from llmtrace.router.store.records import SqlRecords
from llmtrace.router.store.shown import SqlShown
from llmtrace.router.store.sql import SqlStore
from llmtrace.router.tailing import Tail
from llmtrace.router.watchdog import Watchdog
from llmtrace.router.web import server
from llmtrace.router.web.acts import Counter, acting_routes
from llmtrace.router.web.answer import Answer, Headers
from llmtrace.router.web.api import explaining, listing
from llmtrace.router.web.auth import OnlyReaders
from llmtrace.router.web.connection import Quick
from llmtrace.router.web.figures import figures
from llmtrace.router.web.health import health
from llmtrace.router.web.hosts import OnlyHosts
from llmtrace.router.web.intake import Door, Intake
from llmtrace.router.web.links import SignedLinks
from llmtrace.router.web.reload import Reload, Rules, reloading
from llmtrace.router.web.sources import intakes, unknown

READING: Final = ("/api/v1/", "/-/", "/metrics")
"""Under these paths people read and act."""
SWITCH: Final = 0.0005
"""Seconds. While a turn computes in its thread, requests must not wait for Python's usual 5 ms each time."""
COLLECT: Final = (20_000, 20, 50)
"""New objects before Python looks for cycles, and how much more seldom it looks at older ones: requests leave none."""
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def serve(config: RouterConfig, announce: Callable[[str], None], reread: Callable[[], RouterConfig]) -> None:
    """Run until SIGTERM or SIGINT. ``announce`` is told the URL once the router is ready.

    ``reread`` reads the rules again, at SIGHUP or when somebody asks.

    Raises:
        ConfigurationError: the address is taken or not allowed, or the store cannot be used.
    """
    with server.bound(config.listen) as listening, _database(config.store) as database:
        database.get_ready()
        server.run(lambda: _serve(config, database, listening, announce, reread))


async def _serve(
    config: RouterConfig,
    database: Database,
    listening: socket.socket,
    announce: Callable[[str], None],
    reread: Callable[[], RouterConfig],
) -> None:
    clock = SystemClock()
    _get_ready()
    async with open_client() as client:
        external = config.external_url or server.url_of(listening)
        links = SignedLinks(database.link_key, external, clock.now)
        tools = Toolbox(client, clock, external, _print, links.acknowledge)
        store = SqlStore(database)
        dispatcher = Dispatcher(config, store, build_notifiers(config, tools), clock, random.SystemRandom().random)
        dispatcher.enricher = Enricher(config, store.changes, client, store.newest_change)
        take_in = lambda alerts: store.accept(alerts, clock.now())  # noqa: E731 - an argument
        with GroupCommit(take_in, dispatcher.accepted, near=database.inbox.near) as inbox:
            looking_up = LookingUp(inbox, config)
            door, counter = (
                Door(looking_up, clock, lambda: store.undecided),
                Counter(store, clock, links, dispatcher.wake),
            )

            watchdog = Watchdog(config, door.heard, inbox, clock)
            digesting = DigestSender(config, SqlDigests(database), _posts(config, tools), clock, external)
            tail = Tail(config, client, looking_up, clock, store.tail, store.keep_tail, door.heard)

            def web(rules: RouterConfig) -> Quick:
                records = SqlRecords(database)
                page = page_routes(rules, counter, SqlShown(database), database.link_key)
                return build_web(rules, door, records, counter, lambda: dispatcher.error, rules_door.reload, page)

            def take(rules: RouterConfig) -> Quick:
                dispatcher.reconfigure(rules, build_notifiers(rules, tools))
                watchdog.reconfigure(rules)
                digesting.reconfigure(rules, _posts(rules, tools))
                tail.reconfigure(rules)
                looking_up.reconfigure(rules)
                dispatcher.enricher = Enricher(rules, store.changes, client, store.newest_change)
                return web(rules)

            note = lambda rules: store.note("rules", _about(rules), clock.now())  # noqa: E731 - an argument
            rules_door = Rules(config, reread, take, note)
            rules_door.app = web(config)
            await asyncio.to_thread(rules_door.note, config)
            beside = [asyncio.create_task(each.run()) for each in (watchdog, tail, digesting)]
            try:
                ready = lambda: announce(server.url_of(listening))  # noqa: E731 - an argument
                await _run(server.Server(rules_door, ready), listening, rules_door, dispatcher)
            finally:
                for task in beside:
                    task.cancel()


def _get_ready() -> None:
    """Requests and pages must not wait for Python's own housekeeping."""
    sys.setswitchinterval(SWITCH)
    gc.collect()
    gc.freeze()  # what is there by now stays
    gc.set_threshold(*COLLECT)


async def _run(web: server.Server, listening: socket.socket, rules: Rules, dispatcher: Dispatcher) -> None:
    """Until the process is told to end: first no more requests, then no more deliveries."""
    dispatching = asyncio.create_task(dispatcher.run())
    try:
        await web.until_signalled(listening, rules.reload)
    finally:
        dispatcher.stop()
        await dispatching


def _about(rules: RouterConfig) -> dict[str, str]:
    """What the audit trail knows rules by."""
    return {"config": rules.hash, **({"revision": rules.revision} if rules.revision else {})}


def _posts(config: RouterConfig, tools: Toolbox) -> dict[str, EmailNotifier]:
    """The mail of each receiver that gets a digest."""
    return {
        each.receiver: EmailNotifier(config.receivers[each.receiver][MAIL], tools)  # type: ignore[arg-type]
        for each in config.digests
    }


def build_notifiers(config: RouterConfig, tools: Toolbox) -> dict[Destination, Notifier]:
    """A notifier for each destination."""
    return {
        destination: KINDS[destination.notifier].build(
            config.receivers[destination.receiver][destination.notifier], tools
        )
        for destination in config.destinations
    }


def build_web(
    config: RouterConfig,
    door: Door,
    records: Records,
    counter: Counter,
    fault: Callable[[], str | None],
    reload: Reload,
    page: Sequence[Route] = (),
) -> Quick:
    """All that the router answers; ``page`` is what a browser shows."""
    hosts = _LOCAL_HOSTS | config.external_hosts | {config.listen.host.lower()}
    taking = intakes(config, door, lambda changes: counter.store.keep_changes(changes, door.clock.now()))
    acting = acting_routes(config, counter)
    pages = Starlette(
        routes=[
            *acting,
            Route("/-/reload", reloading(reload), methods=["POST"]),
            Route("/healthz", health(records, fault, door.clock, config.watch.late)),
            Route("/metrics", figures(door, records, config.watch)),
            Route("/api/v1/alerts", listing("alerts", records.alerts)),
            Route("/api/v1/decisions", listing("decisions", records.decisions)),
            Route("/api/v1/deliveries", listing("deliveries", records.deliveries)),
            Route("/api/v1/incidents", listing("incidents", records.incidents)),
            Route("/api/v1/explain/{alert}", explaining(records, config)),
            Route("/api/v1/silences", listing("silences", records.silences), methods=["GET"]),
            *page,
            # The last: what people do in other tools comes in below /ingest/ too.
            Route("/ingest/{rest:path}", unknown([*taking, *(each.path for each in acting)]), methods=["GET", "POST"]),
        ],
        middleware=[Middleware(OnlyReaders, auth=config.web.auth, paths=READING)],
    )
    app = _Paths(taking, pages)
    # Elsewhere every request needs a token, which a page in a browser does not have.
    return OnlyHosts(app, hosts) if config.listen.is_loopback else app


class _Paths:
    """The intakes by their path, all else to the pages: a request for an intake is not compared with every route."""

    def __init__(self, intakes: Mapping[str, Intake], pages: ASGIApp) -> None:
        self._intakes = intakes
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._intakes.get(scope.get("path", ""), self._pages)(scope, receive, send)

    def at_once(self, path: str, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """The short way, which only intakes have."""
        intake = self._intakes.get(path)
        return intake is not None and intake.at_once(headers, body, then)


@contextlib.contextmanager
def _database(store: str) -> Iterator[Database]:
    database = Database(store)
    try:
        yield database
    finally:
        database.close()


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
