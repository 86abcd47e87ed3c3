"""The one place where the router's parts are joined: built from a RouterConfig, started and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.types import ASGIApp

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.clock import SystemClock
from llmtrace.router.config import Listen, RouterConfig
from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.model import Destination
from llmtrace.router.notifiers import KINDS
from llmtrace.router.ports import Inbox, Notifier, Records, Toolbox
from llmtrace.router.store.database import Database
from llmtrace.router.store.inbox import GroupCommit
from llmtrace.router.store.records import SqlRecords
from llmtrace.router.store.sql import SqlStore
from llmtrace.router.web.acts import Counter, acting_routes
from llmtrace.router.web.api import explaining, listing
from llmtrace.router.web.auth import OnlyReaders
from llmtrace.router.web.health import health
from llmtrace.router.web.hosts import OnlyHosts
from llmtrace.router.web.intake import Door
from llmtrace.router.web.links import SignedLinks
from llmtrace.router.web.reload import Reload, Rules, reloading
from llmtrace.router.web.sources import intake_routes

READING: Final = ("/api/v1/", "/-/")
"""Under these paths people read and act."""
MOST_REQUESTS: Final = 256
"""At once; more get a 503, so that memory stays bounded."""
BACKLOG: Final = 2_048
SWITCH: Final = 0.0005
"""Seconds. While a turn computes in its thread, requests must not wait for Python's usual 5 ms each time."""
SHUTDOWN: Final = 5
"""Seconds that open requests get when the router stops."""
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def serve(config: RouterConfig, announce: Callable[[str], None], reread: Callable[[], RouterConfig]) -> None:
    """Run until SIGTERM or SIGINT. ``announce`` is told the URL once the router is ready.

    ``reread`` reads the rules again, at SIGHUP or when somebody asks.

    Raises:
        ConfigurationError: the address is taken or not allowed, or the store cannot be used.
    """
    with _bound(config.listen) as listening, _database(config.store) as database:
        asyncio.run(_serve(config, database, listening, announce, reread))


async def _serve(
    config: RouterConfig,
    database: Database,
    listening: socket.socket,
    announce: Callable[[str], None],
    reread: Callable[[], RouterConfig],
) -> None:
    clock = SystemClock()
    sys.setswitchinterval(SWITCH)
    async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
        external = config.external_url or _url(listening)
        links = SignedLinks(database.link_key, external, clock.now)
        tools = Toolbox(client, clock, external, _print, links.acknowledge)
        store = SqlStore(database)
        dispatcher = Dispatcher(config, store, build_notifiers(config, tools), clock, random.SystemRandom().random)
        inbox = GroupCommit(lambda alerts: store.accept(alerts, clock.now()), dispatcher.accepted)
        counter = Counter(store, clock, links, dispatcher.wake)

        def web(rules: RouterConfig) -> Starlette:
            return build_web(rules, inbox, SqlRecords(database), counter, lambda: dispatcher.error, rules_door.reload)

        def take(rules: RouterConfig) -> Starlette:
            dispatcher.reconfigure(rules, build_notifiers(rules, tools))
            return web(rules)

        rules_door = Rules(config, reread, take, lambda rules: store.note("rules", {"config": rules.hash}, clock.now()))
        rules_door.app = web(config)
        await asyncio.to_thread(rules_door.note, config)
        server = _Server(rules_door, lambda: announce(_url(listening)))
        dispatching = asyncio.create_task(dispatcher.run())
        try:
            await _until_signalled(server, listening, rules_door)
        finally:
            dispatcher.stop()
            await dispatching


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
    inbox: Inbox,
    records: Records,
    counter: Counter,
    fault: Callable[[], str | None],
    reload: Reload,
) -> Starlette:
    """All of the router's pages."""
    external = urlsplit(config.external_url or "").hostname
    hosts = _LOCAL_HOSTS | {config.listen.host.lower(), *([external] if external else [])}
    return Starlette(
        routes=[
            *intake_routes(config, Door(inbox, counter.clock)),
            *acting_routes(config, counter),
            Route("/-/reload", reloading(reload), methods=["POST"]),
            Route("/healthz", health(records, fault)),
            Route("/api/v1/alerts", listing("alerts", records.alerts)),
            Route("/api/v1/decisions", listing("decisions", records.decisions)),
            Route("/api/v1/deliveries", listing("deliveries", records.deliveries)),
            Route("/api/v1/incidents", listing("incidents", records.incidents)),
            Route("/api/v1/explain/{alert}", explaining(records.explain)),
            Route("/api/v1/silences", listing("silences", records.silences), methods=["GET"]),
        ],
        middleware=[
            # Elsewhere every request needs a token, which a page in a browser does not have.
            *([Middleware(OnlyHosts, hosts=hosts)] if config.listen.is_loopback else []),
            Middleware(OnlyReaders, auth=config.web.auth, paths=READING),
        ],
    )


class _Server(uvicorn.Server):
    """Uvicorn, which says when it is ready and leaves the signals to us: it would end by the signal, not with 0."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                limit_concurrency=MOST_REQUESTS,
                timeout_graceful_shutdown=SHUTDOWN,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _until_signalled(server: uvicorn.Server, listening: socket.socket, rules: Rules) -> None:
    def leave() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, leave)
    reloads: set[asyncio.Task[str | None]] = set()
    loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.create_task(rules.reload())))
    await server.serve(sockets=[listening])


@contextlib.contextmanager
def _bound(listen: Listen) -> Iterator[socket.socket]:
    """The socket, bound before the store is touched: what can be said at once is said at once."""
    family = socket.AF_INET6 if listen.is_ipv6 else socket.AF_INET
    # With the protocol named asyncio sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((listen.host, listen.port))
            bound.listen(BACKLOG)
        except OSError as error:
            what = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
            remedy = "stop what listens there, or choose another with --listen host:port (port 0: any free one)"
            raise ConfigurationError(f"listen: the address {listen} {what}; {remedy}") from error
        yield bound


@contextlib.contextmanager
def _database(file: str) -> Iterator[Database]:
    database = Database(Path(file))
    try:
        yield database
    finally:
        database.close()


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{Listen(host, port)}"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
