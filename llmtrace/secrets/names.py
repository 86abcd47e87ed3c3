"""Names that betray their value: attribute keys, JSON keys, header, query and environment names alike.

A name is judged by its end, without case and separators: ``x-api-key``, ``OPENAI_API_KEY`` and ``apiKey`` all end in
``apikey``. So ``llm.token_count.prompt``, ``max_tokens`` and ``session.id`` are no secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True)
class SecretName:
    """What a name says of its value.

    Attributes:
        kind: what stands in the mark.
        is_weak: the name is innocent as often as not; only a value that looks random is hidden.
    """

    kind: str
    is_weak: bool = False


STRONG: Final = {
    "password": "password",
    "passwd": "password",
    "pwd": "password",
    "passphrase": "password",
    "passcode": "password",
    "secret": "secret",
    "secrets": "secret",
    "authorization": "authorization",
    "cookie": "cookie",
    "cookies": "cookie",
    "credential": "credential",
    "credentials": "credential",
    "creds": "credential",
    "apikey": "api_key",
    "apikeys": "api_key",
    "appkey": "api_key",
    "accesskey": "access_key",
    "accountkey": "access_key",
    "authkey": "access_key",
    "masterkey": "access_key",
    "servicekey": "access_key",
    "subscriptionkey": "access_key",
    "secretkey": "secret_key",
    "sessionkey": "secret_key",
    "sharedkey": "secret_key",
    "privatekey": "private_key",
    "sshkey": "private_key",
    "signingkey": "secret_key",
    "encryptionkey": "secret_key",
    "hmackey": "secret_key",
    "accesssignature": "signature",
    "accesstoken": "token",
    "refreshtoken": "token",
    "idtoken": "token",
    "authtoken": "token",
    "apitoken": "token",
    "bottoken": "token",
    "bearertoken": "token",
    "csrftoken": "token",
    "devicetoken": "token",
    "hubtoken": "token",
    "personaltoken": "token",
    "privatetoken": "token",
    "securitytoken": "token",
    "servicetoken": "token",
    "sessiontoken": "token",
    "usertoken": "token",
    "xsrftoken": "token",
    "jwt": "token",
    "cvv": "card_code",
    "cvc": "card_code",
}
"""The end of a name, squeezed -> the kind. The value is hidden whatever it is."""
WEAK: Final = {"token": "token", "auth": "token", "otp": "token", "pass": "password", "signature": "signature"}
"""The same for names whose value is hidden only if it looks random."""
SUFFIXES: Final = ("value", "hash", "header", "base64")
"""Words after the name proper: ``password_hash``."""
QUERY: Final = {"sig": "signature", "signature": "signature", "token": "token", "hmac": "signature", "otp": "token"}
WEAK_QUERY: Final = {
    "key": "api_key",
    "code": "code",
    "ticket": "token",
    "assertion": "token",
    "samlresponse": "token",
}

_NOISE: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 96


@lru_cache(maxsize=4096)
def secret_name(name: str) -> SecretName | None:
    """What the name says of its value; None where it says nothing."""
    squeezed = _squeezed(name)
    return _by_end(squeezed, STRONG, is_weak=False) or _by_end(squeezed, WEAK, is_weak=True)


@lru_cache(maxsize=1024)
def secret_query_name(name: str) -> SecretName | None:
    """The same for a query parameter, where ``key``, ``sig`` and ``code`` are names of secrets too."""
    squeezed = _squeezed(name)
    return (
        _by_end(squeezed, STRONG, is_weak=False)
        or _by_end(squeezed, QUERY, is_weak=False)
        or _by_end(squeezed, WEAK_QUERY, is_weak=True)
    )


def _squeezed(name: str) -> str:
    squeezed = _NOISE.sub("", name[-_LONGEST:].lower()).rstrip("0123456789")
    for suffix in SUFFIXES:
        squeezed = squeezed.removesuffix(suffix)
    return squeezed


def _by_end(squeezed: str, table: dict[str, str], *, is_weak: bool) -> SecretName | None:
    for end, kind in table.items():
        if squeezed.endswith(end) and not (end == "pass" and squeezed != end):
            return SecretName(kind, is_weak=is_weak)
    return None
