"""Asks a running router by its API. LLMTRACE_ROUTER_TOKEN is sent as bearer token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import httpx

from llmtrace.exceptions import LlmtraceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from llmtrace.router.config import RouterConfig

TOKEN: Final = "LLMTRACE_ROUTER_TOKEN"  # noqa: S105 - a variable's name


def ask(
    arguments: argparse.Namespace, config: RouterConfig, method: str, path: str, body: Mapping[str, Any] | None = None
) -> Any:
    """The answer to one request, at ``--url``, else ``external_url``, else ``listen``.

    Raises:
        LlmtraceError: the router cannot be reached or refuses.
    """
    base = (arguments.url or config.external_url or f"http://{config.listen}").rstrip("/")
    token = os.environ.get(TOKEN)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(method, base + path, json=body, headers=headers, timeout=10, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise LlmtraceError(f"{base}: no answer of a router ({type(error).__name__})") from error
    if not answer.is_success:
        raise LlmtraceError(f"{base}: {said.get('error', answer.status_code)}")
    return said
