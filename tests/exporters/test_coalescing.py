"""Storms of equal alerts: few spans leave, none is forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event
from records import record

from llmtrace.exporters.coalescing import MOST_LEAVING, OVERFLOW_KEY, Coalescing
from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity


def tagged(*tags: AlertTag, name: str = "llm.chat", **attributes):
    """A slim span with these tags."""
    events = [Event(alert.EVENT_NAME, tag.to_attributes(), 5) for tag in tags]
    worst = min(tags, key=lambda tag: tag.severity.rank)
    given_ = {key.replace("__", "."): value for key, value in attributes.items()}
    return record({**given_, **worst.to_attributes()}, name=name, events=events)


def unchanged(span):
    """Nothing to redact."""
    return span


def counts(spans) -> Counter:
    """How many occurrences the tags of these spans stand for, by key."""
    total: Counter = Counter()
    for span in spans:
        for event in span.events:
            tag = AlertTag.from_attributes(event.attributes)
            total[tag.key] += tag.count
    return total


def severities(spans) -> list[str]:
    """Those of all tags."""
    return [event.attributes[alert.SEVERITY] for span in spans for event in span.events]


ERROR = AlertTag(Severity.ERROR, key="k")


def test_a_storm_leaves_as_two_spans():
    """The first of a thousand equal alerts leaves at once, and at the end of the window one stands for the others."""
    storms = Coalescing(unchanged)
    sent = [span for number in range(1_000) for span in storms.take(tagged(ERROR), number / 1_000)]
    assert len(sent) == 1
    late = storms.due(10.0)
    assert [event.attributes.get(alert.COUNT) for span in late for event in span.events] == [999]
    assert late[0].attributes[alert.COUNT] == 999
    assert storms.due(100.0) == []


def test_an_alert_that_gets_worse_leaves_at_once():
    """A rise in severity does not wait for the window's end; a milder one does."""
    storms = Coalescing(unchanged)
    for severity, leaves in (("warning", 1), ("error", 1), ("warning", 0), ("critical", 1), ("error", 0), ("error", 0)):
        assert len(storms.take(tagged(replace(ERROR, severity=Severity(severity))), 0)) == leaves
    (summary,) = storms.due(10)
    assert severities([summary]) == ["error"]
    assert counts([summary]) == {"k": 3}


def test_what_the_router_tells_apart_is_not_coalesced():
    """Another model, prompt version, team, segment or source is another alert; another severity or reason is not."""
    storms = Coalescing(unchanged)
    others = [
        tagged(ERROR),
        tagged(ERROR, llm__model_name="a"),
        tagged(ERROR, **{trace.PROMPT_VERSION: "v2"}),
        tagged(replace(ERROR, team="t")),
        tagged(replace(ERROR, segment={"tier": "premium"})),
        tagged(replace(ERROR, source="rule:r")),
        tagged(replace(ERROR, key=None)),
        tagged(replace(ERROR, key=None), name="another name"),
    ]
    assert [len(storms.take(span, 0)) for span in others] == [1] * len(others)
    same = [tagged(replace(ERROR, reason="another")), tagged(replace(ERROR, severity=Severity.INFO))]
    assert [len(storms.take(span, 0)) for span in same] == [0, 0]


def test_a_span_carries_only_the_tags_that_leave():
    """Of two tags on a span the one that is counted stays behind, and the attributes are those of the one that goes."""
    storms = Coalescing(unchanged)
    storms.take(tagged(replace(ERROR, severity=Severity.CRITICAL, key="storm")), 0)
    both = tagged(replace(ERROR, severity=Severity.CRITICAL, key="storm", team="x"), replace(ERROR, key="new"))
    storms.take(tagged(replace(ERROR, severity=Severity.CRITICAL, key="storm", team="x")), 0)
    (span,) = storms.take(both, 1)
    assert counts([span]) == {"new": 1}
    assert span.attributes[alert.KEY] == "new"
    assert alert.TEAM not in span.attributes


def test_a_count_that_came_with_the_tag_is_kept():
    """A tag that stands for seven counts as seven."""
    storms = Coalescing(unchanged)
    sent = [*storms.take(tagged(replace(ERROR, count=7)), 0), *storms.take(tagged(replace(ERROR, count=5)), 0)]
    assert counts([*sent, *storms.due(10)]) == {"k": 12}


def test_more_alerts_than_are_told_apart_become_one():
    """Beyond the bound there is one alert for all others, without anything of them but severity and count."""
    storms = Coalescing(unchanged, most_keys=3)
    sent = [
        span
        for number in range(50)
        for span in storms.take(tagged(replace(ERROR, key=f"user-{number}"), llm__model_name="m"), 0)
    ]
    overflow = [span for span in sent if span.attributes[alert.KEY] == OVERFLOW_KEY]
    assert len(sent) == 4
    assert "llm.model_name" not in overflow[0].attributes
    assert counts([*sent, *storms.due(10)])[OVERFLOW_KEY] == 47


def test_what_waits_is_prepared_when_it_comes():
    """What is kept here has been redacted already, and only what is kept or leaves costs that."""
    seen = []

    def prepare(span):
        seen.append(span)
        return span

    storms = Coalescing(prepare)
    for _ in range(100):
        storms.take(tagged(ERROR), 0)
    storms.due(10)
    assert len(seen) == 2


def test_a_flush_sends_what_is_counted_and_the_window_goes_on():
    """After a flush nothing waits; the next equal alert still does."""
    storms = Coalescing(unchanged)
    sent = [span for _ in range(3) for span in storms.take(tagged(ERROR), 0)]
    sent += storms.flush()
    assert counts(sent) == {"k": 3}
    assert storms.flush() == []
    assert storms.take(tagged(ERROR), 1) == []


tags = st.builds(
    AlertTag, st.sampled_from(Severity), key=st.sampled_from(["a", "b", "c", None]), count=st.sampled_from([1, 1, 4])
)
arrivals = st.lists(st.tuples(st.lists(tags, min_size=1, max_size=3), st.floats(0, 4)), max_size=60)


@given(arrivals, st.integers(1, 5))
def test_nothing_is_forgotten_and_few_leave(arrived, most_keys):
    """Whatever arrives when: the counts add up, each alert's worst severity leaves, and few spans of it in a window."""
    storms = Coalescing(unchanged, interval=10.0, most_keys=most_keys)
    now, sent, occurrences, worst = 0.0, [], 0, {}
    for given_tags, pause in arrived:
        now += pause
        sent += [(now, span) for span in storms.take(tagged(*given_tags), now)]
        occurrences += sum(tag.count for tag in given_tags)
        for tag in given_tags:
            worst[tag.key] = min(worst.get(tag.key, 9), tag.severity.rank)
        assert len(storms._windows) <= most_keys + 1
    sent += [(now + 10, span) for span in storms.due(now + 10)]
    spans = [span for _, span in sent]
    assert sum(counts(spans).values()) == occurrences
    left: dict[str | None, list[tuple[float, Severity]]] = {}
    for at, span in sent:
        for event in span.events:
            left.setdefault(event.attributes.get(alert.KEY), []).append(
                (at, Severity(event.attributes[alert.SEVERITY]))
            )
    if OVERFLOW_KEY not in left:
        assert {key: min(severity.rank for _, severity in found) for key, found in left.items()} == worst
    else:
        assert min(severity.rank for found in left.values() for _, severity in found) == min(worst.values())
    for found in left.values():
        for start, _ in found:
            # A window that is over and the next one may lie in ten seconds together.
            assert sum(start <= at < start + 10 for at, _ in found) <= 2 * MOST_LEAVING
    assert storms._windows == {}
