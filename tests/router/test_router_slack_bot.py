"""Slack by a bot: one message an incident, which changes; its thread; errors in a 200; and the store that remembers."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest
from contracts import NONSENSE, about, reach
from router_store import world_of
from router_values import NOON, make_alert, make_config
from slack_bot_server import CHANNEL, slack_bot

from llmtrace.router.model import Act, Destination, Outcome, Phase, Reason, Receipt, Status
from llmtrace.router.notifiers import KINDS


def test_an_incident_is_one_message_with_a_thread():
    """Later pages join the thread, a repetition is shown in the channel too, the end changes the message."""
    with slack_bot() as service:
        (first,) = reach("slack_bot", service, about())
        assert first == Receipt(Outcome.DELIVERED, "HTTP 200", None, f"{CHANNEL}/1700000000.000000")
        later = [about(), about(reason=Reason.REPEATED), about(Phase.RESOLVED, acted_by="mina")]
        reach("slack_bot", service, *(replace(each, handle=first.handle) for each in later))
        (root,) = service.roots.values()
        more, repeated, over = service.replies
    assert root["blocks"][0]["text"]["text"].startswith(":white_check_mark: [page] RESOLVED")
    assert "acknowledge" not in json.dumps(root["blocks"])
    assert (more["reply_broadcast"], repeated["reply_broadcast"]) == (False, True)
    assert over["blocks"][0]["text"]["text"] == "resolved by mina"
    assert {each["thread_ts"] for each in service.replies} == {"1700000000.000000"}


@pytest.mark.parametrize("phase", Phase)
def test_a_message_that_somebody_deleted_is_posted_again(phase):
    """Nothing is lost with it: what is to be said begins a new thread, under its own handle."""
    with slack_bot() as service:
        (receipt,) = reach("slack_bot", service, replace(about(phase), handle=f"{CHANNEL}/1.2"))
        assert len(service.roots) == 1
    assert (receipt.outcome, receipt.handle) == (Outcome.DELIVERED, f"{CHANNEL}/1700000000.000000")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [("channel_not_found", Outcome.RETRY), ("not_in_channel", Outcome.RETRY), ("token_revoked", Outcome.RETRY),
     ("ratelimited", Outcome.RETRY), ("internal_error", Outcome.RETRY), ("msg_too_long", Outcome.REFUSED),
     ("invalid_blocks", Outcome.REFUSED)],
)  # fmt: skip
def test_an_error_in_a_200_is_an_error(error, outcome):
    """Slack says so under the status of success: what can be mended is tried again, what cannot is refused."""
    with slack_bot() as service:
        service.scripted.append((200, {}, {"ok": False, "error": error}))
        (receipt,) = reach("slack_bot", service, about())
    assert receipt == Receipt(outcome, f"HTTP 200, but Slack says {error}")


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("before", [0, 1])
def test_nonsense_in_a_thread_loses_nothing_either(nonsense, before):
    """Neither where the message is to change nor where the thread is told."""
    with slack_bot() as service:
        (first,) = reach("slack_bot", service, about())
        status, body = NONSENSE[nonsense]
        service.scripted.extend([*[None] * before, (status, {}, body)])
        (receipt,) = reach("slack_bot", service, replace(about(Phase.RESOLVED), handle=first.handle))
        assert len(service.roots) == 1
    assert receipt.outcome is Outcome.RETRY
    assert receipt.detail.startswith(f"HTTP {status}, but ")


def test_words_that_are_none_of_slacks_are_not_repeated():
    """An error that is no word is no message for a log."""
    with slack_bot() as service:
        service.scripted.append((200, {}, {"ok": False, "error": "<script>\n" * 99}))
        (receipt,) = reach("slack_bot", service, about())
    assert receipt == Receipt(Outcome.RETRY, "HTTP 200, but not Slack's `ok: true`")


@pytest.mark.parametrize("channel", ["ai-ops", "#", "#a b", "c0123abcd", "@mina", "C1"])
def test_what_is_no_channel_is_refused(channel):
    """An id, or a name with its mark."""
    with pytest.raises(ValueError, match="pattern"):
        KINDS["slack_bot"].settings.model_validate({"token": "t", "channel": channel})


RULES = """
    version: 1
    receivers: {chat: {slack_bot: {token: "0123456789abcdef", channel: C0123ABCD}}}
    routes: [{tier: page, receivers: [chat], group_interval: 0s}]
"""


def test_the_store_remembers_the_message_of_each_incident(tmp_path, store_url):
    """What the first message is called comes with the next of the incident, over a restart, and with no other's."""
    config = make_config(tmp_path, f"{RULES}    store: {store_url}\n")
    chat, alert = Destination("chat", "slack_bot"), make_alert()
    with world_of(config) as world:
        world.notifiers[chat].receipts = [Receipt(Outcome.DELIVERED, "ok", None, "C/1")]
        world.accept(alert)
        world.turn()
        assert [each.handle for each in world.notifiers[chat].deliveries] == [""]
    with world_of(config) as world:
        notifier = world.notifiers[chat]
        world.act(world.records.incidents(1, None)[0]["id"], Act.ACKNOWLEDGE, "mina")
        world.turn(seconds=1)
        world.accept(replace(alert, status=Status.RESOLVED, ends_at=NOON))
        world.turn(minutes=5)
        assert [(each.notification.phase, each.handle) for each in notifier.deliveries] == [
            (Phase.ACKNOWLEDGED, "C/1"), (Phase.RESOLVED, "C/1")
        ]  # fmt: skip
        notifier.receipts = [Receipt(Outcome.RETRY, "half done", None, "C/2")]
        world.accept(alert)
        world.turn(minutes=5)
        world.turn(minutes=5)
        assert [each.handle for each in notifier.deliveries[2:]] == ["", "C/2"]


def test_handles_go_with_their_incidents(tmp_path):
    """When what is over and old is pruned, nothing of it is left."""
    with world_of(make_config(tmp_path, RULES)) as world:
        notifier, alert = world.notifiers[Destination("chat", "slack_bot")], make_alert()
        notifier.receipts = [Receipt(Outcome.DELIVERED, "ok", None, "C/1")]
        world.accept(alert)
        world.turn()
        world.accept(replace(alert, status=Status.RESOLVED, ends_at=NOON))
        world.turn(minutes=5)
        count = lambda: len(world.handles())  # noqa: E731 - a short name
        assert count() == 1
        world.clock.move(days=40)
        while world.store.prune(world.config.retention, world.clock.now()):
            pass
        assert count() == 0


def test_a_store_of_before_learns_to_remember(tmp_path):
    """A database that was made before there were handles goes on, with all that it has."""
    config = make_config(tmp_path, RULES)
    with world_of(config) as world:
        world.accept(make_alert())
        world.turn()
    with sqlite3.connect(tmp_path / "router.db") as connection:
        connection.execute("DROP TABLE handles")
    connection.close()
    with world_of(config) as world:
        world.notifiers[Destination("chat", "slack_bot")].receipts = [Receipt(Outcome.DELIVERED, "ok", None, "C/1")]
        world.act(world.records.incidents(1, None)[0]["id"], Act.ACKNOWLEDGE, "mina")
        world.turn(seconds=1)
        assert world.handles() == ["C/1"]
