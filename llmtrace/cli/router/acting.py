"""``llmtrace router acknowledge | resolve | silence``: acts in a running router, by its API.

LLMTRACE_ROUTER_TOKEN is sent as bearer token.
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from llmtrace.cli.router.asking import ask
from llmtrace.cli.router.loading import extra, load
from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    import argparse

_ACTS: Final = {"acknowledge": "acknowledged", "resolve": "resolved"}
_MOST_LISTED: Final = 1_000


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    """Register the commands; returns those that need the rules."""
    acting = []
    for name, aliases in (("acknowledge", ["ack"]), ("resolve", [])):
        parser = commands.add_parser(name, aliases=aliases, help=f"{name} an incident of a running router")
        parser.add_argument("incident", metavar="INCIDENT", type=int)
        parser.set_defaults(run=act, act=name)
        acting.append(parser)
    silences = commands.add_parser("silence", help="hold alerts back for a while").add_subparsers(
        required=True, metavar="WHAT"
    )
    adding = silences.add_parser("add", help="hold back whoever matches; prints the id")
    adding.add_argument("matchers", metavar="MATCHER", nargs="+", help="""such as 'service="bot"'; all must hold""")
    adding.add_argument("--for", dest="lasts", metavar="DURATION", required=True, help="how long: 30m, 2h, 1d")
    adding.add_argument("--comment", default="", help="why")
    adding.set_defaults(run=add_silence)
    expiring = silences.add_parser("expire", help="end a silence now; what it held is decided again")
    expiring.add_argument("silence", metavar="ID")
    expiring.set_defaults(run=expire_silence)
    listing = silences.add_parser("list", help="the silences that are not over, those of the file too")
    listing.add_argument("--all", action="store_true", help="those that are over too")
    listing.set_defaults(run=list_silences)
    for parser in (*acting, adding, expiring):
        parser.add_argument("--by", default=getpass.getuser(), help="who you are (default: %(default)s)")
    every = [*acting, adding, expiring, listing]
    for parser in every:
        parser.add_argument("--url", help="where the router is (default: external_url, else listen)")
    return every


def act(arguments: argparse.Namespace) -> int:
    """Acknowledge or resolve an incident.

    Raises:
        LlmtraceError: the router cannot be reached or refuses.
    """
    path = f"/api/v1/incidents/{arguments.incident}/{arguments.act}"
    said = ask(arguments, load(arguments), "POST", path, {"by": arguments.by})
    print(f"incident {arguments.incident}: {_ACTS[arguments.act] if said['changed'] else 'was so already'}")  # noqa: T201 - the command's output
    return 0


def add_silence(arguments: argparse.Namespace) -> int:
    """Make a silence.

    Raises:
        LlmtraceError: a matcher or the duration is wrong, or the router cannot be reached or refuses.
    """
    config = load(arguments)
    with extra():
        from llmtrace.router import matchers  # noqa: PLC0415 - behind an extra
        from llmtrace.router.config import durations  # noqa: PLC0415 - behind an extra
    try:
        lasts = durations.parse(arguments.lasts)
    except ValueError as error:
        raise ConfigurationError(f"--for: {arguments.lasts!r} is {error}") from error
    for text in arguments.matchers:
        try:
            matchers.parse(text)
        except matchers.MatcherError as error:
            raise ConfigurationError(f"MATCHER: {text!r} is no matcher: {error}") from error
    body = {
        "matchers": arguments.matchers, "ends_at": (datetime.now(UTC) + lasts).isoformat(),
        "created_by": arguments.by, "comment": arguments.comment,
    }  # fmt: skip
    print(ask(arguments, config, "POST", "/api/v1/silences", body)["id"])  # noqa: T201 - the command's output
    return 0


def expire_silence(arguments: argparse.Namespace) -> int:
    """End a silence.

    Raises:
        LlmtraceError: there is none of this id, or the router cannot be reached or refuses.
    """
    path = f"/api/v1/silences/{quote(arguments.silence, safe='')}?by={quote(arguments.by, safe='')}"
    ask(arguments, load(arguments), "DELETE", path)
    print(f"silence {arguments.silence}: over")  # noqa: T201 - the command's output
    return 0


def list_silences(arguments: argparse.Namespace) -> int:
    """Print the silences.

    Raises:
        LlmtraceError: the router cannot be reached or refuses.
    """
    config = load(arguments)
    made = ask(arguments, config, "GET", f"/api/v1/silences?limit={_MOST_LISTED}")["silences"]
    given = [
        {"id": each.id, "matchers": list(map(str, each.matchers)), "created_by": each.created_by or "the file",
         "ends_at": each.ends_at.isoformat(), "comment": each.comment}
        for each in config.silences
    ]  # fmt: skip
    now = datetime.now(UTC)
    for row in [*given, *made]:
        ends = datetime.fromisoformat(row["ends_at"])
        if arguments.all or ends > now:
            until = f"{'until' if ends > now else 'ended'} {ends.astimezone(UTC):%Y-%m-%d %H:%M UTC}"
            why = f": {row['comment']}" if row["comment"] else ""
            print(f"{row['id']}  {until}  {', '.join(row['matchers'])}  by {row['created_by']}{why}")  # noqa: T201 - the command's output
    return 0
