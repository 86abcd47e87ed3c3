"""Annotations of a Phoenix: what it is asked, and which alerts its answers are. Pure.

Phoenix itself picks out the spans that matter, so that nothing of what people said comes over the wire.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from llmtrace.router.config import Links
from llmtrace.router.config.phoenix import PhoenixOptions, ScoreOptions
from llmtrace.router.intake.texts import LONGEST_ANNOTATION, LONGEST_LABEL, clean
from llmtrace.router.model import ALERTNAME, SEVERITY, SOURCE, Alert, Annotation

PAGE: Final = 200
"""Spans in one answer."""
QUERY: Final = """
query ($project: String!, $first: Int!, $after: String, $filter: String!, $range: TimeRange!) {
  getProjectByName(name: $project) {
    spans(first: $first, after: $after, filterCondition: $filter, timeRange: $range) {
      edges { node {
        name spanId trace { traceId }
        spanAnnotations { id name score label annotatorKind updatedAt }
      } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One annotation as Phoenix has it now. ``id`` counts up as annotations are made."""

    id: int
    name: str
    score: float | None
    label: str
    annotator: str
    updated_at: str
    span_id: str
    span_name: str
    trace_id: str

    @property
    def key(self) -> tuple[int, str]:
        """The same until somebody annotates anew under the same name."""
        return self.id, self.updated_at


_FAULTS: Final = (KeyError, TypeError, AttributeError, ValueError, IndexError)


class AnswerError(Exception):
    """Phoenix said something that is no answer."""


def condition(name: str, options: ScoreOptions) -> str:
    """The spans that have such an annotation, in Phoenix's words."""
    of = f"annotations['{name}']"
    parts = [f"{of}.score < {options.below}"] if options.below is not None else []
    parts += [f"{of}.score > {options.above}"] if options.above is not None else []
    parts += [f"{of}.label == '{label}'" for label in options.labels]
    return " or ".join(parts)


def variables(name: str, options: PhoenixOptions, since: datetime, after: str | None) -> dict[str, Any]:
    """What is asked about the annotations of this name."""
    return {
        "project": options.project, "first": PAGE, "after": after, "range": {"start": since.isoformat()},
        "filter": condition(name, options.scores[name]),
    }  # fmt: skip


def read(data: Any, name: str, options: ScoreOptions) -> tuple[list[Found], str | None]:
    """The annotations of an answer that are alerts, and where the next page begins.

    Raises:
        AnswerError: it is none.
    """
    try:
        if data.get("errors"):
            raise AnswerError(str(data["errors"][0].get("message"))[:200])
        project = data["data"]["getProjectByName"]
        if project is None:  # nothing came to it yet
            return [], None
        found = _readable(project["spans"]["edges"])
        info = project["spans"]["pageInfo"]
        more = str(info["endCursor"]) if info["hasNextPage"] else None
    except _FAULTS as error:
        raise AnswerError(f"not in the form of a Phoenix ({type(error).__name__})") from error
    return [each for each in found if each.name == name and _holds(each, options)], more


def _readable(edges: Sequence[Any]) -> list[Found]:
    """One that cannot be read costs no other; where none can, this is no Phoenix."""
    found: list[Found] = []
    faults: list[Exception] = []
    for edge in edges:
        span = edge["node"]
        for each in span["spanAnnotations"]:
            try:
                found.append(_found(span, each))
            except _FAULTS as fault:
                faults.append(fault)
    if faults and not found:
        raise faults[0]
    return found


def _found(span: Mapping[str, Any], each: Mapping[str, Any]) -> Found:
    return Found(
        id=_number(each["id"]),
        name=str(each["name"]),
        score=None if each["score"] is None else float(each["score"]),
        label=str(each["label"] or ""),
        annotator=str(each["annotatorKind"] or ""),
        updated_at=str(each["updatedAt"]),
        span_id=str(span["spanId"]),
        span_name=str(span["name"]),
        trace_id=str(span["trace"]["traceId"]),
    )


def _number(identifier: str) -> int:
    """Phoenix's ids are a kind and a number in base64."""
    text = base64.b64decode(identifier, validate=True).decode()
    return int(text.rpartition(":")[2])


def _holds(found: Found, options: ScoreOptions) -> bool:
    score = found.score
    low = score is not None and options.below is not None and score < options.below
    high = score is not None and options.above is not None and score > options.above
    return low or high or found.label in options.labels


def alert(found: Found, options: PhoenixOptions, links: Links, now: datetime) -> Alert:
    """The alert of an annotation, with its trace. What a judge explained is content, and stays where it is."""
    rule = options.scores[found.name]
    labels = {
        ALERTNAME: f"score-{found.name}", SEVERITY: rule.severity.value, SOURCE: "phoenix",
        "project": options.project, "annotator": found.annotator.lower(),
    }  # fmt: skip
    score = "" if found.score is None else f"{found.score:g}"
    said = " ".join(filter(None, (score, f"({found.label})" if found.label else "")))
    annotations = {
        Annotation.REASON: f"{found.name} is {said}", Annotation.VALUE: score,
        Annotation.THRESHOLD: rule.below if rule.below is not None else rule.above,
        Annotation.TRACE_ID: found.trace_id, Annotation.SPAN_ID: found.span_id, Annotation.SPAN_NAME: found.span_name,
        Annotation.TRACE_URL: links.trace_url(found.trace_id, found.span_id),
    }  # fmt: skip
    return Alert(
        clean(labels.items(), LONGEST_LABEL), clean(annotations.items(), LONGEST_ANNOTATION), _at(found.updated_at, now)
    )


def _at(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
