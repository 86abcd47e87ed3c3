"""Secrets in URLs: user information, secret query parameters, webhooks whose path is the secret."""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets.marks import MARK, mark
from llmtrace.secrets.names import secret_name, secret_query_name
from llmtrace.secrets.randomness import looks_random

# The second form is a password with a bare slash, which no URL should have, and which people use.
USER: Final = re.compile(r"""(:(?:\\*/){2})([^\s/?\#"'<>\\`]*@|[^\s/?\#@:"'<>\\`\[]+:[^\s@:"'<>\\`]+@)""", re.VERBOSE)
_PORT: Final = re.compile(r"[^:]*:[0-9]{1,5}/")
QUERY: Final = re.compile(
    r"""((?:[?&;\#]|\\u0026|%26|%3[fF]|%3[bB]|%23)([A-Za-z_][\w.\[\]-]{0,63})(?:=|%3[dD]))(\#*[^&;\s"'<>\\\#`]+)""",
    re.VERBOSE | re.ASCII,
)
"""A value may begin like a fragment: what hides what a name betrays takes it for one, too."""
_FIRST: Final = re.compile(r"""\A(([A-Za-z_][\w.\[\]-]{0,63})=)([^&;\s"'<>\\#`?/]+)(?=&)""", re.ASCII)
"""The first parameter of a query string without its question mark, as in ``url.query``."""
_PERCENT: Final = r"%(?:25){0,3}"
ENCODED: Final = re.compile(
    rf"""((?:\A|[?&;=\s"'(]|{_PERCENT}(?:26|3[fFbB]|23))([A-Za-z_][\w.\[\]-]{{0,63}}){_PERCENT}3[dD])([^&;\s"'<>\\`]+)""",
    re.ASCII,
)
"""A parameter that was encoded, once or several times, to be the value of another one."""
ENCODED_USER: Final = re.compile(
    rf"""({_PERCENT}3[aA](?:{_PERCENT}2[fF]){{2}})([^\s/?&"'<>\\`%]*{_PERCENT}3[aA][^\s/?&"'<>\\`%]+)({_PERCENT}40)"""
)
ENCODED_AT: Final = re.compile(rf"{_PERCENT}40")
ENCODED_JSON: Final = re.compile(
    rf"""({_PERCENT}22([A-Za-z_][\w.-]{{0,63}}){_PERCENT}22(?:[ +]|{_PERCENT}20){{0,8}}{_PERCENT}3[aA]"""
    rf"""(?:[ +]|{_PERCENT}20){{0,8}}{_PERCENT}22)((?:{_PERCENT}5[cC]{_PERCENT}22|(?!{_PERCENT}22)[^\s&"'<>])+)""",
    re.ASCII,
)
"""A member of a JSON object that was encoded to stand in a URL."""
_WEBHOOK: Final = re.compile(
    r"(//hooks\.slack\.com/(?:services|workflows|triggers)/|//(?:\w+\.)?discord(?:app)?\.com/api/webhooks/)[\w/.-]+"
)


def hide_url_secrets(text: str) -> str:
    """Replace user information, the values of secret parameters, and the secret part of webhook addresses."""
    text = USER.sub(_user, text)
    text = QUERY.sub(_parameter, _FIRST.sub(_parameter, text))
    if "%" in text:
        text = ENCODED_USER.sub(_encoded_user, ENCODED.sub(_parameter, text))
        text = ENCODED_JSON.sub(_member, text)
    return _WEBHOOK.sub(rf"\1{mark('webhook_path')}", text)


def _user(found: re.Match[str]) -> str:
    user = found[2][:-1]
    if MARK.fullmatch(user) or not _is_secret_user(user):
        return found[0]
    return f"{found[1]}{mark('url_credentials')}@"


def _encoded_user(found: re.Match[str]) -> str:
    return f"{found[1]}{mark('url_credentials')}{found[3]}"


def _is_secret_user(user: str) -> bool:
    return looks_random(user) if ":" not in user else not _PORT.match(user)


def _member(found: re.Match[str]) -> str:
    named = secret_name(found[2])
    if named is None or MARK.fullmatch(found[3]) or (named.is_weak and not looks_random(found[3])):
        return found[0]
    return found[1] + mark(named.kind)


def _parameter(found: re.Match[str]) -> str:
    named = secret_query_name(found[2])
    value = found[3]
    if named is None or MARK.fullmatch(value) or (named.is_weak and not looks_random(value)):
        return found[0]
    return found[1] + mark(named.kind)
