"""PagerDuty, Slack, ServiceNow and e-mail against servers that check the published formats, and what they share."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from destinations import MailServer, pagerduty, saying, servicenow, slack
from router_store import KeepingNotifier, World, world_of
from router_values import NOON, ManualClock, make_alert, make_config
from test_router_notifiers import ANNOTATIONS, delivery

from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.model import Act, Delivery, Destination, Outcome, Phase, Receipt, Status
from llmtrace.router.notifiers import KINDS, mail
from llmtrace.router.notifiers.http import open_client
from llmtrace.router.notifiers.pace import FAILURES, Breaker, Bucket, Pace
from llmtrace.router.notifiers.slack_blocks import escape
from llmtrace.router.ports import Rate, Toolbox

KEY = "k" * 32


def send(kind: str, settings: dict[str, Any], what: Delivery) -> Receipt:
    """One real attempt."""

    async def scenario():
        async with open_client() as client:
            tools = Toolbox(client, ManualClock(), "http://router", print, lambda number: f"http://router/ack/{number}")
            entry = KINDS[kind]
            return await entry.build(entry.settings.model_validate(settings), tools).send(what)

    return asyncio.run(scenario())


def about(phase: Phase = Phase.FIRING, *alerts, **changes) -> Delivery:
    """A delivery in this phase."""
    whole = delivery(*alerts)
    return replace(whole, notification=replace(whole.notification, phase=phase, incident_id=5, **changes))


def to_pagerduty(service, what: Delivery) -> Receipt:
    """One attempt at this server."""
    return send("pagerduty", {"routing_key": KEY, "url": service.url, "allow_private": True}, what)


def to_slack(service, what: Delivery, **more) -> Receipt:
    """One attempt at this server."""
    return send("slack", {"webhook_url": service.url + "/s", "allow_private": True, **more}, what)


def to_servicenow(service, what: Delivery, **more) -> Receipt:
    """One attempt at this server."""
    return send("servicenow", {"url": service.url, "token": "t0ken", "allow_private": True, **more}, what)


SERVICES = {
    "pagerduty": (pagerduty, to_pagerduty),
    "slack": (slack, to_slack),
    "servicenow": (servicenow, to_servicenow),
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_taken(name, phase):
    """Firing, acknowledged and resolved are in the destination's format."""
    service, post = SERVICES[name]
    with service() as running:
        assert post(running, about(phase)).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("name", SERVICES)
def test_huge_and_hostile_alerts_fit_the_limits(name):
    """Thousands of alerts with long texts and markup stay within what the destination takes."""
    nasty = dict.fromkeys(ANNOTATIONS, "<!channel> & \u202e\x00 " + "x" * 4000)
    alerts = [make_alert(annotations=nasty, model=f"{number}<b>" * 50) for number in range(600)]
    service, post = SERVICES[name]
    with service() as running:
        assert post(running, about(Phase.FIRING, *alerts)).outcome is Outcome.DELIVERED


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("status", "outcome"), [(429, Outcome.RETRY), (500, Outcome.RETRY), (400, Outcome.REFUSED)])
def test_failures_mean_the_same_everywhere(name, status, outcome):
    """A 429 is tried again after its Retry-After, a 500 too, a 400 is not."""
    service, post = SERVICES[name]
    with service() as running:
        running.scripted.append((status, {"retry-after": "7"}))
        receipt = post(running, about())
    assert receipt.outcome is outcome
    assert receipt.retry_after == (None if outcome is Outcome.REFUSED else timedelta(seconds=7))


def test_pagerduty_says_what_a_page_must_say():
    """Summary, severity, facts, links to trace, runbook and source, and the group's key through its life."""
    with pagerduty() as running:
        for phase in Phase:
            to_pagerduty(running, about(phase))
    first, second, third = (call.body for call in running.calls)
    assert [body["event_action"] for body in (first, second, third)] == ["trigger", "acknowledge", "resolve"]
    assert {body["dedup_key"] for body in (first, second, third)} == {"d" * 32}
    assert first["payload"]["summary"] == "[page] CRITICAL retriever-down in bot"
    assert first["payload"]["custom_details"]["how bad"] == "critical, value 0.4, threshold 0.3, 3 times"
    assert {link["text"] for link in first["links"]} == {"trace", "runbook", "source"}
    assert first["client_url"] == "http://router"
    assert "payload" not in third


