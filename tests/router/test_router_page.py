"""The page in a real browser, against the router in a process of its own."""

from __future__ import annotations

import os
import re
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from demo_service import demo_service
from destinations import MailServer
from router_process import RouterProcess
from router_values import make_alert, make_request, make_span, make_tag
from test_router_digest import opened
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from examples.support_bot.scripted_model import FAILS_ON

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "docs/how-to/page"
SHOWN = {"incidents-light", "incident-light", "incident-dark", "alerts-light", "digest-light", "mail"}
"""Those that the documentation shows; written where ``LLMTRACE_WRITE_PICTURES`` is set."""
TOKEN = "a-token-of-the-page"
RULES = """
    version: 1
    listen: 127.0.0.1:0
    links: {{trace: "https://phoenix.example.org/redirects/traces/{{trace_id}}"}}
    receivers:
      on-call: {{webhook: {{url: "{url}", allow_private: true}}}}
      ops: {{console: {{}}}}
      product: {{email: {{to: [product@example.org]}}}}
    tiers: {{digest: {{receivers: [product], schedule: "0 8 * * 1", timezone: Europe/Berlin}}}}
    rollout:
      - {{matchers: ['alertname="answer-slow"'], mode: shadow}}
    routes:
      - {{tier: page, matchers: ['severity=~"critical|error"'], receivers: [on-call]}}
      - {{tier: digest, matchers: ['severity="info"']}}
      - {{tier: channel, receivers: [ops], group_wait: 0s}}
"""
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1200, "height": 800}


