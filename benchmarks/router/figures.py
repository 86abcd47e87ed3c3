"""How much the router takes, how soon it tells, what it keeps: in one run with Alertmanager, on the same machine."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from sqlalchemy import func, select

from benchmarks.router.load import GOOD, bodies, is_whole, requests
from benchmarks.router.processes import TOKEN, Router, Sink, alertmanager
from benchmarks.rows import Row
from llmtrace.router.config import load
from llmtrace.router.decide import Deciding
from llmtrace.router.intake import alertmanager as intake
from llmtrace.router.model import Alert
from llmtrace.router.notifiers import KINDS
from llmtrace.router.notifiers.desk import desk_of
from llmtrace.router.ports import Retention
from llmtrace.router.store.database import Database
from llmtrace.router.store.schema import metadata
from llmtrace.router.store.sql import SqlStore

TITLE: Final = "The router: SQLite, synchronous=FULL, authentication on; Alertmanager in memory"
LOAD: Final = Path(__file__).with_name("load.py")
ROUNDS: Final = 3
SINGLE, BATCHED, BATCH = 5_000, 20_000, 64
CONNECTIONS: Final = 8
STORM: Final = 10_000
GROUPS: Final = 5
INTERVAL: Final = 2
RATE: Final = 100
PACED: Final = 1_000
ADAY: Final = 500
A_POST: Final = 5
"""Of them; the inbox takes out what is decided once there are 64 POSTs of it."""


def measure() -> Iterable[Row]:
    """Every figure of the issue that is one of speed or size."""
    yield from accepting()
    yield deciding()
    yield from telling()
    yield from storm()
    yield routing()
    yield from keeping()


def accepting() -> Iterator[Row]:
    """Accepted alerts a second: ours and theirs in turn, so that both see the same machine."""
    with Sink() as sink, Router(sink) as router, alertmanager() as port:
        for figure, alerts, batch, limit in (
            ("accepted alerts/s, 1 a POST, 8 connections / Alertmanager", SINGLE, 1, 0.6),
            ("accepted alerts/s, 64 a POST, 8 connections / Alertmanager", BATCHED, BATCH, 0.7),
        ):
            pairs = [(_load(router.port, alerts, batch), _load(port, alerts, batch)) for _ in range(ROUNDS)]
            ours, theirs = (median(rates) for rates in zip(*pairs, strict=True))
            ratio = median(one / two for one, two in pairs)
            yield Row(figure, ratio, limit, detail=f"{ours:,.0f} / {theirs:,.0f} a second", is_floor=True)
            _wait(lambda: router.figure("alerts_undecided") == 0)


def deciding() -> Row:
    """From the last answer to the last decision."""
    with Sink() as sink, Router(sink) as router:
        rate = _load(router.port, STORM, BATCH)
        began = perf_counter()
        _wait(lambda: router.figure("alerts_undecided") == 0)
        return Row(
            "10,000 accepted alerts: last decision after the last answer",
            perf_counter() - began,
            10,
            "s",
            f"accepted at {rate:,.0f} a second",
        )


def telling() -> Iterator[Row]:
    """POST to receipt, each alert a message of its own."""
    with Sink() as sink, Router(sink, group_by="'...'", wait="0s", interval="0s") as router:
        sent = dict(_paced(router.port))
        _wait(lambda: len(sink.came) == len(sent))
        delays = sorted(sink.came[name] - at for name, at in sent.items())
    for share, limit in ((0.5, 10), (0.99, 50)):
        figure = f"POST to receipt at {RATE}/s, p{share * 100:.0f}"
        yield Row(figure, delays[int(len(delays) * share)] * 1_000, limit, "ms", f"{len(delays)} alerts")


def storm() -> Iterator[Row]:
    """Ten thousand alerts in five groups: what reaches people, and how soon."""
    with Sink() as sink, Router(sink, wait="0s", interval=f"{INTERVAL}s") as router:
        before = router.memory()
        began = perf_counter()
        _load(router.port, STORM, BATCH, GROUPS)
        _wait(lambda: len(sink.came) == STORM)
        grown = router.memory() - before
        first, last = sink.bodies[0][0] - began, sink.bodies[-1][0] - began
    messages = Counter(key for _, key in sink.bodies)
    most = max(messages.values())
    detail = f"{len(sink.bodies)} messages for {len(messages)} groups in {last:.1f} s"
    yield Row("storm of 10,000 in 5 groups: first page", first, 1, "s", detail)
    yield Row("the same: messages of a group / one at once and one each interval", most / (1 + last / INTERVAL), 1)
    yield Row("the same: memory it took", grown, 150, "MB")


def routing() -> Row:
    """One decision where the route that fits is the last of a thousand."""
    matchers = [[f'service="s{number}"', 'severity=~"critical|error"'] for number in range(1_000)]
    routes = [{"matchers": each, "receivers": ["a"]} for each in matchers]
    rules = {"version": 1, "receivers": {"a": {"console": {}}}, "routes": routes}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "alerts.yaml"
        file.write_text(json.dumps(rules))
        config = load(file, {}, KINDS, None)
    labels = {"alertname": "a", "severity": "critical", "service": "s999"}
    now = datetime.now(UTC)
    deciding, alert = Deciding(config, now), Alert(labels, {}, now)
    times = []
    for _ in range(300):
        began = perf_counter()
        deciding.decide(alert, _Nothing())
        times.append(perf_counter() - began)
    return Row("one decision at 1,000 routes, the last one fits", median(times) * 1_000, 2, "ms")


def keeping() -> Iterator[Row]:
    """What an alert, a group and an entry of the audit trail take on disk; and whether that stops growing."""
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        rules = Path(folder) / "alerts.yaml"
        rules.write_text(Router(sink, wait="0s", interval="0s")._rules)  # noqa: SLF001 - of this benchmark
        config = load(rules, {}, KINDS, None)
        store, database = _store(Path(folder))
        now = datetime.now(UTC)
        sizes, rows = [_size(Path(folder))], 0
        for day in range(8):
            at = now + timedelta(days=day)
            for body in bodies(ADAY, A_POST, ADAY // 10):
                store.accept(intake.read_push(body, timedelta(minutes=5), at), at)
            for moment in (at, at + timedelta(hours=1)):
                while store.advance(Deciding(config, moment), desk_of(config), (), moment, 500).more:
                    pass
            store.retire([], at)
            while store.prune(Retention(timedelta(days=2), timedelta(days=2)), at):
                pass
            sizes.append(_size(Path(folder)))
            rows = rows or _rows(database)
        entries, body = _audited(database)
        database.close()
    yield Row("rows for an alert in a group of ten, audit included", rows / ADAY)
    yield Row("bytes on disk for an alert in a group of ten, audit included", (sizes[1] - sizes[0]) / ADAY, None, "B")
    yield Row("bytes of an entry of the audit trail", body / max(entries, 1), None, "B", f"{entries:,} entries kept")
    yield Row(
        "growth from the sixth day to the eighth, two days kept", sizes[-1] / sizes[-3], 1.1, "", f"{sizes[-1]:,} B"
    )


class _Nothing:
    """No past."""

    def state(self, *_: Any) -> None:
        """None."""

    group = incident = state

    def silences(self) -> tuple[()]:
        """None."""
        return ()

    def firing(self, _matchers: Any) -> tuple[()]:
        """None."""
        return ()


def _load(port: int, alerts: int, batch: int, groups: int = 0) -> float:
    """Alerts a second, sent by a process of its own."""
    start = random.randrange(10**9)  # noqa: S311 - so that no alert was seen before
    command = [sys.executable, LOAD, *map(str, (port, alerts, batch, CONNECTIONS)), TOKEN, str(groups), str(start)]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if done["refused"]:
        raise RuntimeError(f"{done['refused']} requests were refused")
    return float(done["rate"])


def _paced(port: int) -> Iterator[tuple[str, float]]:
    """One alert after the other at the rate; its name and when it was sent.

    Each request goes out in one piece, as Go's senders write them; Python's own client needs two, the second of which
    the router would wait for.
    """
    names = [f"i{number}" for number in range(PACED)]
    labels = ({"alertname": "paced", "severity": "critical", "instance": name} for name in names)
    made = requests(port, (json.dumps([{"labels": each}]).encode() for each in labels), token=TOKEN)
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        start = perf_counter()
        for number, (name, request) in enumerate(zip(names, made, strict=True)):
            time.sleep(max(0.0, start + number / RATE - perf_counter()))
            at = perf_counter()
            connection.sendall(request)
            answer = b""
            while not is_whole(answer) and (more := connection.recv(65_536)):
                answer += more
            if not answer.startswith(GOOD):
                raise RuntimeError(f"a request was refused: {answer[:100]!r}")
            yield name, at


def _wait(done: Callable[[], bool], deadline: float = 300) -> None:
    end = time.monotonic() + deadline
    while not done():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.2)


def _store(folder: Path) -> tuple[SqlStore, Database]:
    database = Database(folder / "router.db")
    return SqlStore(database), database


def _size(folder: Path) -> int:
    """Of the files, with all that stands in their logs written into them."""
    for file in ("router.db", "router.db.inbox"):
        with contextlib.closing(sqlite3.connect(folder / file)) as opened:
            busy, _, _ = opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise RuntimeError("the log could not be written into its file")
    return sum((folder / file).stat().st_size for file in ("router.db", "router.db.inbox"))


def _rows(database: Database) -> int:
    """Of all tables."""
    with database.read() as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables]
    return sum(int(count or 0) for count in counts)


def _audited(database: Database) -> tuple[int, int]:
    with database.read() as connection:
        query = "SELECT count(*), sum(length(body) + length(hash) + length(kind) + 32) FROM audit"
        count, size = connection.exec_driver_sql(query).one()
    return int(count), int(size or 0)
