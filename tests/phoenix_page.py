"""What Phoenix's page shows, asked in a user's words: a transcript, a card, a turn. It knows the page, no test's data.

Each check waits until the text can be *seen* (has a box on the page), so that a card that is only in the DOM, or
folded away, does not count.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from playwright.sync_api import Locator, Page

SEEN_WITHIN = 30_000.0  # milliseconds


class PhoenixPage:
    """A browser page on a Phoenix. Remembers each uncaught error and each request that left this machine."""

    def __init__(self, page: Page, base_url: str, seen_within: float = SEEN_WITHIN) -> None:
        self.page = page
        self.seen_within = seen_within
        self.errors: list[str] = []
        self.outside: list[str] = []
        self._host = urlsplit(base_url).netloc
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note(request.url))

    @property
    def details(self) -> Locator:
        """The panel about one span."""
        return self.page.get_by_test_id("span-details")

    @property
    def tree(self) -> Locator:
        """The spans of a trace."""
        return self.page.locator("ul[data-testid=trace-tree]")

    @property
    def broken(self) -> Locator:
        """What Phoenix puts in the place of a panel that it could not draw."""
        return self.page.get_by_text("Something went wrong")

    def section(self, title: str) -> Locator:
        """The part of a span's panel with such a heading: Input, Output."""
        return self.details.locator("section").filter(has=self._heading(f"^{title}$")).first

    def cards(self, within: Locator, title: str) -> Locator:
        """The cards in a section whose heading begins so."""
        return within.locator("li section").filter(has=self._heading(f"^{re.escape(title)}"))

    def open(self, url: str) -> None:
        """Go there; what it shows is for the checks to wait for."""
        self.page.goto(url)

    def sees(self, locator: Locator) -> None:
        """Wait until it is visible."""
        expect(locator).to_be_visible(timeout=self.seen_within)

    def screenshot(self, name: str) -> None:
        """Keep a picture, where ``LLMTRACE_SCREENSHOTS`` names a folder."""
        if folder := os.environ.get("LLMTRACE_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    def _heading(self, pattern: str) -> Locator:
        return self.page.locator("h3").filter(has_text=re.compile(pattern))

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != self._host:
            self.outside.append(url)


def assert_shows_tree(page: PhoenixPage, names: Sequence[str]) -> None:
    """The trace's spans stand in its tree, in this order."""
    spans = page.tree.locator("[role=button]")
    expect(spans).to_have_count(len(names), timeout=page.seen_within)
    for index, name in enumerate(names):
        page.sees(spans.nth(index).get_by_text(name, exact=True))


def assert_shows_chat(page: PhoenixPage, asked: Sequence[tuple[str, str]], answered: Sequence[tuple[str, str]]) -> None:
    """A model call's panel shows a transcript: for each message (role, text) a card, whose text can be read."""
    page.sees(page.section("Input"))
    unfold = page.section("Input").get_by_role("button", name="Expand all input messages")
    if unfold.count():
        unfold.click()
    for section, messages in ((page.section("Input"), asked), (page.section("Output"), answered)):
        for role, text in messages:
            page.sees(page.cards(section, role).locator("pre").filter(has_text=text).first)


def assert_shows_tool_call(page: PhoenixPage, name: str, arguments: Mapping[str, object]) -> None:
    """A model call's panel shows the tool that the model asked for as a card, with each of the arguments."""
    answer = page.cards(page.section("Output"), "assistant")
    page.sees(answer.get_by_role("button", name="Tool Call").first)
    call = answer.locator("pre").filter(has_text=re.compile(rf"^{re.escape(name)}\("))
    page.sees(call.first)
    for key, value in arguments.items():
        expect(call.first).to_contain_text(
            re.compile(rf"{re.escape(json.dumps(key))}:\s*{re.escape(json.dumps(value))}")
        )


def assert_shows_documents(page: PhoenixPage, documents: Sequence[tuple[str, float, str]]) -> None:
    """A retrieval's panel shows one card for each document: its id, its score (two decimals), its text."""
    cards = page.section("Output").locator("li section")
    expect(cards).to_have_count(len(documents), timeout=page.seen_within)
    for index, (identifier, score, content) in enumerate(documents):
        page.sees(cards.nth(index).get_by_text(f"document {identifier}", exact=True))
        page.sees(cards.nth(index).get_by_text(f"score {score:.2f}", exact=True))
        page.sees(cards.nth(index).locator("pre").filter(has_text=content))


def assert_shows_session(page: PhoenixPage, session_id: str, user_id: str, turns: Sequence[tuple[str, str]]) -> None:
    """A session's page names it and, for each turn (asked, answered), shows who asked what and what came back."""
    page.sees(page.page.get_by_role("heading", name="Session", exact=False).get_by_text(session_id).first)
    options = page.page.get_by_test_id("session-turns").get_by_role("option")
    expect(options).to_have_count(len(turns), timeout=page.seen_within)
    details = page.page.get_by_test_id("session-turn-details")
    for index, (asked, answered) in enumerate(turns):
        options.nth(index).click()
        page.sees(details.get_by_text(f"USER: {user_id}", exact=True).first)
        page.sees(details.get_by_text(asked).first)
        page.sees(details.get_by_text(answered).first)


def assert_no_error(page: PhoenixPage) -> None:
    """Once the page has come to rest: nothing broke on it, and nothing was fetched from anywhere but Phoenix."""
    page.page.wait_for_load_state("networkidle")
    assert page.errors == []
    assert page.outside == []
    assert page.broken.count() == 0
