"""One trace while it is open in this process, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanContext, TraceState

from llmtrace import _chance
from llmtrace.processors.tail.policies import Ended
from llmtrace.sampling import Reason
from llmtrace.semconv import trace as keys


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a trace, and of every span of it that comes later."""

    is_kept: bool
    reason: Reason | None = None
    threshold: int | None = None
    """That of the probability with which it was kept; None: not known."""
    by_rule: bool = False
    is_final: bool = False
    """Dropped for good: a later error does not bring it back."""
    stands_for_none: bool = False
    """Brought back after it was dropped: the traces that chance kept stand for it already."""


DROPPED = Verdict(is_kept=False)
OVER_THE_CAP = Verdict(is_kept=False, is_final=True)


class OpenTrace:
    """What is known of one trace. The app's threads touch `open` and `roots` only, by single steps that are atomic."""

    # What most traces never change stands here once, not in each of them.
    buffered = 0
    """How many of `spans` the buffer has counted, and what they weigh."""
    weight = 0
    cost = 0.0
    """What the spans cost that the worker has asked about; the plain ones: `costs`."""
    verdict: Verdict | None = None
    mark: TraceState | None = None
    """Once a rule has kept it: the state that tells the services it calls from now on."""
    grace_ends = 0
    is_known = False
    """Whether the worker has looked for an earlier verdict on it."""
    is_special = False
    """Whether a span of it went to the worker, who then has the last word."""
    is_fresh = False
    """Whether the buffer has spans of it to weigh."""
    is_light = False
    is_ours = True
    """Its first span is one of ours, which is recorded whatever an application's sampler says."""
    parent: SpanContext | None = None
    """That of its first span."""
    ended = 0
    """When its last span ended so far."""
    wanted_at: int | None = None
    """A caller that is believed has kept it, at this threshold."""
    spans: list[Ended] | tuple[()] = ()
    """Ended spans that wait for the verdict; the worker's."""
    costs: Sequence[float] = ()
    is_left = False
    """In a forked child: the trace is the parent process's."""

    def __init__(self, context: SpanContext, began: int, spans: list[None], roots: list[None]) -> None:
        self.context = context
        """The first span's; flag and state are the trace's."""
        self.began = began
        self.open = spans
        """One for each span that has begun and not yet come to the worker."""
        self.roots = roots
        """The same for its local roots: those with no parent, or one in another process."""
        self.came: list[Ended] = []
        """Plain spans that have ended, by the app's threads; the worker gathers them into `spans`."""
        self.token = None

    @property
    def trace_id(self) -> int:
        """Its id."""
        return self.context[0]

    def own(self) -> bool:
        """Take the token: whoever has it may decide on the trace; False where somebody else has it."""
        try:
            del self.token  # one atomic step
        except AttributeError:
            return False
        return True

    def disown(self) -> None:
        """Give the token back: nothing was decided."""
        self.token = None

    def gather(self) -> None:
        """Take over what the app's threads have brought; by the worker."""
        came = self.came
        while came:
            self.hold(came.pop(0))

    def hold(self, span: Ended) -> None:
        """Keep an ended span until the verdict."""
        if self.spans:
            self.spans.append(span)
        else:
            self.spans = [span]

    def spend(self, cost: float) -> None:
        """A plain span has cost so much."""
        costs: list[float] = self.__dict__.setdefault("costs", [])  # one atomic step
        costs.append(cost)

    def say_kept(self, reason: Reason, threshold: int) -> None:
        """Have the spans that begin in it from now on tell the services that they call."""
        said = _chance.written_kept(reason.value, threshold)
        self.mark = _chance.with_entry(self.context.trace_state, keys.KEPT_STATE, said)