def test_slack_mentions_whom_the_file_names_and_nobody_else():
    """The mention stands in the firing message only; buttons open trace, runbook, source and the acknowledgement."""
    with slack() as running:
        to_slack(running, about(), mention="<!subteam^S0AI>")
        to_slack(running, about(Phase.RESOLVED), mention="<!subteam^S0AI>")
    firing, resolved = (json.dumps(call.body) for call in running.calls)
    assert "<!subteam^S0AI>" in firing
    assert "<!subteam^S0AI>" not in resolved
    buttons = running.calls[0].body["blocks"][-1]["elements"]
    assert {button["text"]["text"] for button in buttons} == {"trace", "runbook", "source", "acknowledge"}
    assert escape("<!here> & co") == "&lt;!here&gt; &amp; co"


def test_servicenow_makes_one_ticket_and_resolves_it():
    """A repeated attempt finds the ticket of the lost answer; the end resolves it; then a new one is made."""
    with servicenow() as running:
        to_servicenow(running, about(), due="24h")
        to_servicenow(running, about())
        (ticket,) = running.tickets
        assert ticket["due_date"] == "2026-11-21 12:00:00"
        assert (ticket["urgency"], ticket["correlation_id"]) == ("1", "d" * 32)
        assert "retriever-down" in ticket["work_notes"]
        to_servicenow(running, about(Phase.RESOLVED, acted_by="mina"))
        assert (ticket["state"], ticket["close_notes"]) == ("6", "resolved by mina")
        assert to_servicenow(running, about(Phase.RESOLVED)).detail == "no open ticket to update"
        to_servicenow(running, about(), token=None, user="u", password="p")
    assert len(running.tickets) == 2


def test_a_mail_has_text_and_html_and_one_message_id():
    """Both bodies say the same; what a sender wrote is escaped and adds no header."""
    hostile = make_alert(annotations=ANNOTATIONS | {"reason": "<script>\r\nBcc: x@example.org"}, service="b\r\nBcc: y")
    with MailServer() as server:
        settings = {"to": ["a@example.org", "b@example.org"], "host": "127.0.0.1", "port": server.port}
        for _ in range(2):
            assert send("email", settings, about(Phase.FIRING, hostile)) == Receipt(Outcome.DELIVERED, "SMTP 250")
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Bcc"] is None
    text, page = (first.get_body([kind]).get_content() for kind in ("plain", "html"))
    assert "http://phoenix/redirects/traces/abc" in text
    assert "http://router/ack/5" in text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize(("answer", "outcome"), [("450 later", Outcome.RETRY), ("550 no", Outcome.REFUSED)])
def test_a_mail_server_refuses_for_now_or_for_good(answer, outcome):
    """4xx is tried again, 5xx is not; nobody there is tried again."""
    with MailServer() as server:
        server.refuse = answer
        settings = {"to": ["a@example.org"], "host": "127.0.0.1", "port": server.port}
        assert send("email", settings, about()).outcome is outcome
    assert send("email", settings, about()).outcome is Outcome.RETRY


@pytest.mark.parametrize(
    "said", [b"", b"<html>Please log in</html>\r\n", b"220-more\r\n" * 100, b"2" * 9_000, b"\x00\xff\r\n", b"999 \r\n"]
)
def test_a_mail_server_that_answers_nonsense_loses_nothing(said):
    """No word, a page, an answer without an end, a line without one, bytes: tried again, never taken for a refusal."""
    with saying(said) as port:
        receipt = send("email", {"to": ["a@example.org"], "host": "127.0.0.1", "port": port}, about())
    assert receipt.outcome is Outcome.RETRY
    assert len(receipt.detail) < 60


def test_a_mail_server_that_drips_holds_nobody_for_ever(monkeypatch):
    """A word that never ends, one character at a time, is over when patience is: the thread goes to the next mail."""
    monkeypatch.setattr(mail, "PATIENCE", 0.3)
    with saying(b"2", pause=0.02) as port:
        receipt = send("email", {"to": ["a@example.org"], "host": "127.0.0.1", "port": port}, about())
    assert receipt.outcome is Outcome.RETRY


