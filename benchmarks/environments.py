"""An environment of its own for each peer, made once, under ``.cache/bench``: peers pin what others need newer."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).with_name("peers")
HOME = Path(__file__).parent.parent / ".cache" / "bench"


def requirements_of(peer: str) -> tuple[str, ...]:
    """What the peer's file asks for; read, not imported: here the peer is not installed."""
    for node in ast.parse((PEERS / f"{peer}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIREMENTS":
            return tuple(ast.literal_eval(node.value))
    raise ValueError(f"benchmarks/peers/{peer}.py has no REQUIREMENTS")


def python_of(peer: str) -> Path:
    """The interpreter that has the peer."""
    home = HOME / peer
    python, stamp = home / "bin" / "python", home / "requirements.txt"
    wanted = "\n".join(requirements_of(peer))
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"benchmarks: installing {', '.join(requirements_of(peer))}", file=sys.stderr, flush=True)
        _uv("venv", "--clear", "--python", sys.executable, str(home))
        _uv("pip", "install", "--python", str(python), *requirements_of(peer))
        stamp.write_text(wanted)
    return python


def _uv(*arguments: str) -> None:
    """Without our own configuration: what it overrides is not the peers'."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", "--no-config", *arguments], check=True)
