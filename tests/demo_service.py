"""The demo's service with its scripted model server, each a process of its own, as ``make demo`` starts them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from examples.support_bot.processes import Children
from examples.support_bot.progress import Progress
from examples.support_bot.stack import clean_environment, scripted_settings, start_uvicorn, wait_for_uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class DemoService:
    """Where it is."""

    url: str

    def ask(self, question: str, *, session: str = "monday", user: str = "ana") -> httpx.Response:
        """Its answer, with the trace's id in ``X-Trace-Id``."""
        body = {"user_id": user, "session_id": session, "question": question}
        with httpx.Client(trust_env=False) as client:
            return client.post(f"{self.url}/ask", json=body, timeout=30)


@contextmanager
def demo_service(folder: Path, **settings: str) -> Iterator[DemoService]:
    """Runs with these variables while the ``with`` block lasts; its logs are in the folder."""
    progress = Progress(Console(quiet=True))
    with Children(folder, clean_environment(os.environ, folder)) as children:
        model = wait_for_uvicorn(start_uvicorn(children, "model", "scripted_model"), progress)
        service = start_uvicorn(children, "service", "service", **scripted_settings(model), **settings)
        yield DemoService(wait_for_uvicorn(service, progress))
