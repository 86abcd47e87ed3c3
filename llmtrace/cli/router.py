"""``llmtrace router ...``: runs the router from a file, checks the file, and reads or acts on what a router keeps."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from llmtrace.exceptions import ConfigurationError, LlmtraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from llmtrace.router.config import RouterConfig


_ACTS: Final = {"acknowledge": "acknowledged", "resolve": "resolved"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``router`` and its commands; each sets ``run``: arguments -> exit status."""
    router = subparsers.add_parser("router", help="decide who is told about alerts (extra: router)")
    commands = router.add_subparsers(required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="accept alerts, route and deliver them until stopped")
    serving.add_argument("--listen", metavar="HOST:PORT", help="wins over the file; port 0 picks a free one")
    serving.set_defaults(run=serve)
    checking = commands.add_parser("check", help="say whether the file is right, and what is odd in it")
    checking.set_defaults(run=check, listen=None)
    publishing = commands.add_parser("schema", help="print the JSON Schema of a file or format")
    publishing.add_argument("what", choices=("config", "mapping", "alert"))
    publishing.set_defaults(run=schema)
    explaining = commands.add_parser("explain", help="say why somebody was told of an alert, or nobody")
    explaining.add_argument("alert", metavar="ALERT", help="its id, its fingerprint or its name")
    explaining.set_defaults(run=explain, listen=None)
    auditing = commands.add_parser("audit", help="verify or export the record of all decisions")
    auditing.add_argument("what", choices=("verify", "export"))
    auditing.add_argument(
        "--head", metavar="HASH", help="verify: the last hash that you have kept must be in the chain"
    )
    auditing.set_defaults(run=audit, listen=None)
    acting = [commands.add_parser(name, help=f"{name} an incident of a running router") for name in _ACTS]
    for name, parser in zip(_ACTS, acting, strict=True):
        parser.add_argument("incident", metavar="INCIDENT", type=int)
        parser.add_argument("--by", default=getpass.getuser(), help="who you are (default: %(default)s)")
        parser.add_argument("--url", help="where the router is (default: external_url, else listen)")
        parser.set_defaults(run=act, act=name, listen=None)
    for parser in (serving, checking, explaining, auditing, *acting):
        parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the rules: alerts.yaml")


def serve(arguments: argparse.Namespace) -> int:
    """Run the router until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the file, the address or the store cannot be used.
    """
    config = _load(arguments)
    from llmtrace.router.app import serve as run_router  # noqa: PLC0415 - behind an extra

    logging.basicConfig(format="router: %(levelname)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    for warning in config.warnings:
        logging.getLogger(__name__).warning("%s:%s", arguments.config.name, warning)
    what = f"({arguments.config.name}, {_routes(config)})"
    announce = lambda url: print(f"router: listening on {url} {what}", flush=True)  # noqa: E731, T201 - the command's output
    run_router(config, announce, lambda: _load(arguments))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Read the file as ``serve`` would, and print what is odd in it.

    Raises:
        ConfigurationError: for the first thing that is wrong.
    """
    config = _load(arguments)
    for warning in config.warnings:
        print(f"{arguments.config.name}:{warning} (warning)")  # noqa: T201 - the command's output
    receivers = len(config.receivers)
    print(f"{arguments.config.name}: ok ({_routes(config)}, {receivers} receiver{'s' * (receivers != 1)})")  # noqa: T201 - the command's output
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Print what was decided about an alert, and why. The router may run or not.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = _load(arguments)
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.explain import explain as explained  # noqa: PLC0415 - behind an extra

    with reading(Path(config.store)) as connection:
        lines = explained(connection, arguments.alert)
    for line in lines or [f"no alert {arguments.alert!r}: neither an id nor a fingerprint nor a name"]:
        print(line)  # noqa: T201 - the command's output
    return 0 if lines else 1


def audit(arguments: argparse.Namespace) -> int:
    """Verify the chain of the audit trail, or print it as JSON lines. The router may run or not.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = _load(arguments)
    from llmtrace.router.store.audit import export, holds, verify  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra

    with reading(Path(config.store)) as connection:
        if arguments.what == "export":
            for line in export(connection):
                print(line)  # noqa: T201 - the command's output
            return 0
        verdict = verify(connection)
        kept = arguments.head is None or holds(connection, arguments.head)
    if verdict.broken_at is not None:
        print(f"broken at entry {verdict.broken_at}: {verdict.entries} entries before it are right")  # noqa: T201 - the command's output
    elif not kept:
        print(f"cut off: no entry has the hash {arguments.head}")  # noqa: T201 - the command's output
    else:
        print(f"ok: {verdict.entries} entries, head {verdict.head}")  # noqa: T201 - the command's output
    return 0 if verdict.broken_at is None and kept else 1


def act(arguments: argparse.Namespace) -> int:
    """Acknowledge or resolve an incident, by the running router's API. LLMTRACE_ROUTER_TOKEN is sent as bearer token.

    Raises:
        ConfigurationError: the router cannot be reached or refuses.
    """
    config = _load(arguments)
    base = (arguments.url or config.external_url or f"http://{config.listen}").rstrip("/")
    token = os.environ.get("LLMTRACE_ROUTER_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{base}/api/v1/incidents/{arguments.incident}/{arguments.act}"
    try:
        answer = httpx.post(url, json={"by": arguments.by}, headers=headers, timeout=10, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise LlmtraceError(f"{base}: no answer of a router ({type(error).__name__})") from error
    if not answer.is_success:
        raise LlmtraceError(f"{base}: {said.get('error', answer.status_code)}")
    print(f"incident {arguments.incident}: {_ACTS[arguments.act] if said['changed'] else 'was so already'}")  # noqa: T201 - the command's output
    return 0


def schema(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    with _extra():
        from llmtrace.router.config.published import mapping_schema, published, router_schema  # noqa: PLC0415 - extra
        from llmtrace.router.intake.generic import GenericAlert  # noqa: PLC0415 - behind an extra
        from llmtrace.router.notifiers import KINDS  # noqa: PLC0415 - behind an extra
    schemas: dict[str, Callable[[], dict[str, Any]]] = {
        "config": lambda: router_schema(KINDS),
        "mapping": mapping_schema,
        "alert": lambda: published(GenericAlert),
    }
    print(json.dumps(schemas[arguments.what](), indent=2))  # noqa: T201 - the command's output
    return 0


def _load(arguments: argparse.Namespace) -> RouterConfig:
    with _extra():
        from llmtrace.router.config import load  # noqa: PLC0415 - behind an extra
        from llmtrace.router.notifiers import KINDS  # noqa: PLC0415 - behind an extra
    return load(arguments.config, os.environ, KINDS, arguments.listen)


@contextlib.contextmanager
def _extra() -> Iterator[None]:
    """What is imported here comes with the extra; without it the error says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        problem = f"llmtrace router needs the package {error.name!r}: pip install 'llmtrace-otel[router]'"
        raise ConfigurationError(problem) from error


def _routes(config: RouterConfig) -> str:
    return f"{config.route_count} route{'s' * (config.route_count != 1)}"
