"""Sessions of the page: who looks at it, in a signed cookie; nothing is kept on the server.

A session lives as long as the token that opened it stands in the rules, at most a week. Where no token is asked for
there are sessions too: the forms' own tokens hang on them, so that no other site can act in a reader's name.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from llmtrace.router.config.access import Auth
from llmtrace.router.intake.gate import bears

LIFETIME: Final = timedelta(days=7)
COOKIE: Final = "llmtrace_session"
LONGEST_NAME: Final = 200
_LONGEST_COOKIE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Session:
    """Who looks, until when (seconds since 1970). ``nonce`` tells sessions apart."""

    name: str
    expires: int
    nonce: str
    token: str
    """What opened it, as a hash; empty where nothing is asked for."""

    @property
    def is_known(self) -> bool:
        """Whether somebody logged in: the name is the one of then."""
        return bool(self.token)


class Sessions:
    """Makes and checks them. ``key`` never leaves the store."""

    def __init__(self, key: bytes, auth: Auth | None, now: Callable[[], datetime], *, secure: bool) -> None:
        self._key = hmac.digest(key, b"page", hashlib.sha256)
        self._tokens: Sequence[str] | None = (
            None if auth is None else [_hash(t.get_secret_value()) for t in auth.bearer]
        )
        self._auth = auth
        self._now = now
        self._secure = secure

    @property
    def asks(self) -> bool:
        """Whether a token is needed."""
        return self._tokens is not None

    def of(self, request: Request) -> Session | None:
        """The session of a request; None where there is none that counts."""
        if self._auth is not None and self._bears(request.headers):
            return Session("", 0, "", "bearer")
        cookie = request.cookies.get(COOKIE, "")
        payload, _, signature = cookie.partition(".")
        if len(cookie) > _LONGEST_COOKIE or not hmac.compare_digest(self._sign("session", payload), signature.encode()):
            return None
        found = _read(payload)
        is_open = found is not None and found.token in (self._tokens if self._tokens is not None else ("",))
        return found if is_open and found is not None and self._now().timestamp() < found.expires else None

    def begin(self, name: str = "", token: str = "") -> Session | None:
        """A new one; None where a token is asked for, and this is none of those."""
        if self._tokens is not None and not any([hmac.compare_digest(_hash(token), each) for each in self._tokens]):  # noqa: C419 - each is compared
            return None
        expires = int((self._now() + LIFETIME).timestamp())
        opened_by = _hash(token) if self._tokens is not None else ""
        return Session(name[:LONGEST_NAME], expires, secrets.token_hex(16), opened_by)

    def keep(self, session: Session, response: Response) -> None:
        """Give it to the browser."""
        fields = [session.name, session.expires, session.nonce, session.token]
        payload = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()
        cookie = f"{payload}.{self._sign('session', payload).decode()}"
        age = int(LIFETIME.total_seconds())
        response.set_cookie(
            COOKIE, cookie, max_age=age, path="/", secure=self._secure, httponly=True, samesite="strict"
        )

    def end(self, response: Response) -> None:
        """Take it back."""
        response.delete_cookie(COOKIE, path="/", secure=self._secure, httponly=True, samesite="strict")

    def form_token(self, session: Session) -> str:
        """What every form of the session carries."""
        return self._sign("form", session.nonce).decode()

    def owns(self, session: Session, form_token: str) -> bool:
        """Whether a form came from a page of this session."""
        return bool(session.nonce) and hmac.compare_digest(self._sign("form", session.nonce), form_token.encode())

    def _sign(self, what: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{what}:{text}".encode(), hashlib.sha256).hex().encode()

    def _bears(self, headers: Headers) -> bool:
        tokens = self._auth.bearer if self._auth is not None else ()
        return any([bears(headers, token.get_secret_value()) for token in tokens])  # noqa: C419 - each is compared


def renamed(session: Session, name: str) -> Session:
    """The same under the name that somebody has given."""
    return session if session.is_known else replace(session, name=name[:LONGEST_NAME])


def _read(payload: str) -> Session | None:
    try:
        name, expires, nonce, token = json.loads(base64.urlsafe_b64decode(payload))
        return Session(str(name), int(expires), str(nonce), str(token))
    except (ValueError, TypeError, binascii.Error):
        return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
