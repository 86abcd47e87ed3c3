"""The console notifier: writes the page to the router's standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Final, Self

from llmtrace.router.config.strict import Strict
from llmtrace.router.model import Delivery, Notification, Outcome, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.ports import Toolbox

_MOST_ALERTS: Final = 10


class ConsoleSettings(Strict):
    """Takes nothing: ``console: {}``."""

    empty_allowed: ClassVar[bool] = True


class ConsoleNotifier:
    """Prints."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    @classmethod
    def build(cls, settings: ConsoleSettings, tools: Toolbox) -> Self:  # noqa: ARG003 - the table's signature
        """Of its settings."""
        return cls(tools.print)

    async def send(self, delivery: Delivery) -> Receipt:
        """Print the page."""
        try:
            self._write("\n".join(_lines(delivery.notification)))
        except (OSError, ValueError) as error:  # the other end is gone, or the stream is closed
            return Receipt(Outcome.RETRY, type(error).__name__)
        return Receipt(Outcome.DELIVERED, "printed")


def _lines(notification: Notification) -> Iterator[str]:
    yield _plain(page.title(notification))
    for alert in notification.alerts[:_MOST_ALERTS]:
        if alert is not notification.alerts[0]:
            yield f"  - {_plain(alert.name)}"
        for name, value in page.facts(alert):
            yield f"    {_plain(name):<14} {_plain(value)}"
    yield f"    {'decided':<14} {notification.reason} by {_plain(notification.route)}"


def _plain(text: str) -> str:
    """What a sender writes must not steer the terminal: no control characters, line ends or direction marks."""
    return "".join(character if character.isprintable() else "?" for character in text)
