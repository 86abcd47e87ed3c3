"""The demo's outage: Phoenix is stopped in the middle of the questions, and comes back when all are answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from examples.support_bot.asking import Answer, ask_all
from examples.support_bot.processes import Children
from examples.support_bot.progress import Progress
from examples.support_bot.questions import Question
from examples.support_bot.stack import PHOENIX, Stack, start_phoenix


def ask_through_outage(
    children: Children, stack: Stack, folder: Path, asked: Sequence[Sequence[Question]], progress: Progress
) -> list[Answer]:
    """Ask the second half while Phoenix is away; what is recorded meanwhile must be there in the end."""
    half = len(asked) // 2
    answers = ask_all(stack.service, asked[:half])
    progress.say("stopping Phoenix; the service goes on, and its spans wait on disk")
    children.end(PHOENIX)
    answers += ask_all(stack.service, asked[half:])
    waiting = sum(1 for path in (folder / "state").rglob("*.spool") if path.stat().st_size)
    progress.say(f"all are answered without Phoenix ({waiting} files wait in the spool); starting it again")
    port = urlsplit(stack.phoenix).port
    start_phoenix(children, folder, port or 0, f"{PHOENIX} again").wait_for(r"Phoenix is at (http://\S+)", progress)
    return answers
