"""Enrichment: changes, links, health and looked-up labels are told with an alert, and hold nothing up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import pytest
from router_process import RouterProcess
from router_store import world_of
from router_values import MINIMAL, NOON, make_alert, make_config
from test_router_intake import Doors
from test_router_notifiers import delivery
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.enrichment import Enricher
from llmtrace.router.enrichment.changes import of_alert
from llmtrace.router.enrichment.lookup import look_up
from llmtrace.router.model import Annotation, Change
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.http import open_client
from llmtrace.router.rehearsal import differences

MINUTE = timedelta(minutes=1)
LOOKUP = """
version: 1
entries:
  - {matchers: ['service="bot"'], labels: {team: legal-ai, segment_tenant: acme}}
  - {matchers: ['service=~".*"'], labels: {team: platform}, annotations: {runbook_url: "https://runbooks.example.org/all"}}
"""


def enriched(folder, enrich: str, told=None, changes=(), **labels):
    """A delivery under these rules, and the annotations that its first alert has afterwards."""
    config = make_config(folder, f"{MINIMAL}    enrich: {enrich}\n")
    given = delivery() if told is None else told
    alert = make_alert(annotations=given.notification.alerts[0].annotations, **labels)
    given = replace(given, notification=replace(given.notification, alerts=(alert,), created_at=NOON))

    async def run():
        async with open_client() as client:
            return await Enricher(config, lambda _since, _until: changes, client).enrich(given)

    return asyncio.run(run()).notification.alerts[0]


@contextmanager
def answering(text: bytes = b"ok", status: int = 200, kind: str = "text/plain", wait: threading.Event | None = None):
    """A page that says this; where it is to wait, it does. Yields its address and the requests so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if wait is not None:
                wait.wait(10)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/health", asked
    finally:
        if wait is not None:
            wait.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_changes_come_in_and_are_kept(tmp_path):
    """One or several; secrets in them are not; the future is now; the trail has them."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        doors = Doors(world)
        with doors.inbox, doors.client:
            one = {"kind": "deploy", "service": "bot", "version": 42, "by": "mina", "title": "key sk-proj-" + "a" * 48}
            assert doors.post("/ingest/change", one).json() == {"accepted": 1}
            two = [{"kind": "prompt", "at": "2026-11-20T11:00:00Z"}, {"kind": "config", "at": "2027-01-01T00:00:00"}]
            answer = doors.post("/ingest/change", two)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
            assert doors.post("/ingest/change", {"title": "x"}).json() == {
                "error": "changes[0]: kind: Field required",
            }
        kept = world.store.changes(NOON - timedelta(hours=2), NOON)
    assert [(each.kind, each.at) for each in kept] == [
        ("config", NOON), ("deploy", NOON), ("prompt", NOON - timedelta(hours=1)),
    ]  # fmt: skip
    assert (kept[1].version, kept[1].by) == ("42", "mina")
    assert "a" * 20 not in kept[1].title


def test_the_last_changes_that_concern_an_alert_are_told():
    """Of its service and environment, or of all; the newest three first."""
    every = [
        Change("deploy", NOON - number * MINUTE, service=service, environment=environment, version=f"v{number}")
        for number, (service, environment) in enumerate(
            [("bot", ""), ("other", ""), ("", ""), ("bot", "staging"), ("bot", "production"), ("bot", "production")]
        )
    ]
    said = of_alert(make_alert(environment="production"), every)
    assert said.split("; ") == [
        "2026-11-20 12:00 UTC deploy v0 (bot)",
        "2026-11-20 11:58 UTC deploy v2",
        "2026-11-20 11:56 UTC deploy v4 (bot in production)",
    ]


def test_links_are_filled_from_labels(tmp_path):
    """Quoted; one whose label is missing is left out; a runbook that the alert names stays."""
    enrich = (
        '{runbook: "https://r.example.org/{alertname}",'
        ' links: {dashboard: "https://g.example.org/{service}", tenant: "https://t.example.org/{segment_tenant}"}}'
    )
    alert = enriched(tmp_path, enrich, service="a/b c")
    assert alert.annotations["link_dashboard"] == "https://g.example.org/a%2Fb%20c"
    assert "link_tenant" not in alert.annotations
    assert ("dashboard", "https://g.example.org/a%2Fb%20c") in list(page.links(alert))
    plain = replace(make_alert(), annotations={})
    told = replace(delivery(), notification=replace(delivery().notification, alerts=(plain,)))
    assert enriched(tmp_path, enrich, told).annotations[Annotation.RUNBOOK_URL].endswith("/retriever-down")


@pytest.mark.parametrize(
    ("enrich", "problem"),
    [
        (
            '{runbook: "https://r.example.org/{alert}"}',
            r"enrich.runbook.*\{alert\}: no placeholder; allowed: alertname",
        ),
        ('{links: {a: "https://r.example.org/{service"}}', r"enrich.links.a.*\{service: no placeholder"),
        ('{runbook: "ftp://x/{service}"}', "no link; allowed: http"),
        ('{health: {db: "http://db/{service}"}}', "no address; allowed"),
        ("{timeout: 1m}", "not allowed; allowed: more than 0s, up to 5s"),
        ("{lookup: none.yaml}", r"enrich.lookup.*none.yaml: cannot be read"),
        ("{looks: 1}", "no such key"),
    ],
)
def test_what_is_wrong_is_said_at_check(tmp_path, enrich, problem):
    """An unknown placeholder above all, with those that there are."""
    with pytest.raises(ConfigurationError, match=problem):
        make_config(tmp_path, f"{MINIMAL}    enrich: {enrich}\n")


def test_a_page_says_how_it_is_around(tmp_path):
    """Status pages are quoted, of others the status counts, and who does not answer is named."""
    status = b'{"status": {"indicator": "major", "description": "Partial outage"}}'
    with (
        answering() as (one, _),
        answering(b"", 503) as (two, _),
        answering(status, kind="application/json") as (three, _),
    ):
        health = f'{{db: "{one}", gateway: "{two}", provider: "{three}", gone: "http://127.0.0.1:9/"}}'
        said = dict(
            part.split(": ", 1)
            for part in enriched(tmp_path, f"{{health: {health}}}").annotations["health"].split("; ")
        )
    assert said["db"].startswith("ok (")
    assert said["gateway"].startswith("HTTP 503 (")
    assert said["provider"].startswith("Partial outage (")
    assert said["gone"] == "no answer (ClientConnectorError)"


def test_what_hangs_holds_no_page_up(tmp_path):
    """The page goes after the timeout with all that was there by then."""
    wait = threading.Event()
    changes = (Change("deploy", NOON, version="v42"),)
    with answering(wait=wait) as (url, _):
        began = monotonic()
        alert = enriched(
            tmp_path, f'{{timeout: 100ms, health: {{db: "{url}"}}, runbook: "https://r/{{service}}"}}', None, changes
        )
        wait.set()
    assert monotonic() - began < 5
    assert "health" not in alert.annotations
    assert alert.annotations[Annotation.RUNBOOK_URL]


def test_a_store_that_fails_costs_the_enrichment_alone(tmp_path):
    """The message goes as it was."""
    config = make_config(tmp_path, MINIMAL)

    def broken(_since, _until):
        raise OSError("no disk")

    async def run():
        async with open_client() as client:
            return await Enricher(config, broken, client).enrich(delivery())

    assert asyncio.run(run()) == delivery()


def test_where_nothing_changed_nothing_is_read(tmp_path):
    """A flood of messages costs no reading of the store, until somebody deploys."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        reads: list[object] = []

        def read(since, until):
            reads.append(since)
            return world.store.changes(since, until)

        async def run():
            async with open_client() as client:
                enricher = Enricher(world.config, read, client, world.store.newest_change)
                told = replace(delivery(), notification=replace(delivery().notification, created_at=NOON))
                before = await enricher.enrich(told)
                world.store.keep_changes([Change("deploy", NOON, version="v42")], NOON)
                return before, await enricher.enrich(told)

        before, after = asyncio.run(run())
    assert len(reads) == 1
    assert "changes" not in before.notification.alerts[0].annotations
    assert after.notification.alerts[0].annotations["changes"].endswith("deploy v42")


