"""Passwords in command lines, of flags whose name betrays nothing: ``mysql -pX``, ``sshpass -p X``, ``curl -u user:X``.

A bare ``-p`` is a port, a path or a print elsewhere: it counts only behind a program for which it is the password.
"""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets.marks import MARK, mark

_BETWEEN: Final = r"[^\n|;]{0,200}?"
"""The arguments before, on the same line: also those of a list in JSON."""
_GAP: Final = r"""[ \t"'`\\,=]"""
_VALUE: Final = r"""([^\s"'`\\<>|;&,-][^\s"'`\\<>|;&,]{0,255})"""
CURL: Final = re.compile(
    r"""(curl [^\n|;]{0,120}(?:-u|--user|-U|--proxy-user)[ ="']{0,4}[^\s:]{1,64}:)([^\s"'\\]{1,256})"""
)
ATTACHED: Final = re.compile(
    rf"""((?:mysql|mysqldump|mysqladmin|mysqlimport|mysqlcheck|mysqlsh|mariadb(?:-[a-z]{{1,12}})?){_GAP}{_BETWEEN}"""
    rf"""[ \t"'`]-p["'\\]{{0,4}}){_VALUE}"""
)
APART: Final = re.compile(
    r"((?:(?:sshpass|mongo|mongosh|mongodump|mongorestore|mongoexport|mongoimport"
    rf"|(?:docker|podman|nerdctl|helm registry){_GAP}{{1,8}}login){_GAP}(?:{_BETWEEN}{_GAP})?-p"
    rf"|redis-cli{_GAP}(?:{_BETWEEN}{_GAP})?-a"
    rf"|ldap(?:search|modify|add|delete|passwd|whoami){_GAP}(?:{_BETWEEN}{_GAP})?-w){_GAP}{{0,8}}){_VALUE}"
)


def hide_in_commands(text: str) -> str:
    """Replace the passwords of these commands."""
    return APART.sub(_replacement, ATTACHED.sub(_replacement, CURL.sub(_replacement, text)))


def _replacement(found: re.Match[str]) -> str:
    return found[0] if MARK.match(found[2]) else f"{found[1]}{mark('password')}"
