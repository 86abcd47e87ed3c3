"""Consistent probability sampling: thresholds and randomness, as OpenTelemetry writes them in ``tracestate`` (``ot=``).

A trace is kept by chance where its randomness R is not below the threshold T, both 56 bits; the probability is
1 - T / 2**56. Everybody who sees the trace compares the same R, so what is kept at 1 % is kept at 10 % too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import TraceState

BITS: Final = 56
END: Final = 1 << BITS
"""One more than the greatest randomness."""
ALWAYS: Final = 0
NEVER: Final = END
"""A threshold that nothing reaches; it has no form on the wire."""
VENDOR: Final = "ot"

_DIGITS: Final = BITS // 4
_PRECISION: Final = 5
_LONGEST: Final = 256
_THRESHOLD: Final = re.compile(r"[0-9a-f]{1,14}")
_RANDOMNESS: Final = re.compile(r"[0-9a-f]{14}")
_SUB_KEY: Final = re.compile(r"[a-z][a-z0-9]*:[A-Za-z0-9._-]*")
"""A member of the entry, as OpenTelemetry defines it. Another one could spoil the whole entry when it is written."""
_EMPTY: Final = TraceState()


def threshold(probability: float) -> int:
    """The threshold of a probability between 0 and 1, in as few digits as say it well."""
    if probability <= 0:
        return NEVER
    exact = END - round(min(1.0, probability) * END)
    if probability >= 1:
        return ALWAYS
    # Leading f's carry no precision: five digits after them leave an error of a millionth of the probability.
    leading = next((place for place, digit in enumerate(f"{exact:014x}") if digit != "f"), _DIGITS)
    shift = 4 * max(0, _DIGITS - leading - _PRECISION)
    rounded = (exact + (1 << shift >> 1)) >> shift << shift
    return min(rounded, END - 1)


def probability(threshold: int) -> float:
    """The probability that a threshold stands for."""
    return (END - threshold) / END


def adjusted_count(threshold: int) -> float:
    """How many traces one that was kept at this threshold stands for."""
    return END / (END - threshold)


def randomness_of(trace_id: int) -> int:
    """The last 56 bits of a trace id."""
    return trace_id & (END - 1)


def written(threshold: int) -> str:
    """A threshold in its form on the wire: hexadecimal without trailing zeros."""
    return f"{threshold:014x}".rstrip("0") or "0"


@dataclass(frozen=True, slots=True)
class Said:
    """What a ``tracestate`` says of chance; what is malformed counts as not said."""

    threshold: int | None = None
    randomness: int | None = None
    others: tuple[str, ...] = ()
    """Sub-keys that are not ours to read, kept as they came."""


_NOTHING_SAID: Final = Said()


def read(state: TraceState | None) -> Said:
    """What the ``ot`` entry says."""
    entry = state.get(VENDOR) if state else None
    if not entry or len(entry) > _LONGEST:
        return _NOTHING_SAID
    found: dict[str, int] = {}
    others = []
    for part in entry.split(";"):
        key, _, value = part.partition(":")
        if key == "th":
            if _THRESHOLD.fullmatch(value):
                found[key] = int(value.ljust(_DIGITS, "0"), 16)
        elif key == "rv":
            if _RANDOMNESS.fullmatch(value):
                found[key] = int(value, 16)
        elif _SUB_KEY.fullmatch(part):
            others.append(part)
    return Said(found.get("th"), found.get("rv"), tuple(others))


def read_kept(entry: str) -> int | None:
    """The threshold of an entry of ours that says that a trace is kept (``k:<reason>``); None where it does not."""
    kept, _, threshold = entry.partition(";th:")
    if not kept.startswith("k:"):
        return None
    return int(threshold.ljust(_DIGITS, "0"), 16) if _THRESHOLD.fullmatch(threshold) else ALWAYS


def written_kept(reason: str, threshold: int) -> str:
    """That entry: why, and where chance had a part in it, at which threshold."""
    return f"k:{reason}" + (f";th:{written(threshold)}" if threshold else "")


def write(state: TraceState | None, said: Said) -> TraceState:
    """The state with this ``ot`` entry, first as the last that changed; other vendors' entries are kept."""
    parts = [] if said.threshold is None else [f"th:{written(said.threshold)}"]
    if said.randomness is not None:
        parts.append(f"rv:{said.randomness:014x}")
    for part in said.others:
        if len(";".join([*parts, part])) <= _LONGEST:
            parts.append(part)
    state = state or _EMPTY
    if parts:
        return with_entry(state, VENDOR, ";".join(parts))
    return state.delete(VENDOR) if VENDOR in state else state


def with_entry(state: TraceState, key: str, value: str) -> TraceState:
    """The state with this entry in front; where it is full the last one of the others makes room, as W3C says."""
    entries = [(key, value), *((name, old) for name, old in state.items() if name != key)]
    return TraceState(entries[:32])
