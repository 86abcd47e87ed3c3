"""Asks a running router by its API. LLMTRACE_ROUTER_TOKEN is sent as bearer token."""

from __future__ import annotations

import json
import os
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from llmtrace._connection import Connection, UnreachableError
from llmtrace._trust import trusted
from llmtrace.exceptions import LlmtraceError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from llmtrace.router.config import RouterConfig

TOKEN: Final = "LLMTRACE_ROUTER_TOKEN"  # noqa: S105 - a variable's name
_JSON: Final = {"content-type": "application/json"}
_LONGEST_ANSWER: Final = 16 * 1024 * 1024


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
    content = None if body is None else json.dumps(body).encode()
    try:
        with Connection(base, headers, timeout=10, tls=lambda: trusted(base), trust_env=False) as router:
            answer = router.request(method, base + path, content, _JSON, most=_LONGEST_ANSWER)
        said = json.loads(answer.body)
    except (UnreachableError, OSError, HTTPException, ValueError) as error:
        raise LlmtraceError(f"{base}: no answer of a router ({type(error).__name__})") from error
    if not answer.is_success:
        raise LlmtraceError(f"{base}: {said.get('error', answer.status)}")
    return said
