"""What the router's loops say of a fault of ours: which, and where; not its text, which may quote a sender."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from router_store import world_of
from router_values import make_config

from llmtrace.router.digest.sender import DigestSender
from llmtrace.router.tailing import Tail
from llmtrace.router.watchdog import Watchdog

WROTE = "the customer said hunter2"
RULES = """
    version: 1
    receivers: {ops: {console: {}}}
    intake: {phoenix: {url: "http://127.0.0.1:9", every: 1s, project: shop, scores: {judge: {below: 0.5}}}}
    routes: [{tier: page, receivers: [ops]}]
"""
LOOPS: dict[str, tuple[Callable[..., Any], str]] = {
    "the watchdog": (lambda world: Watchdog(world.config, {}, None, world.clock), "look"),
    "digests": (lambda world: DigestSender(world.config, None, {}, world.clock, ""), "turn"),
    "annotations": (lambda world: Tail(world.config, None, None, world.clock, None, None, {}), "look"),
}


@pytest.mark.parametrize("which", LOOPS)
def test_a_loop_outlives_a_fault_and_does_not_quote_it(tmp_path, monkeypatch, caplog, which):
    """Kind and place are in the log, the text is not, and it goes on."""
    make, look = LOOPS[which]
    looks = []

    def fail(*_: object) -> None:
        looks.append(1)
        if len(looks) > 1:
            raise asyncio.CancelledError
        raise KeyError(WROTE)

    async def at_once(_: float) -> None:
        """No pause between two looks."""

    with world_of(make_config(tmp_path, RULES)) as world:
        loop = make(world)
        monkeypatch.setattr(loop, look, fail)
        monkeypatch.setattr(asyncio, "sleep", at_once)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(loop.run())
    assert len(looks) == 2
    assert "KeyError in fail (test_router_faults.py" in caplog.text
    assert WROTE not in caplog.text
