"""Threads of our own, which an app that can have no more of them must not hear of."""

from __future__ import annotations

import threading
from collections.abc import Callable

from llmtrace._guard import say_once


def begun(target: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread that runs; None where the system starts none, or the interpreter is ending: whoever needs it asks again.

    A daemon: a process that ends without shutdown must not hang on telemetry.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        say_once("threads", "llmtrace: no thread can be started; spans wait until one can, or the process ends")
        return None
    return thread
