"""The tail under every order of starts, ends, errors, pauses and forks that Hypothesis thinks of."""

from __future__ import annotations

from collections import Counter, defaultdict

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from opentelemetry.trace import Status, StatusCode
from tail_house import House, remote

from llmtrace._stats import stats
from llmtrace.sampling import SamplingPolicy
from llmtrace.semconv import trace as keys


class TailMachine(RuleBasedStateMachine):
    """Roomy: nothing has to go, so nothing that matters may be missing."""

    policy = SamplingPolicy(rule_cap=None, slow=10.0, grace=5.0, max_age=60.0)
    is_quick = False
    spans = Bundle("spans")

    def __init__(self) -> None:
        super().__init__()
        stats.reset()
        self.house = House(self.policy)
        self.house.is_quick = self.is_quick
        self.open: dict[int, object] = {}
        self.ended: dict[int, set[int]] = defaultdict(set)
        self.bad: dict[int, set[int]] = defaultdict(set)
        self.dark = False

    def _started(self, span):
        self.open[span.get_span_context().span_id] = span
        return span

    @rule(target=spans, lucky=st.booleans())
    def root(self, lucky):
        """A trace begins."""
        self.house.ids.lucky = lucky
        return self._started(self.house.start("root"))

    @rule(target=spans, trace=st.integers(1, 3), sampled=st.booleans(), state=st.sampled_from(["", "ot=th:8", "ot=?"]))
    def local_root(self, trace, sampled, state):
        """A caller of another process comes, for the same few traces again and again."""
        return self._started(self.house.start("local", remote(trace << 120 | trace, sampled=sampled, state=state)))

    @rule(target=spans, parent=spans)
    def child(self, parent):
        """A child of a span that may have ended long ago."""
        return self._started(self.house.start("child", parent))

    @rule(span=spans, is_bad=st.booleans())
    def end(self, span, is_bad):
        """A span ends, once."""
        context = span.get_span_context()
        if self.open.pop(context.span_id, None) is None:
            return
        if is_bad:
            span.set_status(Status(StatusCode.ERROR))
            self.bad[context.trace_id].add(context.span_id)
        self.ended[context.trace_id].add(context.span_id)
        span.end()

    @rule(span=spans)
    def lose(self, span):
        """The hand-off was full: the span never comes."""
        if self.open.pop(span.get_span_context().span_id, None) is not None:
            self.house.tail.lost(span)

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 6.0, 11.0, 61.0]))
    def wait(self, seconds):
        """Time passes."""
        self.house.wait(seconds)

    @rule(span=spans)
    def keep(self, span):
        """The app asks for a trace."""
        self.house.kept += self.house.tail.keep(span.get_span_context().trace_id)

    @invariant()
    def nothing_is_doubled_and_every_trace_has_one_verdict(self):
        """No span twice; of one trace nobody says two reasons or two counts, unless it was brought back."""
        ids = Counter((record.context.trace_id, record.context.span_id) for record in self.house.kept)
        assert not [found for found, times in ids.items() if times > 1]
        said = defaultdict(set)
        for record in self.house.kept:
            said[record.context.trace_id].add(
                (record.attributes[keys.SAMPLING_REASON], record.attributes.get(keys.ADJUSTED_COUNT))
            )
        assert all(len(verdicts) == 1 for verdicts in said.values()), said

    @invariant()
    def every_error_is_kept_at_once(self):
        """Also a late one, also the last of its trace."""
        kept = {record.context.span_id for record in self.house.kept}
        missing = [span for bad in self.bad.values() for span in bad if span not in kept]
        assert self.policy.rule_cap is not None or not missing

    @invariant()
    def what_a_kept_trace_has_is_there_or_said_to_be_missing(self):
        """All spans that ended of a trace with an error are kept, or one of them says that others are gone."""
        kept = defaultdict(set)
        for record in self.house.kept:
            kept[record.context.trace_id].add(record.context.span_id)
        partial = {record.context.trace_id for record in self.house.kept if keys.SAMPLING_PARTIAL in record.attributes}
        for trace_id, bad in self.bad.items():
            assert not bad or trace_id in partial or self.ended[trace_id] == kept[trace_id]

    @invariant()
    def the_budget_holds(self):
        """After each pause of the worker."""
        self.house.kept += self.house.tail.tick()
        tail = self.house.tail
        assert tail._buffer.spans <= self.policy.max_spans
        assert tail._buffer.weight <= self.policy.max_bytes
        assert tail._grave.spans <= self.policy.grave_spans
        assert len(tail._open.traces) <= self.policy.max_traces
        assert tail._buffer.spans == sum(len(trace.spans) for trace in tail._buffer.all())

    def teardown(self):
        """At the end nothing is held, and what was undecided is kept."""
        undecided = {span.get_span_context().span_id for trace in self.house.tail._buffer.all() for span in trace.spans}
        self.house.close()
        assert undecided <= {record.context.span_id for record in self.house.kept}
        assert not self.house.tail._buffer.spans
        assert not self.house.tail._buffer.weight


class NarrowTailMachine(TailMachine):
    """Next to no room: what has to go goes by the rules."""

    policy = SamplingPolicy(rule_cap=None, max_spans=8, max_bytes=40_000, max_traces=3, grave_spans=8, slow=None)

    @invariant()
    def what_a_kept_trace_has_is_there_or_said_to_be_missing(self):
        """What was pushed out cannot be brought back whole."""


class QuickTailMachine(TailMachine):
    """Spans end on the app's threads, as where nobody else looks at them."""

    is_quick = True


class NarrowQuickTailMachine(NarrowTailMachine):
    """Both."""

    is_quick = True


TestRoomy = TailMachine.TestCase
TestQuick = QuickTailMachine.TestCase
TestNarrowQuick = NarrowQuickTailMachine.TestCase
TestNarrow = NarrowTailMachine.TestCase
SETTINGS = hypothesis.settings(max_examples=100, stateful_step_count=30, deadline=None)
for case_ in (TestRoomy, TestQuick, TestNarrow, TestNarrowQuick):
    case_.settings = SETTINGS
del case_
