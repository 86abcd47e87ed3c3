"""Rules of the user's own: a pattern or a function. A rule that fails hides what it was shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from llmtrace._guard import say_once
from llmtrace.exceptions import ConfigurationError
from llmtrace.secrets import RULE_FAILED, mark

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of your own.

    Attributes:
        name: stands in the mark: ``[redacted:<name>]``. Letters, digits, ``_``, ``.`` and ``-``.
        find: a regular expression, each match of which is replaced by the mark; or a function text -> text, which is
            given every text of every span and must be fast. If it raises or returns no str, the text is hidden.
    """

    name: str
    find: str | re.Pattern[str] | Callable[[str], str]

    def compiled(self) -> Callable[[str], str]:
        """The rule as a function.

        Raises:
            ConfigurationError: where the name or the pattern cannot be.
        """
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"redaction rule name: {self.name!r}; allowed: letters, digits, '_', '.', '-'")
        if callable(self.find):
            return self.find
        try:
            pattern = re.compile(self.find)
        except (re.error, TypeError, RecursionError) as error:
            raise ConfigurationError(
                f"redaction rule {self.name}: {self.find!r}; allowed: a regular expression or a function ({error})"
            ) from error
        replacement = mark(self.name)
        return lambda text: pattern.sub(lambda _: replacement, text)


def applied(name: str, rule: Callable[[str], str], text: str) -> str:
    """What the rule makes of the text; where it fails, the mark of a failed rule."""
    try:
        hidden = rule(text)
    except Exception as error:  # noqa: BLE001 - fail closed, whatever a rule did
        say_failed(name, error)
        return RULE_FAILED
    if type(hidden) is not str:
        say_failed(name, TypeError())
        return RULE_FAILED
    return hidden


def say_failed(what: str, error: Exception) -> None:
    """Say once that a rule failed: which, and the type of its error."""
    # Without the error's text, which may hold what the rule was shown.
    say_once(
        f"redaction:{what}",
        "llmtrace: redaction rule %s failed with %s; what it was shown is hidden",
        what,
        type(error).__name__,
    )
