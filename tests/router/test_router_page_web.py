"""The page over the real application: who is let in, whose forms count, what senders can show, and how it pages."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from router_store import no_reload, world_of
from router_values import NOON, make_alert, make_config
from starlette.testclient import TestClient

from llmtrace.router.app import build_web
from llmtrace.router.model import Destination
from llmtrace.router.page.routes import page_routes
from llmtrace.router.page.views import ON_A_PAGE
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.store.shown import SqlShown
from llmtrace.router.web.intake import Door

RULES = """
    version: 1
    receivers:
      hook: {webhook: {url: "http://127.0.0.1:9099/hook", allow_private: true}}
      product: {email: {to: [product@example.org]}}
    tiers: {digest: {receivers: [product], schedule: "0 8 * * 1"}}
    routes: [{tier: page, matchers: ['severity="critical"'], receivers: [hook]}]
"""
TOKENS = ("a-token-of-sixteen", "another-token-of-16")
GUARDED = RULES + f"    web: {{auth: {{bearer: {list(TOKENS)}}}}}\n"
VIEWS = ("/", "/alerts", "/silences", "/rollout", "/digest", "/incidents/1", "/alerts/1")


class Site:
    """The page over a store, asked in process."""

    def __init__(self, world, client) -> None:
        self.world, self.client = world, client

    def happen(self, *alerts) -> None:
        """Alerts come in, are decided and told."""
        self.world.accept(*alerts)
        self.world.turn_store([Destination("hook", "webhook")])

    def get(self, path, **headers):
        return self.client.get(path, headers=headers, follow_redirects=False)

    def post(self, path, form, **headers):
        return self.client.post(path, data=form, headers=headers, follow_redirects=False)

    def form_token(self, path="/silences") -> str:
        """As a form of the page carries it."""
        return re.search(r'name="form_token" value="(\w+)"', self.get(path).text)[1]

    def log_in(self, token=TOKENS[0], name="Ada", goal="/"):
        return self.post("/login", {"name": name, "token": token, "next": goal})


@contextmanager
def opened(folder, rules=RULES):
    """The page over a store in this folder."""
    with (
        world_of(make_config(folder, rules)) as world,
        GroupCommit(lambda alerts: world.accept(*alerts), lambda: None) as inbox,
    ):
        counter = world.counter()
        page = page_routes(world.config, counter, SqlShown(world._database), b"k" * 32)
        door = Door(inbox, world.clock)
        app = build_web(world.config, door, world.records, counter, lambda: None, no_reload, page)
        yield Site(world, TestClient(app, base_url="http://127.0.0.1:4319"))


@pytest.fixture
def site(tmp_path):
    """A page that asks for nothing."""
    with opened(tmp_path) as running:
        yield running


@pytest.fixture
def guarded(tmp_path):
    """A page that asks for a token."""
    with opened(tmp_path, GUARDED) as running:
        yield running


def test_nothing_comes_from_elsewhere_and_nobody_frames_it(site):
    """Every view forbids whatever is not ours, inline code and frames, and is kept in no cache."""
    site.happen(make_alert())
    for path in VIEWS:
        answer = site.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(?!/static/)', answer.text) == []
        assert re.findall(r"<script>|<style|style=|onclick=", answer.text) == []


def test_its_files_are_kept_by_the_browser_until_they_change(site):
    """Each file that a view names is there, of its kind, and for good under that address."""
    found = set(re.findall(r'"(/static/[^"]+)"', site.get("/").text))
    assert len(found) == 3
    for path in found:
        answer = site.get(path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert site.get("/static/..%2froutes.py").status_code == 404


def test_a_view_that_has_not_changed_is_not_sent_again(site):
    """A fresh look costs 304 and no bytes; after an alert it is another view."""
    site.get("/")
    tag = site.get("/").headers["etag"]
    again = site.get("/", **{"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    site.happen(make_alert())
    assert site.get("/", **{"if-none-match": tag}).status_code == 200


def test_without_a_session_the_page_asks_who_you_are(guarded):
    """Where the rules ask for a token nothing is shown before the login, which leads back to what was asked for."""
    guarded.happen(make_alert())
    for path in VIEWS:
        answer = guarded.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={path}")
        assert guarded.log_in(goal=path).headers["location"] == path
        assert guarded.get(path).status_code == 200
        guarded.client.cookies.clear()


def test_a_wrong_token_opens_nothing(guarded):
    """401 and no cookie; the token does not come back in the page."""
    answer = guarded.log_in("not-a-token-at-all")
    assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)
    assert "not-a-token-at-all" not in answer.text


@pytest.mark.parametrize(
    "goal", ["https://evil.example", "//evil.example", "/\\evil.example", "/login\nx", "/-/reload"]
)
def test_a_login_leads_nowhere_else(guarded, goal):
    """It never leads to another site."""
    assert guarded.log_in(goal=goal).headers["location"] == "/"


def test_the_cookie_is_for_this_site_and_no_script_and_holds_no_token(guarded):
    """HttpOnly and SameSite=Strict; changed or made up it opens nothing."""
    cookie = guarded.log_in().headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
    assert not any(token in cookie for token in TOKENS)
    value = guarded.client.cookies["llmtrace_session"]
    for other in (value[:-1], value + "0", "x" + value, "e30=." + value.partition(".")[2], "é.1", "." * 5_000):
        guarded.client.cookies.clear()
        assert guarded.get("/", cookie=f"llmtrace_session={other}".encode()).status_code == 303


def test_behind_https_the_cookie_never_goes_over_http(tmp_path):
    """With an ``external_url`` of https it is Secure."""
    with opened(tmp_path, GUARDED + "    external_url: https://alerts.example.org\n") as site:
        assert "Secure" in site.log_in().headers["set-cookie"]


def test_a_session_ends_with_its_token_and_after_a_week(tmp_path):
    """A token that is taken out of the rules closes what it opened; so do seven days."""
    with opened(tmp_path, GUARDED) as site:
        site.log_in(TOKENS[1])
        cookie = site.client.cookies["llmtrace_session"]
        site.world.clock.move(days=6)
        assert site.get("/").status_code == 200
        site.world.clock.move(days=2)
        assert site.get("/").status_code == 303
    with opened(tmp_path, GUARDED.replace(f", '{TOKENS[1]}'", "")) as site:
        site.client.cookies["llmtrace_session"] = cookie
        assert site.get("/").status_code == 303


def test_who_logs_out_is_out(guarded):
    """The cookie is taken back."""
    guarded.log_in()
    guarded.post("/logout", {"form_token": guarded.form_token()})
    assert guarded.get("/").status_code == 303


@pytest.mark.parametrize("rules", [RULES, GUARDED], ids=["open", "guarded"])
def test_no_other_site_can_act_in_a_readers_name(tmp_path, rules):
    """A form without its token, with another session's, or from another origin changes nothing."""
    with opened(tmp_path, rules) as site:
        site.happen(make_alert())
        site.log_in()
        good = {"form_token": site.form_token(), "matchers": 'a="b"', "for": "1 hour"}
        for path in ("/incidents/1/acknowledge", "/incidents/1/resolve", "/silences", "/silences/x/end"):
            assert site.post(path, {**good, "form_token": ""}).status_code == 403
            assert site.post(path, {**good, "form_token": "0" * 64}).status_code == 403
            assert site.post(path, good, origin="https://evil.example").status_code == 403
            assert site.post(path, good, **{"sec-fetch-site": "cross-site"}).status_code == 403
        site.client.cookies.clear()
        assert site.post("/silences", good).status_code in (303, 403)
        assert site.world.records.incidents(10, None)[0]["state"] == "open"
        assert site.world.records.silences(10, None) == []


