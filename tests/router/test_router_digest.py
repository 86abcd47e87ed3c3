"""Digests: scheduled in a place's own time, over restarts and clocks that change; what they say; how they arrive."""

from __future__ import annotations

import asyncio
import textwrap
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from destinations import MailServer
from outbound import Client, Said
from router_process import RouterProcess
from router_store import world_of
from router_values import make_alert, make_config, make_request, make_span, make_tag
from waiting import wait_until

from llmtrace.cli import main
from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config.cron import last_until, next_after
from llmtrace.router.digest import sender
from llmtrace.router.digest.preview import preview
from llmtrace.router.digest.sender import DigestSender
from llmtrace.router.model import Destination
from llmtrace.router.notifiers.mail import EmailNotifier
from llmtrace.router.ports import Toolbox
from llmtrace.router.store.digests import SqlDigests

RULES = """
    version: 1
    store: {store}
    receivers:
      on-call: {{console: {{}}}}
      product: {{email: {{to: [product@example.org], port: {port}}}}}
    tiers:
      page: {{receivers: [on-call]}}
      digest: {{receivers: [product], schedule: "0 8 * * *", timezone: Europe/Berlin}}
    routes:
      - {{matchers: ['severity="critical"'], tier: page}}
      - {{tier: digest}}
"""
HOSTILE = '"><script>alert(1)</script>\r\nBcc: all@example.org'


class House:
    """A world whose digests are sent by hand to a mail server."""

    def __init__(self, world, folder) -> None:
        self.world, self.folder = world, folder
        self.restart()

    def restart(self) -> None:
        """As a new process finds it."""
        world = self.world
        tools = Toolbox(Client(lambda _asked: Said()), world.clock, "http://router", print, str)
        mails = {each.receiver: world.config.receivers[each.receiver]["email"] for each in world.config.digests}
        self.posts = {name: EmailNotifier(mail, tools) for name, mail in mails.items()}
        self.sender = DigestSender(world.config, self.digests, self.posts, world.clock, "http://router")

    @property
    def digests(self) -> SqlDigests:
        return SqlDigests(self.world._database)

    def happen(self, *alerts) -> None:
        """Alerts come in and are decided."""
        self.world.accept(*alerts)
        self.world.turn_store([Destination("on-call", "console")])

    def turn(self, **by: float) -> None:
        """Time goes by, and what is due is sent."""
        self.world.clock.move(**by)
        asyncio.run(self.sender.turn())


@pytest.fixture
def server():
    """Where the mails arrive."""
    with MailServer() as running:
        yield running


@contextmanager
def opened(folder, server, store="sqlite:///router.db", change=("", ""), rules=RULES):
    """A house whose clock stands at 12:00 UTC on Friday, 20 November 2026."""
    rules = rules.format(port=server.port, store=store).replace(*change)
    with world_of(make_config(folder, rules)) as world:
        yield House(world, folder)


@pytest.fixture
def house(tmp_path, server):
    """On SQLite."""
    with opened(tmp_path, server) as running:
        yield running


def plain(mail) -> str:
    """Its text."""
    return mail.get_body(("plain",)).get_content()


def test_a_digest_arrives_at_its_time_with_all_of_it(tmp_path, server, store_url):
    """At 8:00 in Berlin one mail, in text and HTML, has what came in, trends, what was suppressed and why, costs."""
    with opened(tmp_path, server, store_url) as house:
        house.turn()
        cost = {"llm.cost.total": "0.25"}
        house.happen(*(make_alert("info", cost, alertname="slow-answer", user=str(n)) for n in range(7)))
        house.happen(make_alert("critical"), make_alert("critical"))
        house.turn(hours=18.9)
        assert server.mails == []
        house.turn(hours=0.2)
        (mail,) = server.mails
        assert mail["Subject"].startswith("[digest] product: 7 alerts, Fri 2026-11-20 13:00 to Sat 2026-11-21 08:00")
        assert mail.get_content_type() == "multipart/alternative"
        for body in (plain(mail), mail.get_body(("html",)).get_content()):
            for said in ("slow-answer", "retriever-down", "did not get worse", "1.75", "Noisiest rules"):
                assert said in body
        house.happen(*(make_alert("info", alertname="slow-answer", user=str(n)) for n in range(14)))
        house.turn(hours=24)
        assert "   14  info  slow-answer  (+100 %)" in plain(server.mails[1])


