"""Read back what the demo promised: the traces from Phoenix, the page from the pager and the router's own record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from examples.support_bot.asking import Answer
from examples.support_bot.pager import Pager
from examples.support_bot.promises import missing_from
from examples.support_bot.questions import Outcome
from llmtrace.backends.phoenix import PhoenixReader, StoredSpan

PROJECT = "support-bot"


class TraceReadback:
    """Asks Phoenix for the traces of the answers until each is complete."""

    def __init__(self, client: httpx.Client, answers: Sequence[Answer]) -> None:
        self._reader = PhoenixReader(client, PROJECT)
        self._open = list(answers)
        self.traces: dict[Answer, tuple[StoredSpan, ...]] = dict.fromkeys(answers, ())
        """What Phoenix has answered so far."""

    def missing(self) -> list[str]:
        """Ask again for what is not complete, and say in words what is still missing."""
        try:
            lacks = {answer: self._missing_from(answer) for answer in self._open}
        except httpx.HTTPError as error:
            return [f"an answer from Phoenix ({error})"]
        self._open = [answer for answer, what in lacks.items() if what]
        return [f"in Phoenix, of {answer.question.text!r}: {', '.join(lacks[answer])}" for answer in self._open]

    def found(self, answers: Sequence[Answer]) -> dict[Answer, tuple[StoredSpan, ...]]:
        """What Phoenix has of other answers, of those that it has anything of."""
        return {answer: spans for answer in answers if (spans := self._reader.trace(answer.trace_id))}

    def _missing_from(self, answer: Answer) -> list[str]:
        self.traces[answer] = self._reader.trace(answer.trace_id)
        return missing_from(answer, self.traces[answer])


@dataclass(frozen=True, slots=True)
class Page:
    """One alert of one page that the pager received, the router's record of its delivery, and its answer to why."""

    alert: dict[str, Any]
    delivery: dict[str, Any]
    explanation: list[str]


class PageReadback:
    """Waits for the page about a question: the pager has received it, and the router knows that it has."""

    def __init__(self, client: httpx.Client, answers: Sequence[Answer], pager: Pager) -> None:
        self._client = client
        self._pager = pager
        self._answer = next(answer for answer in answers if answer.question.outcome is Outcome.NOTHING_FOUND)
        self.pages: list[Page] = []
        """The page, once it has arrived."""

    def missing(self) -> list[str]:
        """Ask again, and say in words what is still missing."""
        try:
            self.pages = self._read()
        except httpx.HTTPError as error:
            return [f"an answer from the router ({error})"]
        return [] if self.pages else [f"the page about {self._answer.question.text!r}"]

    def _read(self) -> list[Page]:
        delivered = self._delivered()
        return [
            Page(alert, delivered[decision], self._explain(delivered[decision]["alert_ids"][0]))
            for page in self._pager.pages
            for alert in page["alerts"]
            if alert["annotations"].get("trace_id") == self._answer.trace_id
            and (decision := page["llmtrace"]["decision_id"]) in delivered
        ]

    def _explain(self, alert_id: int) -> list[str]:
        """Why somebody was told, in the router's words."""
        answer = self._client.get(f"/api/v1/explain/{alert_id}").raise_for_status().json()
        return list(answer["explanation"])

    def _delivered(self) -> dict[int, dict[str, Any]]:
        """The deliveries by webhook that the router knows to have arrived, by the decision behind each."""
        rows = self._client.get("/api/v1/deliveries").raise_for_status().json()["deliveries"]
        return {row["decision_id"]: row for row in rows if (row["notifier"], row["state"]) == ("webhook", "delivered")}