def test_a_proxy_may_ask_by_another_host(tmp_path):
    """Behind a proxy the browser names external_url, and the request another host: the form counts all the same."""
    with opened(tmp_path, GUARDED + "    external_url: https://alerts.example.org\n") as site:
        form = {"name": "Ada", "token": TOKENS[0]}
        for origin, status in (("https://alerts.example.org", 303), ("https://alerts.example.org.evil.example", 403)):
            assert site.post("/login", form, origin=origin).status_code == status


def test_what_is_done_bears_the_name_of_the_login(guarded):
    """Nobody acts under another name than the one that he logged in by."""
    guarded.happen(make_alert())
    guarded.log_in(name="Ada")
    form = {"form_token": guarded.form_token(), "by": "Bob"}
    answer = guarded.post("/incidents/1/acknowledge", form)
    assert answer.headers["location"] == "/incidents/1?done=acknowledged"
    assert guarded.world.records.incidents(10, None)[0]["acknowledged_by"] == "Ada"
    assert guarded.post("/incidents/1/acknowledge", form).headers["location"] == "/incidents/1?done=unchanged"


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'


def test_what_senders_write_is_text(site):
    """HTML in names, labels and reasons is shown as it stands; a link that is none of the web's is not one."""
    notes = {"reason": HOSTILE, "trace_url": "javascript:alert(1)", "runbook_url": "data:text/html,<script>1</script>"}
    site.happen(make_alert(annotations=notes, alertname=HOSTILE, service=HOSTILE, team=HOSTILE))
    site.world.clock.move(minutes=1)
    form = {"form_token": site.form_token(), "by": HOSTILE, "comment": HOSTILE, "for": "1 hour"}
    site.post("/incidents/1/acknowledge", form)
    site.post("/silences", {**form, "matchers": 'a="<script>alert(1)</script>"'})
    for path in VIEWS:
        text = site.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert 'href="javascript:' not in text
        assert 'href="data:' not in text
        assert ("&lt;script&gt;alert(1)" in text) is (path != "/rollout")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"matchers": ""}, "1 to 50"),
        ({"matchers": "severity"}, "name operator value"),
        ({"matchers": 'a=~"["'}, "matchers:"),
        ({"for": "a year"}, "1 hour"),
        ({"matchers": 'a="b"\n' * 51}, "51 lines"),
    ],
)
def test_a_silence_that_cannot_be_comes_back_with_what_is_wrong(site, changed, said):
    """400 with the reason, and what was filled in is still there."""
    form = {"form_token": site.form_token(), "matchers": 'a="b"', "for": "1 hour", "comment": "kept as it was"}
    answer = site.post("/silences", {**form, **changed})
    assert answer.status_code == 400
    assert said in answer.text
    assert "kept as it was" in answer.text
    assert site.world.records.silences(10, None) == []


