"""The setting `backends`: where spans go besides the main backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from llmtrace._config.addresses import given_headers, with_default_path
from llmtrace.destinations import GEN_AI, OPENINFERENCE, Backend
from llmtrace.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class FurtherBackend:
    """A backend besides the main one, settled."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    conventions: tuple[str, ...] = (OPENINFERENCE,)


_OWN_NAMES: Final = ("backend", "router")


def resolve_backends(asked: object) -> tuple[FurtherBackend, ...]:
    """Settle the backends besides the main one.

    Raises:
        ConfigurationError: for what is no backend, an address that cannot be, or a name that is taken.
    """
    given = tuple(asked) if isinstance(asked, list | tuple) else (None,)
    settled: list[FurtherBackend] = []
    for backend in given:
        if not isinstance(backend, Backend):
            msg = f"backends={asked!r:.80}; allowed: a list of llmtrace.Backend"
            raise ConfigurationError(msg)
        url = with_default_path("backends: endpoint", backend.endpoint)
        name: object = backend.name or urlsplit(url).netloc.rpartition("@")[2]
        if not isinstance(name, str) or name in (*_OWN_NAMES, *(other.name for other in settled)):
            msg = f"backends: name={name!r:.80} is no name, or is taken; allowed: a different text for each"
            raise ConfigurationError(msg)
        headers = given_headers("backends: headers", backend.headers)
        conventions = resolve_conventions("backends: conventions", backend.conventions)
        settled.append(FurtherBackend(str(name), url, headers, conventions))
    return tuple(settled)


def resolve_conventions(setting: str, asked: object) -> tuple[str, ...]:
    """Settle in which words spans are sent.

    Raises:
        ConfigurationError: for words that are not known.
    """
    words = tuple(asked) if isinstance(asked, list | tuple) else (asked,)
    if OPENINFERENCE not in words or not set(words) <= {OPENINFERENCE, GEN_AI}:
        msg = f"{setting}={asked!r:.80}; allowed: ({OPENINFERENCE!r},), ({OPENINFERENCE!r}, {GEN_AI!r})"
        raise ConfigurationError(msg)
    return tuple(dict.fromkeys(words))