def test_a_mail_goes_over_tls_to_the_server_that_its_certificate_names(tmp_path, monkeypatch):
    """From the first byte; a certificate that nobody vouches for gets nothing, and the mail is tried again."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=mail", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with MailServer() as server:
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True, suppress_ragged_eofs=True)
        settings = {"to": ["a@example.org"], "host": "127.0.0.1", "port": server.port, "tls": "implicit"}
        assert send("email", settings, about()).outcome is Outcome.RETRY
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert send("email", settings, about()) == Receipt(Outcome.DELIVERED, "SMTP 250")
        assert len(server.mails) == 1


def test_secrets_may_stand_in_files(tmp_path):
    """A key from a file works like one in the settings, and neither is in a repr."""
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    settings = KINDS["pagerduty"].settings.model_validate({"routing_key_file": str(file)})
    assert settings.key == KEY
    assert KEY not in repr(settings)
    for wrong in ({}, {"routing_key": KEY, "routing_key_file": str(file)}, {"routing_key_file": "/nowhere"}):
        with pytest.raises(ValueError, match=r"needs one of|no file that can be read"):
            KINDS["pagerduty"].settings.model_validate(wrong)


def test_a_bucket_gives_its_rate_and_no_more():
    """A burst at once, then one for each part of the period, also after a clock that was set back."""
    bucket = Bucket(Rate(3, timedelta(seconds=3)))
    assert bucket.allowance(10, NOON) == 3
    bucket.take(3)
    assert bucket.opens_at(NOON) == NOON + timedelta(seconds=1)
    assert bucket.allowance(10, NOON + timedelta(seconds=2)) == 2
    assert bucket.allowance(10, NOON - timedelta(hours=1)) == 2
    assert bucket.allowance(10, NOON + timedelta(hours=1)) == 3


def test_a_breaker_opens_after_failures_and_probes():
    """Five failures in a row give a pause, then one attempt; success closes it; being asked to wait is no failure."""
    breaker, failed = Breaker(), Receipt(Outcome.RETRY, "x")
    for _ in range(FAILURES):
        assert breaker.allowance(8, 0, NOON) == 8
        breaker.answered(failed, NOON)
    assert breaker.allowance(8, 0, NOON + timedelta(seconds=14)) == 0
    assert breaker.allowance(8, 0, NOON + timedelta(seconds=15)) == 1
    assert breaker.allowance(8, 1, NOON + timedelta(seconds=15)) == 0
    breaker.answered(Receipt(Outcome.DELIVERED, "ok"), NOON)
    assert breaker.allowance(8, 0, NOON) == 8
    pace = Pace(Bucket(None))
    for _ in range(2 * FAILURES):
        pace.answered(Receipt(Outcome.RETRY, "HTTP 429", timedelta(seconds=30)), NOON)
    assert pace.allowance(8, 0, NOON) == 0
    assert pace.allowance(8, 0, NOON + timedelta(seconds=30)) == 8


RULES = """
    version: 1
    fallback: {receiver: rescue, after: 10m}
    receivers:
      chat: {slack: {webhook_url: "https://hooks.example.org/x"}}
      hook: {webhook: {url: "https://example.org"}}
      rescue: {console: {}}
    routes:
      - {matchers: ['team="hook"'], tier: page, receivers: [hook]}
      - {tier: page, receivers: [chat], group_by: [service], group_interval: 0s}
"""


@pytest.fixture
def world(tmp_path, store_url):
    """Slack, a webhook and a fallback."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {store_url}\n")) as opened:
        yield opened


def test_newer_states_of_a_group_replace_those_that_wait(world):
    """While Slack is down three messages become one that tells all their alerts; the first attempt is not repeated."""
    notifier = world.notifiers[Destination("chat", "slack")]
    notifier.receipts = [Receipt(Outcome.RETRY, "down", timedelta(minutes=5))]
    for name in "abc":
        world.accept(make_alert(alertname=name))
        world.turn(seconds=1)
    world.turn(minutes=6)
    first, last = notifier.notifications
    assert [alert.name for alert in first.alerts] == ["a"]
    assert sorted(alert.name for alert in last.alerts) == ["a", "b", "c"]
    states = [row["state"] for row in world.records.deliveries(10, None) if row["receiver"] == "chat"]
    assert sorted(states) == ["delivered", "superseded", "superseded"]


