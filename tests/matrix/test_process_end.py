"""At the end of a process, generators that are still open end without a word."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
import llmtrace

def held():
    with llmtrace.using(user_id="u"), llmtrace.chain_span("subject"):
        yield 1
        yield 2

@llmtrace.chain
def decorated():
    yield 1
    yield 2

def recorded():
    with llmtrace.chain_span("subject") as span:
        return span.record_stream(iter([1, 2]))

async def async_held():
    with llmtrace.chain_span("subject"):
        yield 1
        yield 2

@llmtrace.chain
async def async_decorated():
    yield 1
    yield 2

kept = [llmtrace.init_tracing(service_name="ends", endpoint="http://127.0.0.1:9"), held(), decorated(), recorded()]
for made in kept[1:]:
    next(made)
loop = asyncio.new_event_loop()
asyncs = [async_held(), async_decorated()]

async def begin():
    for made in asyncs:
        await anext(made)

loop.run_until_complete(begin())
kept.append(asyncs)
if sys.argv[1] == "cycle":
    kept.append(kept)
    del kept, asyncs
if sys.argv[2] == "closed":
    loop.close()
"""


@pytest.mark.parametrize("kept", ["global", "cycle"])
@pytest.mark.parametrize("loop", ["open", "closed"])
def test_the_interpreter_ends_silently(kept: str, loop: str) -> None:
    """No traceback, no "Exception ignored": nothing on stderr but that the backend, which is not there, is not."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, kept, loop], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0
    assert [line for line in ended.stderr.splitlines() if "127.0.0.1:9" not in line] == []
