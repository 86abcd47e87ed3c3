"""Secrets in a text -> marks that say what was there. Pure: text in, text out; both halves of llmtrace redact by it.

It knows nothing of spans. What counts as a secret stands in tables: `token_kinds` (values that betray themselves),
`names` (what a value's name betrays). `suspicion` looks first, so that a clean text costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from llmtrace.secrets.cards import hide_cards
from llmtrace.secrets.commands import hide_in_commands
from llmtrace.secrets.environment import environment_secrets
from llmtrace.secrets.key_blocks import hide_key_blocks
from llmtrace.secrets.marks import MARK, RULE_FAILED, mark
from llmtrace.secrets.named import hide_named
from llmtrace.secrets.names import SecretName, secret_name
from llmtrace.secrets.phrases import hide_said
from llmtrace.secrets.randomness import looks_random
from llmtrace.secrets.schemes import hide_credentials
from llmtrace.secrets.suspicion import EVERYTHING, Suspicion, suspected
from llmtrace.secrets.tokens import hide_tokens
from llmtrace.secrets.urls import hide_url_secrets

__all__ = [
    "MARK",
    "RULE_FAILED",
    "SecretName",
    "Suspicion",
    "environment_secrets",
    "looks_random",
    "mark",
    "redact",
    "secret_name",
    "suspected",
]

_RULES: Final[tuple[tuple[Suspicion, Callable[[str], str]], ...]] = (
    # Values that betray themselves first: what a name hides may contain one, and the mark should say which.
    (Suspicion.KEY_BLOCK, hide_key_blocks),
    (Suspicion.TOKEN, hide_tokens),
    (Suspicion.URL, hide_url_secrets),
    (Suspicion.NAMED, hide_named),
    (Suspicion.CREDENTIALS, hide_credentials),
    (Suspicion.SAID, hide_said),
    (Suspicion.COMMAND, hide_in_commands),
    (Suspicion.CARD, hide_cards),
)


def redact(text: str, known: Sequence[str] = (), among: Suspicion = EVERYTHING) -> str:
    """The text with each secret replaced by ``[redacted:<kind>]``; the very same object where there is none.

    Args:
        text: anything. JSON stays JSON, save that a bare number may become a mark without quotes, which
            `llmtrace.processors.redaction` mends.
        known: secrets of this process, hidden wherever they stand; see `environment_secrets`.
        among: signs that this text can have at most; see `suspected`.
    """
    hidden = text
    for value in known:
        if value in hidden:
            hidden = hidden.replace(value, mark("environment_secret"))
    signs = suspected(hidden, among)
    if signs:
        for sign, hide in _RULES:
            if sign in signs:
                hidden = hide(hidden)
    return text if hidden == text else hidden
