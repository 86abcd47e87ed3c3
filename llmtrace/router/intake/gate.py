"""The gate of an intake: who sends must know a token or sign; an old or repeated signature is no signature.

Tokens and signatures are compared in constant time, and none of them gets into a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from llmtrace.router.config.access import Auth, Scheme, Signed
from llmtrace.router.intake.refusal import RefusedError

MOST_REMEMBERED: Final = 100_000
"""Ids of signed requests, so that memory stays bounded."""

_HEADERS: Final[Mapping[Scheme, tuple[str, str, str]]] = {
    Scheme.STANDARD: ("webhook-id", "webhook-timestamp", "webhook-signature"),
    Scheme.ARIZE: ("x-arize-webhook-id", "x-arize-webhook-timestamp", "x-arize-webhook-signature"),
    Scheme.PAGERDUTY: ("x-webhook-id", "", "x-pagerduty-signature"),
}


Seen = OrderedDict[str, datetime]
"""Ids of signed requests that were taken, with the time, the oldest first."""


class Gate:
    """Lets requests in. Without ``auth`` everybody comes in, which only a loopback address may do.

    ``seen`` outlives the gate where rules are read again.
    """

    def __init__(self, auth: Auth | None, seen: Seen | None = None) -> None:
        self._auth = auth
        self._seen: Seen = OrderedDict() if seen is None else seen

    def opens(self, headers: Mapping[str, str]) -> bool:
        """Whether this request comes in whatever its body is: it bears a token, or none is needed."""
        return self._auth is None or self._bears_one(headers)

    def turn_away(self, headers: Mapping[str, str]) -> None:
        """Before the body is read: who bears no token and cannot have signed either.

        Raises:
            RefusedError: 401.
        """
        if self._auth is not None and not self.opens(headers) and not self._may_be_signed(headers):
            raise _refuse("a token is needed: authorization: Bearer ..." if self._auth.bearer else "not signed")

    def admit(self, headers: Mapping[str, str], body: bytes, now: datetime) -> str | None:
        """Check a request; returns the id that it was signed under, to be given to ``remember`` once it is taken.

        Raises:
            RefusedError: 401.
        """
        if self._auth is None or self.opens(headers):
            return None
        self.turn_away(headers)
        signed = self._auth.hmac
        return None if signed is None else _verified(signed, headers, body, now)

    def _bears_one(self, headers: Mapping[str, str]) -> bool:
        tokens = self._auth.bearer if self._auth is not None else ()
        return any([bears(headers, token.get_secret_value()) for token in tokens])  # noqa: C419 - each is compared

    def _may_be_signed(self, headers: Mapping[str, str]) -> bool:
        signed = self._auth.hmac if self._auth is not None else None
        return signed is not None and _HEADERS[signed.scheme][2] in headers

    def is_repetition(self, identifier: str | None) -> bool:
        """Whether a request of this id was taken already: it is answered as taken, and not taken again."""
        return identifier is not None and identifier in self._seen

    def remember(self, identifier: str | None, now: datetime) -> None:
        """A signed request was taken."""
        if identifier is None or self._auth is None or self._auth.hmac is None:
            return
        self._seen[identifier] = now
        oldest = now - 2 * self._auth.hmac.tolerance
        while self._seen and (len(self._seen) > MOST_REMEMBERED or next(iter(self._seen.values())) < oldest):
            self._seen.popitem(last=False)


def bears(headers: Mapping[str, str], token: str) -> bool:
    """Whether the request carries this bearer token."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _verified(signed: Signed, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    id_header, time_header, signature_header = _HEADERS[signed.scheme]
    identifier, timestamp = headers.get(id_header, ""), headers.get(time_header, "")
    if time_header:
        _check_time(timestamp, signed.tolerance, now)
    given = headers[signature_header]
    expected = [
        signature
        for secret in signed.secrets
        for signature in _signatures(signed.scheme, secret.get_secret_value(), identifier, timestamp, body)
    ]
    # Each is compared, whatever came out before, so that time says nothing.
    if not any([hmac.compare_digest(one.encode(), two.encode()) for one in expected for two in _given(given)]):  # noqa: C419 - see above
        raise _refuse("the signature is wrong")
    return identifier or hashlib.sha256(timestamp.encode() + body).hexdigest()


def _check_time(timestamp: str, tolerance: timedelta, now: datetime) -> None:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):  # noqa: PLR2004 - seconds until the year 33658
        raise _refuse("the signature has no time")
    if abs(int(timestamp) - now.timestamp()) > tolerance.total_seconds():
        raise _refuse("the signature is too old, or a clock is wrong")


def _given(header: str) -> list[str]:
    return header.replace(",v1", " v1").replace("v1=", "v1,").split()


def _signatures(scheme: Scheme, secret: str, identifier: str, timestamp: str, body: bytes) -> Iterator[str]:
    if scheme is Scheme.STANDARD:
        signed = b".".join((identifier.encode(), timestamp.encode(), body))
        yield "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    elif scheme is Scheme.ARIZE:
        yield "v1," + hmac.digest(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hex()
    else:
        yield "v1," + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def _key(secret: str) -> bytes:
    """Standard Webhooks writes keys as ``whsec_`` and base64; another text is the key itself."""
    try:
        return (
            base64.b64decode(secret.removeprefix("whsec_"), validate=True)
            if secret[:6] == "whsec_"
            else secret.encode()
        )
    except (binascii.Error, ValueError):
        return secret.encode()


def _refuse(problem: str) -> RefusedError:
    return RefusedError(HTTPStatus.UNAUTHORIZED, problem)
