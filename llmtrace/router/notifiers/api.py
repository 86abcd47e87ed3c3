"""A JSON API as notifiers call it: one attempt, and whether the answer says that the message was taken.

A status of 200 alone proves nothing: login pages, portals and proxies answer so too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.notifiers import http
from llmtrace.router.ports import Toolbox

LARGEST_ANSWER: Final = 64 * 1024
"""Bytes that are read. No answer that counts is longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the receipt by its status, and its body, of which at most so much was read."""

    receipt: Receipt
    body: bytes

    @property
    def json(self) -> Any:
        """What the body says; None for what is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body's fields; empty for what is no JSON object."""
        found = self.json
        return found if isinstance(found, dict) else {}

    @property
    def failed(self) -> bool:
        """Whether the status says so."""
        return self.receipt.outcome is not Outcome.DELIVERED

    @property
    def is_missing(self) -> bool:
        """Whether the API, and not something before it, says that what was asked for is not there."""
        return self.receipt.detail == f"HTTP {HTTPStatus.NOT_FOUND}" and bool(self.fields)

    def confirmed(self, taken: object, expected: str) -> Receipt:
        """The receipt; tried again where the status says success and the answer does not (``expected`` would)."""
        if self.failed or taken:
            return self.receipt
        return replace(self.receipt, outcome=Outcome.RETRY, detail=f"{self.receipt.detail}, but not {expected}")


@dataclass(frozen=True, slots=True)
class Api:
    """Where it is and how to get in, which may be secrets."""

    tools: Toolbox
    base: str = field(repr=False)
    allow_private: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def call(self, method: str, tail: str, fields: Mapping[str, Any] | None = None) -> Answer:
        """One attempt. Whatever goes wrong is in the answer."""
        headers = {"accept": "application/json", **self.headers}
        headers |= {} if fields is None else {"content-type": "application/json"}
        body = b"" if fields is None else json.dumps(fields, ensure_ascii=False).encode()
        request = http.Request(method, self.base + tail, body, headers)
        receipt, answer = await http.exchange(
            self.tools.client, request, self.tools.clock.now(), allow_private=self.allow_private, most=LARGEST_ANSWER
        )
        return Answer(receipt, answer)