def test_the_rollout_says_what_would_have_escalated(tmp_path):
    """Each step of a rule in shadow, with how many of its incidents lasted so long."""
    hook = "receivers: [hook]}"
    escalates = RULES.replace(hook, "receivers: [hook], escalate: [{after: 15m, receivers: [product]}]}")
    with opened(tmp_path, f"{escalates}    rollout: [{{mode: shadow}}]\n") as site:
        site.happen(make_alert())
        assert '0<span class="hint">of 1 to product after 15m</span>' in site.get("/rollout").text
        site.world.clock.move(minutes=20)
        assert '1<span class="hint">of 1 to product after 15m</span>' in site.get("/rollout").text


def test_what_is_not_there_is_said(site):
    """404 in words; a number of any length is no error of the server."""
    for path in ("/incidents/7", "/alerts/7", f"/incidents/{'9' * 30}", f"/alerts/{'9' * 30}"):
        assert site.get(path).status_code == 404
    assert site.post(f"/incidents/{'9' * 30}/resolve", {"form_token": site.form_token()}).status_code == 404
    for before in ("x", "-1", "9" * 400, "²"):
        assert site.get(f"/?before={before}").status_code == 200


def test_every_incident_and_alert_is_on_one_page_and_only_one(site):
    """Following ``Older`` shows each once, whatever came in meanwhile."""
    names = [f"n{number}" for number in range(2 * ON_A_PAGE + 7)]
    site.happen(*(make_alert(alertname=name) for name in names[:100]))
    site.happen(*(make_alert(alertname=name) for name in names[100:]))
    for path, pattern in (("/", r'<h2><a href="[^"]+">(n\d+)<'), ("/alerts?", r'<a href="/alerts/\d+">(n\d+)<')):
        seen, next_page = [], path
        while next_page:
            text = site.get(next_page).text
            seen += re.findall(pattern, text)
            older = re.search(r'<a href="(\?[^"]*before=\d+)">Older', text)
            next_page = path.rstrip("?") + older[1] if older else ""
        assert sorted(seen) == sorted(names)


def test_a_rare_tier_is_looked_for_further_back(site, monkeypatch):
    """One look goes through a bounded number of decisions, and the next one goes on from there."""
    monkeypatch.setattr("llmtrace.router.store.shown.WINDOW", 10)
    site.happen(make_alert(alertname="the-page"), *(make_alert("info", alertname=f"n{n}") for n in range(15)))
    first = site.get("/alerts?tier=page").text
    assert "the-page" not in first
    older = re.search(r'href="(\?tier=page&amp;before=\d+)"', first)[1].replace("&amp;", "&")
    assert "the-page" in site.get(f"/alerts{older}").text


def test_an_incidents_story_is_told(site):
    """Opened, told, acknowledged and over, with who and when."""
    site.happen(make_alert(annotations={"trace_url": "https://phoenix.example.org/t/1"}))
    token = site.form_token()
    for act in ("acknowledge", "resolve"):
        site.post(f"/incidents/1/{act}", {"form_token": token, "by": "Ada"})
    text = site.get("/incidents/1").text
    for said in (
        "Opened",
        "Message: firing (new)",
        "Acknowledged by Ada",
        "Over: Ada",
        f"{NOON:%Y-%m-%d %H:%M:%S} UTC",
    ):
        assert said in text
    assert 'href="https://phoenix.example.org/t/1"' in text
    assert "All quiet" in site.get("/").text
    assert "/incidents/1" in site.get("/?show=all").text
