"""What the wire must not cost: an answer does not wait for an acknowledgement of the network, nor for a turn."""

from __future__ import annotations

import statistics
from time import perf_counter

from router_process import RouterProcess


def test_an_answer_does_not_wait_for_the_network(tmp_path):
    """On one connection, many answers come in less than the 40 ms that a delayed acknowledgement costs each."""
    file = tmp_path / "alerts.yaml"
    file.write_text("version: 1\nreceivers: {a: {console: {}}}\n")
    with RouterProcess(file) as router:
        times = []
        for _ in range(40):
            began = perf_counter()
            assert router.client.post("/api/v2/alerts", content=b"[]").status_code == 200
            times.append(perf_counter() - began)
    assert statistics.quantiles(times, n=4)[0] < 0.03
