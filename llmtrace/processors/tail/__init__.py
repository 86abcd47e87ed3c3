"""The verdict on whole traces: every trace with something to ask for is kept, of the others chance's share.

A trace's ended spans wait here until a rule keeps it, or all of its spans in this process have ended. No threads and no
locks: `started` and `lost` take single atomic steps on the app's threads, everything else is the worker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter_ns
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from llmtrace import _chance
from llmtrace._guard import say_once
from llmtrace._keeping import Standing
from llmtrace._record import Seen, SpanRecord, held_by
from llmtrace._span import Span
from llmtrace._stats import stats
from llmtrace.processors.tail.buffer import SHARE, Buffer
from llmtrace.processors.tail.counts import BaseOf, exported, of_head, randomness_of
from llmtrace.processors.tail.memory import GRAVE_SECONDS, Grave, Verdicts
from llmtrace.processors.tail.open import Clock, OpenTraces, is_local_root
from llmtrace.processors.tail.policies import Ended, Rules, own_cost
from llmtrace.processors.tail.quick import QuickEnds
from llmtrace.processors.tail.rule_cap import RuleCap
from llmtrace.processors.tail.timers import Timers
from llmtrace.processors.tail.trace import DROPPED, OVER_THE_CAP, OpenTrace, Verdict
from llmtrace.sampling import Reason, SamplingPolicy
from llmtrace.semconv import trace as keys

_SECOND: Final = 1_000_000_000
_NOTHING: Final[Sequence[SpanRecord]] = ()


class TailSampling:
    """Every started trace gets exactly one verdict; what is kept goes on with its reason and its count."""

    def __init__(
        self,
        policy: SamplingPolicy,
        *,
        base: BaseOf = of_head,
        believes: bool = True,
        clock: Clock = perf_counter_ns,
    ) -> None:
        """Make an empty buffer.

        Args:
            policy: what is kept, and the bounds.
            base: what chance says of a trace.
            believes: a state that says "kept" is true: whoever took it from the wire has checked the caller.
            clock: the time.
        """
        self._policy = policy
        self._base = base
        self._believes = believes
        self._clock = clock
        self._rules = Rules(policy)
        self._has_slow = policy.slow is not None and policy.slow <= policy.max_age
        self._slow = round((policy.slow if policy.slow is not None else policy.max_age) * _SECOND)
        self._grace, self._max_age = round(policy.grace * _SECOND), round(policy.max_age * _SECOND)
        self._cap = RuleCap(policy.rule_cap, clock() / _SECOND)
        self._open = OpenTraces(policy.max_traces, clock)
        self.started = self._open.started
        self.lost = self._open.lost
        is_sampled = None if base is of_head else lambda trace: base(trace).is_sampled
        at_hand = policy.grave_spans // 512  # of each tick: weighing all would cost more than all else
        self._quick = QuickEnds(self._open, self._rules, is_sampled, at_hand)
        self.end = self._quick.end
        """An ended span that nobody else wants to see; returns what `attend` has to look at. On the app's thread."""
        self._renew()
        stats.watch("buffer.spans", lambda: self._buffer.spans)

    def _renew(self) -> None:
        self._timers = Timers(self._slow, self._grace, self._max_age)
        self._buffer = Buffer(self._policy.max_spans, self._policy.max_bytes, self._open.of_id)
        self._verdicts = Verdicts()
        self._open.known = self._verdicts.get
        self._dropped = 0
        self._grave = Grave(self._policy.grave_spans, self._policy.max_bytes // SHARE)
        self._quick.begin(self._buffer.hold)

    # On the app's threads.

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Have somebody called when a trace begins while the worker sleeps without an end."""
        self._open.wake = wake

    def on_item(self, hand_on: Callable[[ReadableSpan, object], None]) -> None:
        """Have `end` hand on what `attend` has to look at, after the span that has just ended; else it returns it."""
        self._quick.hand_on = hand_on

    def is_plain(self, span: ReadableSpan) -> bool:
        """Whether one look says that no rule can want this span, but for its cost."""
        return type(span) is Span and self._rules.is_plain(span)

    def foresee(self, span: ReadableSpan) -> None:
        """A span ended that a rule may want: the services that its trace calls next are told before the verdict."""
        trace = self._open.of(span)
        if trace.verdict is None and trace.mark is None and self._cap.has_room:
            reason = self._rules.first_look(span)
            if reason is not None:
                trace.say_kept(reason, _chance.ALWAYS)

    def foresee_keep(self, trace_id: int) -> None:
        """Somebody asks for this trace: the same."""
        trace = self._open.traces.get(trace_id)
        if trace is not None and trace.verdict is None and trace.mark is None and self._cap.has_room:
            trace.say_kept(Reason.FORCED, _chance.ALWAYS)

    # On the worker.

    def take(self, span: ReadableSpan, seen: Seen | None = None) -> Iterable[SpanRecord]:
        """An ended span of which `end` was not told; returns what is kept by now."""
        trace = self._open.of(span)
        is_root = self._open.ended(span, trace)
        is_plain = seen is None and self.is_plain(span) and not self._rules.counts_cost
        return self._take(trace, span if seen is None else seen, is_plain=is_plain, is_root=is_root)

    def attend(self, item: ReadableSpan | OpenTrace) -> Iterable[SpanRecord]:
        """What `end` has returned; returns what is kept by now."""
        if not isinstance(item, OpenTrace):
            return self._take(self._open.of(item), item, is_plain=False, is_root=is_local_root(item))
        self._recognise(item)
        if item.verdict is None:
            item.gather()
            return self._look(item, is_root=True)
        kept: list[SpanRecord] = []
        while item.came:
            kept += self._late(item, item.verdict, item.came.pop(0))
        return kept

    def _take(self, trace: OpenTrace, item: Ended, *, is_plain: bool, is_root: bool) -> Iterable[SpanRecord]:
        if not trace.is_known:
            self._recognise(trace)
        if trace.verdict is not None:
            return self._late(trace, trace.verdict, item)
        reason = None if is_plain else self._reason(trace, item)
        trace.gather()
        trace.hold(item)
        return self._look(trace, is_root=is_root) if reason is None else self._keep(trace, reason)

    def _look(self, trace: OpenTrace, *, is_root: bool) -> Iterable[SpanRecord]:
        """No rule has spoken: is anything to be done all the same?"""
        if trace.wanted_at is not None:
            return self._keep(trace, Reason.UPSTREAM, trace.wanted_at)
        if not trace.open:
            return self._settle(trace)
        if not trace.is_fresh:
            self._buffer.hold(trace)
        if not trace.roots and (is_root or not trace.grace_ends):
            self._timers.lose_root(trace, self._clock())
        return _NOTHING

    def keep(self, trace_id: int) -> Iterable[SpanRecord]:
        """Somebody asks for this trace: `span.keep()`."""
        self._catch_up()
        trace = self._open.traces.get(trace_id)
        if trace is None:
            verdict = self._verdicts.get(trace_id)
            if verdict is None or verdict.is_kept or verdict.is_final:
                return _NOTHING
            return self._revive(trace_id, None, Reason.FORCED, [])
        self._recognise(trace)
        if trace.verdict is None:
            return self._keep(trace, Reason.FORCED)
        if trace.verdict.is_kept or trace.verdict.is_final:
            return _NOTHING
        return self._revive(trace_id, trace, Reason.FORCED, [])

    def standing(self, trace_id: int) -> Standing:
        """What became of a trace; asked from any thread."""
        verdict = self._verdicts.get(trace_id)
        trace = self._open.traces.get(trace_id)
        if verdict is None and trace is not None:
            verdict = trace.verdict
            if verdict is None:
                return Standing.OPEN
        if verdict is None and not self._quick.has_dropped(trace_id):
            return Standing.UNKNOWN
        if verdict is not None and verdict.is_kept:
            return Standing.KEPT
        is_at_hand = self._grave.holds(trace_id) or self._quick.holds(trace_id)
        return Standing.RECENTLY_DROPPED if is_at_hand else Standing.DROPPED

    def tick(self) -> Iterable[SpanRecord]:
        """Time has passed."""
        self._catch_up()
        now = self._clock()
        kept: list[SpanRecord] = []
        while self._open.births:
            born = self._open.traces.get(self._open.births.popleft())
            if born is not None:  # most are over by now
                self._see(born)
        for trace in self._timers.graces_over(now):
            kept += self._settle(trace)
        for trace in self._timers.slow(now):
            kept += self._grow_slow(trace)
        for trace in self._timers.too_old(now):
            kept += self._push_out(trace)
        for trace in self._buffer.to_evict():
            stats.add("traces.evicted")
            kept += self._by_chance(trace)
        while len(self._open.traces) > self._policy.max_traces and (oldest := self._timers.oldest()):
            kept += self._push_out(oldest)
        self._grave.bury(now)
        self._grave.forget(now - round(GRAVE_SECONDS * _SECOND))
        if self._dropped:
            stats.add("traces.dropped", self._dropped)
            self._dropped = 0
        return kept

    def close(self) -> Iterable[SpanRecord]:
        """The process ends: what is undecided is kept."""
        self._catch_up()
        kept: list[SpanRecord] = []
        verdict = Verdict(is_kept=True, reason=Reason.SHUTDOWN, threshold=_chance.ALWAYS, by_rule=True)
        for trace in self._buffer.all():
            kept += self._decide(trace, verdict, partial=bool(trace.open))
        return kept

    def may_doze(self) -> bool:
        """Whether nothing is open, so that the worker may sleep until a trace begins."""
        self._open.dozing = True  # before the look: a trace that begins after it wakes the worker
        if not (self._open.traces or self._open.births or self._grave):
            return True
        self._open.dozing = False
        return False

    def after_fork_in_child(self) -> None:
        """The open traces, and what is buffered of them, are the parent's."""
        self._open.leave()
        self._renew()

    def _catch_up(self) -> None:
        """Hear of the traces that the app's threads have dropped."""
        dropped, fallen = self._quick.dropped, self._quick.fallen
        while dropped:
            self._verdicts.put(dropped.popleft(), DROPPED)
            self._dropped += 1
        while fallen:
            trace_id, spans = fallen.popleft()
            self._grave.drop(trace_id, spans)

    def _recognise(self, trace: OpenTrace) -> None:
        """The first span of a trace that comes: was it decided before, here or by the caller?"""
        if trace.is_known:
            return
        trace.is_known = True
        if trace.verdict is None:
            self._catch_up()
            trace.verdict = self._verdicts.get(trace.trace_id)
        state = trace.context.trace_state
        if state and self._believes:
            trace.wanted_at = _chance.read_kept(state.get(keys.KEPT_STATE, ""))

    def _reason(self, trace: OpenTrace, item: Ended) -> Reason | None:
        reason = self._rules.reason_for(item)
        if reason is None and self._rules.counts_cost:
            trace.cost += own_cost(held_by(item))
            most = self._rules.trace_cost
            if most is not None and trace.cost + sum(trace.costs) >= most:
                return Reason.COST
        return reason

    def _settle(self, trace: OpenTrace) -> Iterable[SpanRecord]:
        """All that is to come has come."""
        if self._policy.slow is not None and trace.ended - trace.began >= self._slow:
            return self._keep(trace, Reason.SLOW)
        return self._by_chance(trace)

    def _by_chance(self, trace: OpenTrace) -> Iterable[SpanRecord]:
        base = self._base(trace)
        if base.is_sampled:
            return self._decide(trace, Verdict(is_kept=True, reason=Reason.CHANCE, threshold=base.threshold))
        return self._decide(trace, DROPPED)

    def _keep(self, trace: OpenTrace, reason: Reason, asked_at: int = _chance.ALWAYS) -> Iterable[SpanRecord]:
        """A rule wants it: kept for certain under the cap, above it with a known probability.

        Args:
            trace: the trace.
            reason: why.
            asked_at: the threshold at which a caller has kept it: it had to pass that one before ours.
        """
        threshold = max(asked_at, self._cap.threshold(self._clock() / _SECOND))
        if threshold > asked_at:
            threshold = self._over_the_cap(trace, threshold)
            if threshold == _chance.NEVER:
                return self._by_chance(trace) if self._base(trace).is_sampled else self._decide(trace, OVER_THE_CAP)
        self._cap.kept()
        verdict = Verdict(is_kept=True, reason=reason, threshold=threshold, by_rule=True)
        if trace.open:
            trace.say_kept(reason, threshold)
        return self._decide(trace, verdict)

    def _over_the_cap(self, trace: OpenTrace, threshold: int) -> int:
        """The threshold that the trace has reached: the cap's, or its own where that is more probable; else NEVER."""
        say_once(
            "sampling:cap",
            "llmtrace: rules want more traces than %s a second; a random sample of them is kept and counted for all",
            self._policy.rule_cap,
        )
        if randomness_of(trace) < threshold:
            return _chance.NEVER
        own = self._base(trace).threshold
        return threshold if own is None else min(own, threshold)

    def _decide(self, trace: OpenTrace, verdict: Verdict, *, partial: bool = False) -> Iterable[SpanRecord]:
        if not trace.own():  # it has just ended, boring, on an app's thread
            return _NOTHING
        trace.verdict = verdict
        spans = self._buffer.remove(trace)
        self._verdicts.put(trace.trace_id, verdict)
        if verdict.is_final:
            stats.add("traces.dropped.over_the_cap")
        elif not verdict.is_kept:
            self._dropped += 1  # most of them: counted together, at the next tick
        elif verdict.reason is not None:
            stats.add(f"traces.kept.{verdict.reason.value}")
        if trace.open:
            self._timers.outlive(trace)
        else:
            self._forget(trace)
        if verdict.is_kept:
            return [exported(span, verdict, partial=partial) for span in spans]
        trace.mark = None
        if not verdict.is_final:
            self._grave.drop(trace.trace_id, spans)
        return _NOTHING

    def _late(self, trace: OpenTrace, verdict: Verdict, item: Ended) -> Iterable[SpanRecord]:
        """A span that ended after the verdict follows it; an error brings a dropped trace back."""
        if not trace.open:
            self._forget(trace)
        if not verdict.is_kept:  # unless another part of the trace brought it back
            verdict = trace.verdict = self._verdicts.get(trace.trace_id) or verdict
        if verdict.is_kept:
            return (exported(item, verdict),)
        if verdict.is_final:
            return _NOTHING
        reason = self._rules.reason_for(item)
        if reason is None:
            self._catch_up()
            self._grave.drop(trace.trace_id, [item], late=True)
            return _NOTHING
        return self._revive(trace.trace_id, trace, reason, [item])

    def _revive(
        self, trace_id: int, trace: OpenTrace | None, reason: Reason, late: Sequence[Ended]
    ) -> Iterable[SpanRecord]:
        """Take back a verdict: what is still at hand of the trace is kept, and says so where something is gone."""
        if self._cap.threshold(self._clock() / _SECOND) != _chance.ALWAYS:
            return _NOTHING
        self._cap.kept()
        self._catch_up()
        buried, is_whole = self._grave.exhume(trace_id, self._clock())
        verdict = Verdict(is_kept=True, reason=reason, by_rule=True, stands_for_none=True)
        self._verdicts.put(trace_id, verdict)
        if trace is not None:
            trace.verdict = verdict
        stats.add(f"traces.kept.{reason.value}")
        stats.add("traces.revived" if is_whole else "traces.partial")
        return [exported(span, verdict, partial=not is_whole) for span in [*buried, *late]]

    def _forget(self, trace: OpenTrace) -> None:
        self._timers.forget(trace)
        self._open.forget(trace)

    def _see(self, trace: OpenTrace) -> None:
        """A trace that has begun since the last tick."""
        if not trace.open and not trace.spans and not trace.came:
            self._forget(trace)
        elif trace.verdict is None:
            self._timers.begin(trace)
        else:
            self._timers.outlive(trace)

    def _grow_slow(self, trace: OpenTrace) -> Iterable[SpanRecord]:
        """Time has made it slow, or, where there is no such rule, too old."""
        self._recognise(trace)
        if trace.verdict is not None:
            self._timers.outlive(trace)
            return _NOTHING
        if not trace.open:
            return self._settle(trace)
        return self._keep(trace, Reason.SLOW) if self._has_slow else self._push_out(trace)

    def _push_out(self, trace: OpenTrace) -> Iterable[SpanRecord]:
        """Wait for this trace no longer."""
        kept: Iterable[SpanRecord] = _NOTHING
        self._recognise(trace)
        if trace.verdict is None:
            stats.add("traces.evicted")
            kept = self._by_chance(trace)
        self._forget(trace)
        return kept
