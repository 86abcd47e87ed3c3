"""The demo's parts, each its own process on a free port of 127.0.0.1: Phoenix, router, model server and service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from examples.support_bot import scripted_model
from examples.support_bot.agent import DEFAULT_MODEL
from examples.support_bot.processes import Child, Children
from examples.support_bot.progress import Progress

_RULES: Final = Path(__file__).with_name("alerts.yaml")
PHOENIX: Final = "Phoenix"
_PHOENIX: Final = ("llmtrace", "phoenix", "--grpc-port", "0")
_ROUTER: Final = ("llmtrace", "router", "serve", "--listen", "127.0.0.1:0", "--config")
_UVICORN: Final = ("uvicorn", "--host", "127.0.0.1", "--port", "0")
_OTHERS_SETTINGS: Final = ("OTEL_", "PHOENIX_", "LLMTRACE_")
SAMPLING: Final = {
    "development": "development",
    # What takes a user three seconds is slow here.
    "production": f"production:slow={scripted_model.SLOW_SECONDS:g}s",
}
"""The demo's choices, as LLMTRACE_SAMPLING says them."""
_LOOPBACK: Final = "127.0.0.1,localhost"
_REAL_MODEL: Final = ("OPENAI_BASE_URL", "OPENAI_API_KEY")


@dataclass(frozen=True, slots=True)
class Stack:
    """Where everything is: base URLs."""

    phoenix: str
    router: str
    service: str


def start_stack(children: Children, folder: Path, pager: str, progress: Progress, sampling: str) -> Stack:
    """Start all parts, each as soon as the addresses that it needs are known, and wait until the last one answers."""
    phoenix = start_phoenix(children, folder)
    model = None if is_model_real(os.environ) else start_uvicorn(children, "model server", "scripted_model")
    # A local server wants no key, but the openai SDK does not start without one.
    key = os.environ.get("OPENAI_API_KEY") or "none"
    settings = scripted_settings(wait_for_uvicorn(model, progress)) if model else {"OPENAI_API_KEY": key}
    phoenix_url = phoenix.wait_for(r"Phoenix is at (http://\S+)", progress)
    router_url = _start_router(children, folder, phoenix_url, pager).wait_for(r"listening on (http://\S+)", progress)
    settings |= {"PHOENIX_COLLECTOR_ENDPOINT": phoenix_url, "LLMTRACE_ALERTS_ENDPOINT": router_url}
    settings["LLMTRACE_SAMPLING"] = sampling
    service = start_uvicorn(children, "service", "service", **settings)
    return Stack(phoenix_url, router_url, wait_for_uvicorn(service, progress))


def start_phoenix(children: Children, folder: Path, port: int = 0, name: str = PHOENIX) -> Child:
    """Start Phoenix on its data of this run; port 0: a free one."""
    return children.start(name, *_PHOENIX, "--port", str(port), "--working-dir", str(folder / "phoenix"))


def _start_router(children: Children, folder: Path, phoenix: str, pager: str) -> Child:
    variables = {"SUPPORT_BOT_FOLDER": str(folder), "SUPPORT_BOT_PHOENIX": phoenix, "SUPPORT_BOT_PAGER": pager}
    return children.start("router", *_ROUTER, str(_RULES), **variables)


def is_model_real(environment: Mapping[str, str]) -> bool:
    """Whether a model server is set; otherwise the demo brings its own, which is scripted."""
    return any(environment.get(name) for name in _REAL_MODEL)


def name_model(environment: Mapping[str, str]) -> str:
    """Which model answers, in words."""
    if not is_model_real(environment):
        return "a model server that is SCRIPTED (set OPENAI_BASE_URL and OPENAI_MODEL for a real one)"
    host = urlsplit(environment.get("OPENAI_BASE_URL") or "https://api.openai.com").hostname
    return f"the model {environment.get('OPENAI_MODEL', DEFAULT_MODEL)} at {host}"


def scripted_settings(url: str) -> dict[str, str]:
    """The variables that point the openai SDK at the scripted model server."""
    return {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none", "OPENAI_MODEL": scripted_model.MODEL}


def start_uvicorn(children: Children, name: str, module: str, **environment: str) -> Child:
    """Serve the `app` of one of this folder's modules on a free port."""
    return children.start(name, *_UVICORN, f"examples.support_bot.{module}:app", **environment)


def wait_for_uvicorn(child: Child, progress: Progress) -> str:
    """Its base URL, once it serves."""
    return child.wait_for(r"running on (http://\S+)", progress)


def clean_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables for the children: none that would send the demo's spans elsewhere, or loopback through a proxy."""
    kept = {name: value for name, value in environment.items() if not name.startswith(_OTHERS_SETTINGS)}
    return kept | {
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
        "PYTHONUNBUFFERED": "1",
        "XDG_STATE_HOME": str(folder / "state"),
    }