def down(world: World, *, alerts: int = 1) -> KeepingNotifier:
    """Slack does not answer for five minutes; its first message was tried once."""
    notifier = world.notifiers[Destination("chat", "slack")]
    notifier.receipts = [Receipt(Outcome.RETRY, "down", timedelta(minutes=5))]
    world.accept(*(make_alert(alertname=f"a{number}") for number in range(alerts)))
    world.turn()
    return notifier


def up_again(world: World) -> list[Phase]:
    """What Slack hears of once it is back, one message a second."""
    world.turn(minutes=6)
    for _ in range(5):
        world.turn(seconds=1)
    return [sent.phase for sent in world.sent("chat")][1:]


def test_an_acknowledgement_does_not_replace_the_page_that_waits(world):
    """Acknowledged by API while the destination was down: it gets the trigger first, then the acknowledgement."""
    notifier = down(world)
    world.act(world.records.incidents(1, None)[0]["id"], Act.ACKNOWLEDGE, "ada")
    assert up_again(world) == [Phase.FIRING, Phase.ACKNOWLEDGED]
    assert notifier.notifications[-1].acted_by == "ada"


def test_an_end_does_not_replace_the_page_that_waits(world):
    """Fired, acknowledged and over while the destination was down: it gets the trigger, then the end; nothing else."""
    notifier = down(world)
    world.act(world.records.incidents(1, None)[0]["id"], Act.ACKNOWLEDGE, "ada")
    world.turn(seconds=1)
    world.accept(replace(make_alert(alertname="a0"), status=Status.RESOLVED, ends_at=NOON))
    world.turn(minutes=1)
    assert up_again(world) == [Phase.FIRING, Phase.RESOLVED]
    assert [alert.status for alert in notifier.notifications[-1].alerts] == [Status.RESOLVED]


def test_what_came_and_went_unheard_is_told_with_what_came_next(world):
    """A page that was never tried and the end of it are replaced by the next page of the same group."""
    notifier = down(world)
    alert = make_alert(alertname="a0")
    for _ in range(3):
        world.accept(replace(alert, status=Status.RESOLVED, ends_at=NOON))
        world.turn(seconds=5)
        world.accept(alert)
        world.turn(seconds=5)
    assert up_again(world) == [Phase.FIRING, Phase.RESOLVED, Phase.FIRING]
    assert [alert.status for alert in notifier.notifications[-1].alerts] == [Status.FIRING]


@pytest.mark.parametrize("receipt", [Receipt(Outcome.REFUSED, "HTTP 400"), Receipt(Outcome.RETRY, "HTTP 500")])
def test_the_fallback_is_told_what_another_did_not_take(world, receipt):
    """At once where it was refused, after ten minutes where it still fails, and once."""
    world.notifiers[Destination("hook", "webhook")].receipts = [receipt] * 20
    world.accept(make_alert(team="hook"))
    world.turn()
    world.turn(seconds=5)
    assert len(world.sent("rescue")) == (receipt.outcome is Outcome.REFUSED)
    world.turn(minutes=10)
    world.turn(minutes=1)
    (rescued,) = world.sent("rescue")
    assert rescued.alerts[0].name == "retriever-down"


def test_the_fallback_hears_how_it_goes_on(world):
    """Who was told instead is told that it is over too, and never hears of an end before he heard of the beginning."""
    world.notifiers[Destination("hook", "webhook")].receipts = [Receipt(Outcome.REFUSED, "HTTP 400")] * 2
    alert = make_alert(team="hook")
    world.accept(alert)
    world.turn()
    world.turn(seconds=5)
    world.accept(replace(alert, status=Status.RESOLVED, ends_at=NOON))
    world.turn(minutes=2)
    world.turn(minutes=20)
    assert [sent.phase for sent in world.sent("rescue")] == [Phase.FIRING, Phase.RESOLVED]


def test_slack_gets_one_message_a_second(world):
    """Of many groups the first goes at once, the others in the seconds after it; other destinations are not held up."""

    async def scenario():
        dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)
        counts = []
        for _ in range(4):
            for _ in range(3):
                await dispatcher.turn()
                await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))
            counts.append(len(world.sent("chat")))
            world.clock.move(seconds=1)
        return counts

    world.accept(*(make_alert(service=f"s{number}") for number in range(9)), make_alert(team="hook"))
    assert asyncio.run(scenario()) == [1, 2, 3, 4]
    assert len(world.sent("hook")) == 1
