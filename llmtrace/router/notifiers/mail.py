"""E-mail by SMTP: text and HTML, with the same Message-ID at every attempt."""

from __future__ import annotations

import asyncio
import html
import smtplib
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from time import monotonic
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.model import Delivery, Notification, Outcome, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.settings import SecretFile
from llmtrace.router.ports import Toolbox

TIMEOUT: Final = 15.0
"""Seconds without a word."""
PATIENCE: Final = 60.0
"""Seconds for all that a server says."""
_MOST_ALERTS: Final = 50
_AT_ONCE: Final = 8
_REFUSALS: Final = range(400, 600)
_PERMANENT: Final = 500
_NO_ANSWER: Final = Receipt(Outcome.RETRY, "no answer of a mail server")
_LONGEST_CONVERSATION: Final = 64 * 1024
"""Bytes that a server may say."""


def _address(value: Any) -> str:
    if (
        not isinstance(value, str)
        or value.count("@") != 1
        or not value.isprintable()
        or any(c in value for c in " ,;<>")
    ):
        raise wrong("no e-mail address; allowed: name@example.org")
    return value


MailAddress = Annotated[str, BeforeValidator(_address)]


class EmailSettings(Strict):
    """``tls``: ``starttls`` (must succeed), ``implicit`` (port 465), or ``none`` for a relay on this machine."""

    to: Annotated[list[MailAddress], Field(min_length=1)] = Field(description="a list of addresses")
    sender: MailAddress = Field(default="llmtrace@localhost", alias="from", description="the sender")
    host: str = Field(default="localhost", description="the mail server")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(default=25, description="its port")
    tls: Literal["starttls", "implicit", "none"] = Field(default="none", description="`starttls`, `implicit` or `none`")
    user: str | None = Field(default=None, description="login, only with `tls`")
    password: SecretStr | None = Field(default=None, description="its password")
    password_file: SecretFile | None = Field(default=None, description="a file that holds it")

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> Self:
        if self.user is not None and self.tls == "none":
            raise wrong("a password would travel in clear; allowed with user: starttls, implicit", key="tls")
        return self


class EmailNotifier:
    """Sends one mail to all addresses of the receiver."""

    def __init__(self, settings: EmailSettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools
        # Of its own: a mail server that hangs must not take the threads that others need.
        self._threads = ThreadPoolExecutor(_AT_ONCE, "llmtrace-mail")

    async def send(self, delivery: Delivery) -> Receipt:
        """Send once, in a thread: SMTP is a conversation."""
        return await self.post(self._message(delivery.notification))

    async def post(self, message: EmailMessage) -> Receipt:
        """Send any letter once."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._send, message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return _refusal(min(codes))
        except smtplib.SMTPResponseException as error:
            # A server's words are bytes; what smtplib says of an answer that is none is text.
            return _refusal(error.smtp_code) if isinstance(error.smtp_error, bytes) else _NO_ANSWER
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return Receipt(Outcome.RETRY, type(error).__name__)
        return Receipt(Outcome.DELIVERED, "SMTP 250")

    def letter(self, subject: str, at: datetime, identifier: str) -> EmailMessage:
        """An empty one to the receiver; ``identifier`` is the same for every attempt."""
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.to)
        message["Subject"] = _one_line(subject)
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{identifier}@llmtrace>"
        return message

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        context = ssl.create_default_context()
        name = socket.gethostname()
        server: smtplib.SMTP
        if settings.tls == "implicit":
            server = _Encrypted(settings.host, settings.port, name, timeout=TIMEOUT, context=context)
        else:
            server = _Plain(settings.host, settings.port, name, timeout=TIMEOUT)
        with server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            password = settings.password or settings.password_file
            if settings.user is not None and password is not None:
                server.login(settings.user, password.get_secret_value())
            server.send_message(message, settings.sender, settings.to)

    def _message(self, notification: Notification) -> EmailMessage:
        message = self.letter(page.title(notification), notification.created_at, notification.id)
        message["X-Llmtrace-Dedup-Key"] = notification.dedup_key
        if notification.sequence > 1:  # mail readers show the messages of a group as one thread
            message["References"] = f"<{notification.dedup_key}@llmtrace>"
        link = "" if notification.incident_id is None else self._tools.acknowledge_url(notification.incident_id)
        message.set_content(_text(notification, link))
        message.add_alternative(_html(notification, link), subtype="html")
        return message


class _Words:
    """What the server says, up to an end: smtplib would keep an answer that has none, and wait for one that drips."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = _LONGEST_CONVERSATION
        self._until = monotonic() + PATIENCE

    def readline(self, longest: int) -> bytes:
        """A line.

        Raises:
            OSError: it says too much, or takes too long.
        """
        line = bytearray()
        while len(line) < longest and not line.endswith(b"\n"):
            patience = self._until - monotonic()
            if patience <= 0 or self._left <= 0:
                raise OSError("the server does not come to an end")
            self._connection.settimeout(min(patience, TIMEOUT))
            character = self._connection.recv(1)
            if not character:
                break
            line += character
            self._left -= 1
        return bytes(line)

    def close(self) -> None:
        """The connection is closed by whoever opened it."""


class _Plain(smtplib.SMTP):
    """One that does not listen for ever."""

    def getreply(self) -> tuple[int, bytes]:
        """The next answer."""
        if self.file is None and self.sock is not None:
            self.file = _Words(self.sock)
        return super().getreply()


class _Encrypted(_Plain, smtplib.SMTP_SSL):
    """The same over TLS from the beginning."""


def _refusal(code: int) -> Receipt:
    if code not in _REFUSALS:
        return _NO_ANSWER
    return Receipt(Outcome.REFUSED if code >= _PERMANENT else Outcome.RETRY, f"SMTP {code}")


def _text(notification: Notification, link: str) -> str:
    lines = [page.title(notification), ""]
    for alert in notification.alerts[:_MOST_ALERTS]:
        lines += [f"{name}: {_one_line(value)}" for name, value in page.facts(alert)] + [""]
    lines += [f"and {len(notification.alerts) - _MOST_ALERTS} more"] if len(notification.alerts) > _MOST_ALERTS else []
    return "\n".join([*lines, f"acknowledge: {link}"] if link else lines)


def _html(notification: Notification, link: str) -> str:
    parts = [f"<h2>{html.escape(page.title(notification))}</h2>"]
    for alert in notification.alerts[:_MOST_ALERTS]:
        rows = "".join(
            f"<tr><th align=left>{html.escape(n)}</th><td>{html.escape(v)}</td></tr>" for n, v in page.facts(alert)
        )
        opened = " ".join(f'<a href="{html.escape(url)}">{name}</a>' for name, url in page.links(alert))
        parts.append(f"<table>{rows}</table><p>{opened}</p>")
    parts += [f'<p><a href="{html.escape(link)}">acknowledge</a></p>'] if link else []
    return "".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())
