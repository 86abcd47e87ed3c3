"""The same store on a real PostgreSQL; in the full ring every test of the alert's life runs there too."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from postgres_server import PASSWORD, PostgresServer
from router_process import RouterProcess
from router_store import world_of
from router_values import NOON, make_alert, make_config, make_request, make_span, make_tag
from test_router_life import RULES
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.model import Act, Phase
from llmtrace.router.ports import Retention, StoreError
from llmtrace.router.store.audit import verify
from llmtrace.router.store.database import Database, reading

if TYPE_CHECKING:
    from pathlib import Path

PROCESS = """
    version: 1
    store: "${DATABASE_URL}"
    receivers: {hook: {webhook: {url: "%s", allow_private: true}}}
    routes: [{tier: page, receivers: [hook], group_by: ['...']}]
"""


def test_the_whole_life_of_an_alert(tmp_path: Path, postgres: str):
    """Page, escalation, acknowledgement, end, audit and pruning, and the decisions outlive the connection."""
    config = make_config(tmp_path, f"{RULES}    store: {postgres}\n")
    with world_of(config) as world:
        world.accept(make_alert())
        world.turn()
        world.turn(minutes=15)
        (incident,) = world.records.incidents(1, None)
        assert world.act(incident["id"], Act.ACKNOWLEDGE, "ada") is True
        assert [sent.phase for sent in world.sent("second")] == [Phase.FIRING]
    with world_of(config) as world:
        world.clock.move(hours=2)
        world.turn()
        assert world.records.incidents(1, None)[0]["state"] == "resolved"
        assert "nobody had acknowledged" in " ".join(world.records.explain("retriever-down"))
        while world.store.prune(Retention(timedelta(0), timedelta(0)), NOON + timedelta(days=90)):
            pass
        assert world.records.alerts(10, None) == []
    with reading(postgres) as connection:
        assert verify(connection).broken_at is None


def test_what_was_decided_cannot_be_changed(tmp_path: Path, postgres: str):
    """Neither a decision nor an entry of the audit trail can be changed or taken out."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {postgres}\n")) as world:
        world.accept(make_alert())
        world.turn()
        engine = sqlalchemy.create_engine(postgres)
        for statement in (
            "DELETE FROM audit", "UPDATE audit SET body=''", "DELETE FROM decisions", "UPDATE decisions SET reason=''",
        ):  # fmt: skip
            with pytest.raises(sqlalchemy.exc.DBAPIError, match="append-only"), engine.begin() as connection:
                connection.exec_driver_sql(statement)
        engine.dispose()


def test_one_router_for_each_database_and_no_password_in_messages(tmp_path: Path, postgres: str):
    """The second one is refused in one line while the first one lives; no message and no repr shows the password."""
    first = Database(postgres)
    with pytest.raises(ConfigurationError, match="in use by another router") as caught:
        Database(postgres)
    first.close()
    Database(postgres).close()
    with pytest.raises(ConfigurationError, match="no database that can be used") as unknown:
        Database(postgres + "-that-is-not-there")
    config = make_config(tmp_path, f"{RULES}    store: {postgres}\n")
    for text in (str(caught.value), str(unknown.value), repr(config)):
        assert PASSWORD not in text
        assert "\n" not in text


def test_a_server_that_restarts_costs_nothing(tmp_path: Path, postgres_server: PostgresServer, postgres: str):
    """While it is gone nothing is accepted, in words; afterwards the same router goes on."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {postgres}\n")) as world:
        world.accept(make_alert())
        postgres_server.stop()
        with pytest.raises(StoreError):
            world.accept(make_alert(alertname="b"))
        postgres_server.start()
        world.turn()
        assert len(world.sent("pager")) == 1


def test_what_was_accepted_is_told_after_kill_9(tmp_path: Path, postgres: str):
    """The real process, killed after the answer and before the message."""
    with WebhookReceiver() as receiver:
        file = tmp_path / "alerts.yaml"
        file.write_text(textwrap.dedent(PROCESS % receiver.url))
        environ = {"DATABASE_URL": postgres}
        receiver.scripted.extend([(500, {})] * 2)
        with RouterProcess(file, environ=environ) as router:
            assert router.post(make_request(make_span(make_tag(key="a")))).status_code == 200
            router.kill()
        with RouterProcess(file, environ=environ):
            wait_until(lambda: receiver.accepted, "the page arrives after the restart")
