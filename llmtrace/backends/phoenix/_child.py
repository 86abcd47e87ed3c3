"""The first file that the Phoenix process runs: it ties Phoenix's life to its parent's, then becomes Phoenix.

Its standard input is a pipe that the parent holds open and never writes to. When the parent is gone, however it went,
the kernel closes the pipe, the read below ends, and Phoenix is told to stop. PR_SET_PDEATHSIG would do it without a
thread, but it exists on Linux only and fires when the *thread* that started Phoenix ends, not the process.

It runs as a script, in Phoenix's interpreter, and imports nothing of llmtrace.
"""

from __future__ import annotations

import logging
import os
import runpy
import signal
import sys
import threading
import time

_GRACE = 10.0  # seconds from being told to stop until it is made to; Phoenix takes 5 to store what it has accepted
_STDIN = 0


def _stop_with_parent() -> None:
    while os.read(_STDIN, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os._exit(1)


def _is_failure(record: logging.LogRecord) -> bool:
    """Whether an access-log line tells of a request that failed: the others would fill the disk."""
    status = record.args[-1] if isinstance(record.args, tuple) and record.args else None
    return not isinstance(status, int) or status >= 400  # noqa: PLR2004  (where HTTP's error answers begin)


def _become_phoenix() -> None:
    threading.Thread(target=_stop_with_parent, name="llmtrace-parent", daemon=True).start()
    logging.getLogger("uvicorn.access").addFilter(_is_failure)
    sys.argv = ["phoenix", "serve"]
    runpy.run_module("phoenix.server.main", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become_phoenix()
