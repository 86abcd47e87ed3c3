"""What the demo prints in the end. Every figure comes from Phoenix's answer, the page from the router's."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from examples.support_bot.asking import Answer
from examples.support_bot.promises import Spans, reason_of, root_of, severity_of, tokens_of
from examples.support_bot.readback import Page
from examples.support_bot.waterfall import milliseconds, waterfall
from llmtrace.backends.phoenix import trace_url

_COLUMNS = "{:>2}  {:<5} {:<13} {:<54} {:>4} {:>6} {:>10} {:>7}  {}"


def print_sampling(console: Console, kept: Mapping[Answer, Spans], asked: int) -> None:
    """What the production preset kept of all requests, and why, as Phoenix has it."""
    _title(console, f"Of {asked} requests, production kept {len(kept)}", "1 %, and every one that matters")
    for answer, spans in kept.items():
        console.print(f"  {reason_of(spans):<8} {answer.question.text}", markup=False)
    console.print(f"  dropped  {asked - len(kept)} ordinary ones", markup=False)


def print_waterfall(console: Console, traces: Mapping[Answer, Spans]) -> None:
    """The trace with the most spans, as a tree with bars."""
    answer = max(traces, key=lambda answer: len(traces[answer]))
    _title(console, f"One trace as Phoenix stored it: {answer.question.text}", f"X-Trace-Id {answer.trace_id}")
    for line in waterfall(traces[answer]):
        console.print(line)


def print_requests(console: Console, traces: Mapping[Answer, Spans], phoenix: str) -> None:
    """Two lines for each request: its figures, then its X-Trace-Id and the link to it."""
    _title(console, f"{len(traces)} requests", "status: of the answer, and of the trace")
    header = ("#", "user", "session", "question", "HTTP", "trace", "latency", "tokens", "alert")
    console.print(Text(_COLUMNS.format(*header), "bold"))
    for number, (answer, spans) in enumerate(traces.items(), 1):
        console.print(_figures(number, answer, spans))
        console.print(Text(f"    {answer.trace_id}  {trace_url(phoenix, answer.trace_id)}", "dim"))


def print_page(console: Console, page: Page) -> None:
    """The page, as the pager received it."""
    labels, annotations = page.alert["labels"], page.alert["annotations"]
    _title(console, "The page that the router sent", "as the pager received it")
    facts = {
        "alert": f"{labels['alertname']} ({labels['severity']})",
        "service": labels.get("service"),
        "reason": annotations.get("reason"),
        "runbook": annotations.get("runbook_url"),
        "trace": annotations.get("trace_id"),
        "link": annotations.get("trace_url"),
        "told": "{receiver} by {notifier}, tier {tier}, because {reason}: {state}".format_map(page.delivery),
    }
    for name, value in facts.items():
        console.print(Text.assemble((f"  {name:<8} ", "bold"), str(value)))
    _title(console, "Why it was sent", "llmtrace router explain")
    for line in page.explanation:
        console.print(Text(f"  {line}"))


def _figures(number: int, answer: Answer, spans: Spans) -> Text:
    root = root_of(spans)
    if root is None:
        raise ValueError(f"the trace {answer.trace_id} is not whole")
    question = answer.question
    status = "ERROR" if root.status == "ERROR" else "OK"
    latency = f"{milliseconds(root):.0f} ms"
    who = (number, question.user_id, question.session_id, question.text)
    line = _COLUMNS.format(*who, answer.status, status, latency, tokens_of(spans), severity_of(spans) or "")
    return Text(line.rstrip(), "red" if status == "ERROR" else "yellow" if severity_of(spans) else "")


def _title(console: Console, title: str, note: str) -> None:
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  ({note})", "dim")))
