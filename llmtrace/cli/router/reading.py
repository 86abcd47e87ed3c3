"""``llmtrace router explain | digest | audit``: reads what a router keeps, whether it runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtrace.cli.router.loading import load

if TYPE_CHECKING:
    import argparse


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    """Register the commands; returns those that need the rules."""
    explaining = commands.add_parser("explain", help="say why somebody was told of an alert, or nobody")
    explaining.add_argument("alert", metavar="ALERT", help="its id, its fingerprint or its name")
    explaining.set_defaults(run=explain)
    auditing = commands.add_parser("audit", help="verify or export the record of all decisions")
    auditing.add_argument("what", choices=("verify", "export"))
    auditing.add_argument(
        "--head", metavar="HASH", help="verify: the last hash that you have kept must be in the chain"
    )
    auditing.set_defaults(run=audit)
    digesting = commands.add_parser("digest", help="show digests as they would be sent now")
    digesting.add_argument("--preview", action="store_true", required=True, help="print them; nothing is sent")
    digesting.add_argument("--receiver", metavar="NAME", help="only those of this receiver")
    digesting.set_defaults(run=digest)
    return [explaining, auditing, digesting]


def explain(arguments: argparse.Namespace) -> int:
    """Print what was decided about an alert, and why; where nobody was paged, what stood in the way.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = load(arguments)
    from llmtrace.router.routing.misses import missed  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.explain import explain as explained  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.unpaged import no_page  # noqa: PLC0415 - behind an extra

    with reading(config.store) as connection:
        lines = explained(connection, arguments.alert)
        unpaged = no_page(connection, arguments.alert)
    if unpaged is not None:
        lines += missed(unpaged, config)
    for line in lines or [f"no alert {arguments.alert!r}: neither an id nor a fingerprint nor a name"]:
        print(line)  # noqa: T201 - the command's output
    return 0 if lines else 1


def digest(arguments: argparse.Namespace) -> int:
    """Print what each digest would say now.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = load(arguments)
    from llmtrace.router.clock import SystemClock  # noqa: PLC0415 - behind an extra
    from llmtrace.router.digest.letter import text  # noqa: PLC0415 - behind an extra
    from llmtrace.router.digest.preview import preview  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.period import ALL  # noqa: PLC0415 - behind an extra

    wanted = [each for each in config.digests if arguments.receiver in (None, each.receiver)]
    if not wanted:
        print("no digest is asked for: a schedule on tiers.digest, or on a route of tier digest, makes one")  # noqa: T201 - the command's output
        return 1
    with reading(config.store) as connection:
        for each in wanted:
            print(text(preview(connection, each, SystemClock().now(), ALL)))  # noqa: T201 - the command's output
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Verify the chain of the audit trail, or print it as JSON lines.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = load(arguments)
    from llmtrace.router.store.audit import export, holds, verify  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra

    with reading(config.store) as connection:
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