class Reader:
    """A browser's page over a router; ``look`` checks what is shown with axe, and keeps a picture where wished."""

    def __init__(self, page, router) -> None:
        self.page, self._router = page, router
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append("a dialog"), dialog.dismiss()))

    def open(self, path: str) -> None:
        answer = self.page.goto(str(self._router.client.base_url).rstrip("/") + path)
        assert answer.status == 200

    def look(self, name: str = "") -> None:
        found = Axe().run(self.page).response["violations"]
        assert not found, [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if name in SHOWN and os.environ.get("LLMTRACE_WRITE_PICTURES"):
            PICTURES.mkdir(exist_ok=True)
            self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture
def pager():
    """Who is paged."""
    with WebhookReceiver() as receiver:
        yield receiver


def rules_of(folder: Path, pager: WebhookReceiver, more: str = "") -> Path:
    """The rules in a file."""
    file = folder / "alerts.yaml"
    file.write_text(textwrap.dedent(RULES.format(url=pager.url)) + textwrap.dedent(more))
    return file


@pytest.fixture
def router(tmp_path, pager):
    """A router whose page nobody has to log in to."""
    with RouterProcess(rules_of(tmp_path, pager)) as running:
        yield running


@pytest.fixture
def demo(tmp_path, router):
    """The demo's service, whose alerts go to the router; there is no backend that takes its spans."""
    address = str(router.client.base_url).rstrip("/")
    nowhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with demo_service(tmp_path, LLMTRACE_ALERTS_ENDPOINT=address, **nowhere) as running:
        yield running


@pytest.fixture(params=[("light", DESK), pytest.param(("dark", PHONE), marks=pytest.mark.full)], ids=["light", "dark"])
def look(request):
    """Each colour scheme, one at a desk and one on a phone."""
    return request.param


@pytest.fixture
def reader(browser, router, look):
    """Who reads the page, and ends without a complaint of the browser."""
    scheme, size = look
    with browser.new_context(viewport=size, color_scheme=scheme, timezone_id="UTC") as context:
        reading = Reader(context.new_page(), router)
        yield reading
        assert reading.complaints == []


def tell(router: RouterProcess, *tags, **about) -> None:
    """A span with alert tags comes in."""
    router.post(make_request(make_span(*tags, **about))).raise_for_status()


def group_of(received) -> str:
    """What a page is about."""
    name: str = received.body["groupLabels"]["alertname"]
    return name


def test_a_failing_request_pages_is_read_acknowledged_and_silenced(reader, router, pager, demo, look):
    """A request to the demo fails and pages; its incident is read with its trace, acknowledged and silenced."""
    scheme, page = look[0], reader.page
    reader.open("/")
    tell(router, make_tag("warning", key="answer-slow", reason="p95 over 8 s"), name="answer")
    tell(router, make_tag("warning", key="tool-fails", reason="search_docs failed 5 times"), name="tool")
    for question in range(3):
        tell(router, make_tag("info", key="thumbs-down", reason="an answer did not help", team=f"team-{question}"))
    assert demo.ask("Which sourdough suits rye loaves?").status_code == 200  # and yet the retriever found nothing
    failed = demo.ask(f"What happens when the {FAILS_ON}?")
    assert failed.status_code == 502
    wait_until(lambda: "llm-error" in [group_of(each) for each in pager.accepted], "the page")
    page.get_by_role("link", name="retriever-empty").wait_for()
    page.get_by_role("link", name="llm-error").wait_for()  # by itself: the list is kept fresh
    reader.look(f"incidents-{scheme}")
    page.get_by_role("link", name="llm-error").click()
    page.get_by_role("heading", name="Timeline").wait_for()
    assert page.get_by_text("failed with openai.InternalServerError").first.is_visible()
    assert page.get_by_text("delivered").first.is_visible()
    assert page.get_by_text("because it was new on this route").first.is_visible()
    trace = page.get_by_role("link", name=re.compile("Open trace")).get_attribute("href")
    assert trace == f"https://phoenix.example.org/redirects/traces/{failed.headers['x-trace-id']}"
    reader.look()
    page.get_by_label("Your name").first.fill("Ada")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("Acknowledged by Ada", exact=True).wait_for()
    assert not page.get_by_role("button", name="Acknowledge").is_visible()
    reader.look(f"incident-{scheme}")
    page.locator("summary").click()
    page.get_by_role("textbox", name="Why").fill("the model server is being replaced")
    reader.look()
    page.get_by_role("button", name="Silence").last.click()
    page.get_by_text("the model server is being replaced").wait_for()
    reader.look(f"silences-{scheme}")
    (incident,) = (each for each in router.get("incidents") if "llm-error" in each["group_key"])
    silence = router.get("silences")[0]
    assert (incident["state"], incident["acknowledged_by"]) == ("acknowledged", "Ada")
    assert (silence["created_by"], silence["matchers"][0]) == ("Ada", 'alertname="llm-error"')
    for view in ("alerts", "rollout"):
        page.get_by_role("link", name=view.capitalize()).click()
        page.get_by_role("heading", name=view.capitalize()).wait_for()
        assert page.get_by_text("answer-slow").first.is_visible()
        reader.look(f"{view}-{scheme}")
    page.get_by_role("link", name="Digest").click()
    page.get_by_role("heading", name="product: 3 alerts").wait_for()
    reader.look(f"digest-{scheme}")
    page.get_by_role("link", name="Alerts").click()
    page.get_by_role("link", name="answer-slow").click()
    page.get_by_text("in shadow, nobody was told").first.wait_for()
    reader.look()
    page.get_by_role("link", name="Silences").click()
    page.get_by_role("button", name="End now").click()
    page.get_by_text("Nothing is silenced").wait_for()


def written(folder: Path) -> list[str]:
    """The HTML of a full and of an empty digest, as a mail server got it."""
    with MailServer() as server, opened(folder, server) as house:
        cost = {"llm.cost.total": "0.42"}
        house.turn()
        house.happen(*(make_alert("info", alertname="thumbs-down", user=str(n)) for n in range(9)))
        house.turn(hours=20)
        for name, severity, number in (("thumbs-down", "info", 12), ("answer-slow", "warning", 4)):
            house.happen(*(make_alert(severity, cost, alertname=name, user=str(n)) for n in range(number)))
        house.happen(make_alert(), make_alert())
        house.turn(hours=24)
        house.turn(hours=24)
        return [mail.get_body(("html",)).get_content() for mail in server.mails[1:]]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_mail_of_a_digest_reads_well(browser, tmp_path, size):
    """The HTML that a mail server got, in a browser: light or dark, full or empty, axe is content, nobody is asked."""
    with ThreadPoolExecutor(1) as thread:  # the browser's event loop bars any other in its own
        full, empty = thread.submit(written, tmp_path).result()
    with browser.new_context(viewport=size) as context:
        reading, asked = Reader(context.new_page(), None), []
        reading.page.on("request", lambda request: asked.append(request.url))
        reading.page.set_content(full)
        assert reading.page.get_by_role("heading", name="16 alerts for product").is_visible()
        assert reading.page.get_by_text("+33 %").first.is_visible()
        reading.look("mail" if size is PHONE else "")
        reading.page.emulate_media(color_scheme="dark")
        reading.look()
        reading.page.set_content(empty)
        assert reading.page.get_by_role("heading", name="Nothing to tell").is_visible()
        reading.look()
        assert (asked, reading.complaints) == ([], [])


@pytest.mark.full
def test_whoever_has_a_token_acts_without_javascript_too(browser, tmp_path, pager):
    """The login leads to what was asked for, axe is content, and an incident is acknowledged without a script."""
    more = f'web: {{auth: {{bearer: ["{TOKEN}"]}}}}\n'
    with RouterProcess(rules_of(tmp_path, pager, more)) as router:
        tell(router, make_tag(key="retriever-down"))
        wait_until(lambda: pager.accepted, "the page")
        with browser.new_context(color_scheme="dark", viewport=PHONE) as context:
            reading = Reader(context.new_page(), router)
            reading.open("/")
            reading.look()
        with browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(f"{str(router.client.base_url).rstrip('/')}/incidents/1")
            page.get_by_label("Your name").fill("Ada")
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("button", name="Acknowledge").click()
            page.get_by_text("Acknowledged by Ada", exact=True).wait_for()
