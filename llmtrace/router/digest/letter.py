"""A digest as a mail: text, and HTML that needs nothing from elsewhere. What senders wrote is text in both."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from typing import Final, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from llmtrace.router.config.settings import Digest
from llmtrace.router.digest.report import Report

_TEMPLATES: Final = Environment(
    loader=PackageLoader("llmtrace.router.digest"),
    autoescape=select_autoescape(["html"], default_for_string=True, default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["line"] = lambda text: " ".join(str(text).split())


class Stationery(Protocol):
    """Where mails to a receiver are written."""

    def letter(self, subject: str, at: datetime, identifier: str) -> EmailMessage:
        """An empty one."""


def write(report: Report, stationery: Stationery, url: str) -> EmailMessage:
    """The mail. Its Message-ID is the same whenever it is written of the same period."""
    message = stationery.letter(report.title, report.until, identifier(report.digest, report.since, report.until))
    message.set_content(text(report, url))
    message.add_alternative(_TEMPLATES.get_template("digest.html").render(report=report, url=url), subtype="html")
    return message


def text(report: Report, url: str = "") -> str:
    """As plain lines."""
    return _TEMPLATES.get_template("digest.txt").render(report=report, url=url).rstrip("\n") + "\n"


def identifier(digest: Digest, since: datetime, until: datetime) -> str:
    """What names this digest of this period everywhere."""
    named = (digest.receiver, digest.schedule, digest.timezone, since.isoformat(), until.isoformat())
    return "digest." + hashlib.sha256("\n".join(named).encode()).hexdigest()[:32]