def test_a_change_of_the_same_turn_is_told(tmp_path):
    """A turn takes the time when it begins, and may meet a change and an alert that came in the middle of it."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        world.store.keep_changes([Change("deploy", NOON + timedelta(milliseconds=20), version="v42")], NOON)

        async def run():
            async with open_client() as client:
                enricher = Enricher(world.config, world.store.changes, client, world.store.newest_change)
                told = replace(delivery(), notification=replace(delivery().notification, created_at=NOON))
                return await enricher.enrich(told)

        (alert,) = asyncio.run(run()).notification.alerts
    assert alert.annotations["changes"].endswith("deploy v42")


def test_many_pages_ask_once(tmp_path):
    """A flood of pages is no flood of questions."""
    with answering() as (url, asked):
        config = make_config(tmp_path, f'{MINIMAL}    enrich: {{health: {{db: "{url}"}}}}\n')

        async def run():
            async with open_client() as client:
                enricher = Enricher(config, lambda _since, _until: (), client)
                return await asyncio.gather(*(enricher.enrich(delivery()) for _ in range(20)))

        told = asyncio.run(run())
    assert len(asked) == 1
    assert all("db: ok" in each.notification.alerts[0].annotations["health"] for each in told)


def test_labels_are_looked_up_before_routes_see_an_alert(tmp_path):
    """What it lacks is given, what it says stays, and the first entry counts."""
    (tmp_path / "teams.yaml").write_text(LOOKUP)
    rows = make_config(tmp_path, MINIMAL + "    enrich: {lookup: teams.yaml}\n").lookup
    alert = look_up(make_alert(), rows)
    assert (alert.labels["team"], alert.labels["segment_tenant"]) == ("legal-ai", "acme")
    assert alert.annotations["runbook_url"] == "https://runbooks.example.org/all"
    assert look_up(make_alert(team="own"), rows).labels["team"] == "own"
    assert look_up(make_alert(service="x"), rows).labels["team"] == "platform"


def test_a_change_of_the_lookup_is_a_difference_of_the_rules(tmp_path):
    """`diff` looks labels up as the router does."""
    routes = (
        "    version: 1\n    receivers: {ops: {console: {}}, legal: {console: {}}}\n"
        "    routes:\n      - {matchers: ['team=\"legal-ai\"'], tier: page, receivers: [legal]}\n"
        "      - {tier: channel, receivers: [ops]}\n"
    )
    (tmp_path / "teams.yaml").write_text(LOOKUP)
    old, new = make_config(tmp_path, routes), make_config(tmp_path, routes + "    enrich: {lookup: teams.yaml}\n")
    (change,) = differences([make_alert()], old, new)
    assert (change.before, change.after) == (("channel: ops",), ("page: legal",))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{matchers: ['a=\"b\"'], labels: {severity: critical}}", "no label that can be given"),
        ("{matchers: ['a'], labels: {team: x}}", "no matcher"),
        ("{labels: {team: x}}", "missing; it must be set"),
    ],
)
def test_a_wrong_lookup_file_is_refused_in_words(tmp_path, entry, problem):
    """In the file that is wrong."""
    (tmp_path / "teams.yaml").write_text(f"version: 1\nentries: [{entry}]\n")
    with pytest.raises(ConfigurationError, match=f"teams.yaml:2:.*{problem}"):
        make_config(tmp_path, MINIMAL + "    enrich: {lookup: teams.yaml}\n")


def test_the_running_router_tells_what_changed(tmp_path):
    """The real process: a change, an alert without a team, and a page that says both."""
    (tmp_path / "teams.yaml").write_text(LOOKUP)
    with WebhookReceiver() as receiver:
        rules = MINIMAL.replace("http://127.0.0.1:9099/hook", receiver.url)
        # The longest that may be allowed: on a busy machine a second is nothing.
        (tmp_path / "alerts.yaml").write_text(rules + "    enrich: {lookup: teams.yaml, timeout: 5s}\n")
        with RouterProcess(tmp_path / "alerts.yaml") as router:
            router.client.post("/ingest/change", json={"kind": "deploy", "version": "v42"}).raise_for_status()
            alert = {"name": "down", "severity": "critical", "service": "bot"}
            router.client.post("/ingest/generic", json=alert).raise_for_status()
            wait_until(lambda: receiver.accepted, "the page is told")
    (told,) = receiver.accepted[0].body["alerts"]
    assert told["labels"]["team"] == "legal-ai"
    assert told["annotations"]["changes"].endswith("UTC deploy v42")
