"""Rendering: templates with every value escaped, links only to the web, headers that allow nothing from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from llmtrace.router.model import Alert, Annotation, Reason, rollout_of
from llmtrace.router.notifiers.page import links
from llmtrace.router.store.explain import WHY
from llmtrace.router.store.rows import AnyRow

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "x-content-type-options": "nosniff",
        # Not no-referrer: with that a browser hides from us where a form was sent from.
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-frame-options": "DENY",
    }
)
_STATIC: Final[Mapping[str, str]] = MappingProxyType(
    {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
)
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))


class Assets:
    """Our own style, script and icon, read once; their addresses change with what is in them."""

    def __init__(self) -> None:
        folder = files("llmtrace.router.page") / "static"
        self._files = {name: (folder / name).read_bytes() for name in _STATIC}

    def url(self, name: str) -> str:
        """Where a page finds it."""
        return f"/static/{name}?v={hashlib.sha256(self._files[name]).hexdigest()[:12]}"

    def answer(self, name: str) -> Response:
        """It, or 404."""
        if name not in self._files:
            return Response("no such file", HTTPStatus.NOT_FOUND)
        kept = {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}
        return Response(self._files[name], media_type=_STATIC[name], headers=kept)


class Renderer:
    """Makes answers of templates."""

    def __init__(self, assets: Assets) -> None:
        self._environment = Environment(
            loader=PackageLoader("llmtrace.router.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            at=at,
            age=age,
            depth=depth,
            mode=mode,
            words=words,
            why=why,
            links=alert_links,
            reason=reason,
            labels=shown_labels,
        )
        self._environment.globals["asset"] = assets.url

    def answer(self, request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
        """The page; 304 where the browser has the same already."""
        text = self._environment.get_template(f"{template}.html").render(**values)
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        headers = {**HEADERS, "cache-control": "no-store", "etag": tag}
        if status == HTTPStatus.OK and request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return HTMLResponse(text, status, headers)


def at(moment: datetime) -> str:
    """A time as people read it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    return _lasting(now - moment) + " ago" if now - moment >= timedelta(minutes=1) else "just now"


def _lasting(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return next((f"{seconds // size} {name}" for name, size in _UNITS if seconds >= size), f"{seconds} s")


def depth(line: str) -> int:
    """How far a line of an explanation is indented."""
    return (len(line) - len(line.lstrip(" "))) // 2


def words(text: str) -> str:
    """A name of the code as words."""
    return str(text).replace("_", " ")


def why(text: str) -> str:
    """What a reason means."""
    return WHY[Reason(text)]


def mode(decision: AnyRow) -> str:
    """How far the rule of a decision was rolled out."""
    return rollout_of(decision.route)[0]


def alert_links(alert: Alert) -> Sequence[tuple[str, str]]:
    """What can be opened: only addresses of the web."""
    return list(links(alert))


def reason(alert: Alert) -> str:
    """What its sender said of it."""
    return alert.annotations.get(Annotation.REASON, "")


def shown_labels(alert: Alert) -> Sequence[tuple[str, str]]:
    """Those that do not stand in its heading already."""
    return sorted((name, value) for name, value in alert.labels.items() if name not in ("alertname", "severity"))