def test_an_empty_digest_says_so(house, server):
    """Where nothing came in, the mail comes all the same."""
    house.turn()
    house.turn(hours=24)
    assert "nothing to tell" in server.mails[0]["Subject"]
    assert "no alert came in" in plain(server.mails[0])


def test_a_restart_neither_loses_nor_doubles_a_digest(house, server):
    """However often the router starts, each period is told once, and no time lies between two periods."""
    house.turn()
    for _ in range(6):
        house.happen(make_alert("info", alertname="slow-answer"))
        house.restart()
        house.turn(hours=8)
        house.restart()
        house.turn()
    assert [plain(mail).count("slow-answer") > 0 for mail in server.mails] == [True, True]
    ends = [mail["Subject"].partition(", ")[2] for mail in server.mails]
    assert ends == [
        "Fri 2026-11-20 13:00 to Sat 2026-11-21 08:00 (Europe/Berlin)",
        "Sat 2026-11-21 08:00 to Sun 2026-11-22 08:00 (Europe/Berlin)",
    ]


def test_another_schedule_leaves_nothing_out(house, server, tmp_path):
    """Rules that are edited between two digests: the next one tells what came before the change too, and once."""
    house.turn()
    house.happen(make_alert("info", alertname="slow-answer"))
    file = tmp_path / "alerts.yaml"
    house.world.config = make_config(tmp_path, file.read_text().replace("0 8 * * *", "0 9 * * *"))
    house.restart()
    house.turn(hours=1)
    house.turn(hours=20)
    house.turn(hours=24)
    assert [plain(mail).count("slow-answer") > 0 for mail in server.mails] == [True, False]
    assert "Fri 2026-11-20 13:00 to Sat 2026-11-21 09:00" in server.mails[0]["Subject"]


def test_what_is_sent_again_after_a_crash_is_the_same_mail(house, server):
    """A process that dies between sending and writing that down: the same Message-ID and period, a day later too."""
    house.turn()
    house.happen(make_alert("info", alertname="slow-answer"))

    def dies(*_):
        raise KeyboardInterrupt

    house.sender._store.over = dies
    with pytest.raises(KeyboardInterrupt):
        house.turn(hours=20)
    house.restart()
    house.turn(hours=30)
    house.turn(hours=24)
    first, again, later = server.mails
    assert (first["Message-ID"], first["Subject"], plain(first)) == (
        again["Message-ID"],
        again["Subject"],
        plain(again),
    )
    assert later["Message-ID"] != first["Message-ID"]
    assert "Sat 2026-11-21 08:00 to Mon 2026-11-23 08:00" in later["Subject"]


def test_a_mail_server_that_is_away_gets_it_later(house, server):
    """A refusal for now is tried again, and the mail is the one that was due; a refusal for good ends it."""
    house.turn()
    house.happen(make_alert("info", alertname="slow-answer"))
    server.refuse = "450 later"
    house.turn(hours=20)
    house.turn(seconds=10)
    server.refuse = None
    assert server.mails == []
    house.turn(minutes=1)
    assert len(server.mails) == 1
    server.refuse = "550 no"
    house.turn(hours=24)
    house.turn(hours=1)
    server.refuse = None
    house.turn(hours=1)
    assert len(server.mails) == 1


def test_a_digest_that_cannot_be_written_keeps_no_other(tmp_path, server, monkeypatch, caplog):
    """It is tried again with the pauses of a mail server that is away, and said once."""
    two = RULES.replace(
        "      product: {{", "      board: {{email: {{to: [board@example.org], port: {port}}}}}\n      product: {{"
    )
    two = two.replace("receivers: [product]", "receivers: [board, product]")
    made = sender.report

    def failing(digest, *others):
        if digest.receiver == "board":
            raise LookupError("what a sender wrote")
        return made(digest, *others)

    monkeypatch.setattr(sender, "report", failing)
    with opened(tmp_path, server, rules=two) as house:
        house.turn()
        house.turn(hours=20)
        house.turn(seconds=5)
        assert [mail["To"] for mail in server.mails] == ["product@example.org"]
        assert caplog.text.count("digest for board: LookupError") == 1
        monkeypatch.undo()
        house.turn(minutes=1)
        assert [mail["To"] for mail in server.mails] == ["product@example.org", "board@example.org"]


