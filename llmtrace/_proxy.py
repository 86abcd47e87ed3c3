"""The proxy that the environment names for an address: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as usual."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult


def proxy_for(address: SplitResult, env: Mapping[str, str]) -> str | None:
    """The proxy's URL; None where the address is reached directly."""
    found = _setting(f"{address.scheme}_proxy", env) or _setting("all_proxy", env)
    if not found or any(_covers(entry, address) for entry in _setting("no_proxy", env).split(",")):
        return None
    return found if "://" in found else f"http://{found}"


def _setting(name: str, env: Mapping[str, str]) -> str:
    """In lower case first. A CGI script's HTTP_PROXY is a header that its client chose."""
    upper = "" if name == "http_proxy" and "REQUEST_METHOD" in env else name.upper()
    return (env.get(name) or env.get(upper) or "").strip()


def _covers(entry: str, address: SplitResult) -> bool:
    """Whether an entry of NO_PROXY means this host: itself, a domain above it, or everything."""
    host, port = (address.hostname or "").lower(), address.port
    entry = entry.strip().lower()
    if entry in ("*", host, f"[{host}]"):
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and not name.endswith(":"):
        entry = name if int(wanted) == port else ""
    entry = entry.strip("[]").lstrip("*").lstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))