def test_nobody_is_told_twice(house, server):
    """What waits for a digest is no message of its own; the explanation says where it is told."""
    house.turn()
    house.happen(make_alert("info"))
    house.world.turn(hours=30)
    assert house.world.sent("product") == []
    assert "next digest" in "\n".join(house.world.records.explain("retriever-down"))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # Clocks go forward at 2:00: what is due at 2:30 comes at 3:00, once.
        (datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:00", "2026-03-30T00:30"]),
        # Clocks go back at 3:00: 2:30 comes twice, the digest once.
        (datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),
    ],
)
def test_clocks_that_change_neither_lose_nor_double_a_digest(day, expected):
    """One a day over both changes of the clocks, at the place's own time."""
    found = []
    for _ in range(2):
        day = next_after("30 2 * * *", "Europe/Berlin", day)
        found.append(day.isoformat()[:16])
        assert last_until("30 2 * * *", "Europe/Berlin", day + timedelta(minutes=1)) == day
    assert found == expected


def test_a_weekly_digest_comes_on_its_day(tmp_path, server):
    """``0 8 * * 1`` is each Monday, and the period is the week."""
    with opened(tmp_path, server, change=('"0 8 * * *"', '"0 8 * * 1"')) as house:
        house.turn()
        for _ in range(10):
            house.turn(days=1)
        assert [mail["Date"][:16] for mail in server.mails] == ["Mon, 23 Nov 2026", "Mon, 30 Nov 2026"]


def test_what_senders_write_is_text_in_the_mail_too(house, server):
    """No markup and no header comes of a name."""
    house.turn()
    house.happen(make_alert("info", {"llm.cost.total": "nan"}, alertname=HOSTILE))
    house.turn(hours=24)
    (mail,) = server.mails
    assert mail["Bcc"] is None
    assert "<script>" not in mail.get_body(("html",)).get_content()
    assert "0.00 USD" in plain(mail)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"0 8 * * *"', '"often"', "as in cron"),
        ('"0 8 * * *"', '"0 8 30 2 *"', "as in cron"),
        ('"0 8 * * *"', '"* * * * * *"', "as in cron"),
        ('"0 8 * * *"', '"*/30 8 * * *"', "a digest an hour at most"),
        ("Europe/Berlin", "Berlin", "no time zone"),
        ("receivers: [product], schedule", "receivers: [on-call], schedule", "a digest is a mail"),
        ("- {tier: digest}", '- {tier: digest, schedule: "0 9 * * 1"}', "allowed: one a receiver"),
        ("page: {receivers: [on-call]}", 'page: {receivers: [on-call], schedule: "0 8 * * *"}', "allowed: tier digest"),
        ("tier: page}", 'tier: page, schedule: "0 8 * * *"}', "allowed: tier digest"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_in_words(tmp_path, old, new, said):
    """One line that names the key and what is allowed."""
    rules = RULES.format(port=25, store="sqlite:///router.db")
    assert old in rules
    with pytest.raises(ConfigurationError, match=said):
        make_config(tmp_path, rules.replace(old, new, 1))


def test_a_digest_can_be_looked_at_before_it_is_sent(house, capsys):
    """``digest --preview`` prints what would be sent now, and sends nothing."""
    house.turn()
    house.happen(make_alert("info", alertname="slow-answer"))
    digest = house.world.config.digests[0]
    house.world.clock.move(hours=1)
    with house.world._database.read() as connection:
        found = partial(preview, connection, digest)(house.world.clock.now())
    assert [(line.name, line.number) for line in found.bundled] == [("slow-answer", 1)]
    assert main(["router", "digest", "--preview", "--config", str(house.folder / "alerts.yaml")]) == 0
    assert "[digest] product" in capsys.readouterr().out


@pytest.mark.full
def test_the_real_router_sends_its_digest(tmp_path, server):
    """The process sends at the time of the schedule, also over a restart and other rules."""
    file = tmp_path / "alerts.yaml"
    file.write_text(textwrap.dedent(RULES.format(port=server.port, store="sqlite:///router.db")))
    with RouterProcess(file, moved=True) as router:
        router.post(make_request(make_span(make_tag("info", key="slow-answer"))))
        wait_until(lambda: router.get("decisions"), "the decision")
        router.move(86_400)
        wait_until(lambda: server.mails, "the first digest", 30)
    with RouterProcess(file, moved=True) as router:
        router.move(86_400)
        wait_until(lambda: len(server.mails) > 1, "the second digest", 30)
    assert "slow-answer" in plain(server.mails[0])
    assert "nothing to tell" in server.mails[1]["Subject"]
    assert len({mail["Message-ID"] for mail in server.mails}) == 2
