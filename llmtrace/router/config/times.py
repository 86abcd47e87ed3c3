"""Time intervals in Alertmanager's words: times of day, weekdays, days of the month, months, in a place's own time."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, WithJsonSchema

from llmtrace.router.config.strict import Strict, wrong

_DAYS: Final = tuple(name.lower() for name in calendar.day_name)
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name)[1:]
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_LOOK_AHEAD: Final = 400
"""Days; an interval that never ends is looked at again then."""
_DAY_MINUTES: Final = 24 * 60

Range = tuple[int, int]


def _minutes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAY_MINUTES:
        return value  # YAML reads 09:00 as 540
    found = _CLOCK.fullmatch(str(value))
    if found is None:
        raise wrong("no time of day; allowed: '00:00' to '24:00', in quotes")
    return _DAY_MINUTES if found[1] is None else int(found[1]) * 60 + int(found[2])


def _ranges(names: tuple[str, ...], first: int) -> Any:
    def read(value: Any) -> Range:
        start, _, end = str(value).lower().partition(":")
        numbers = [_number(text, names, first) for text in (start, end or start)]
        if None in numbers or numbers[0] > numbers[1]:  # type: ignore[operator]
            allowed = f"{names[0]}:{names[-1]}" if names else "1:31, or -1 for the last day"
            raise wrong(f"no range; allowed: one or FROM:TO, such as {allowed}")
        return numbers[0], numbers[1]  # type: ignore[return-value]

    return read


def _number(text: str, names: tuple[str, ...], first: int) -> int | None:
    if text in names:
        return names.index(text) + first
    last = first + len(names) - 1 if names else 31
    number = int(text) if re.fullmatch(r"-?\d{1,2}", text) else None
    lowest = first if names else -31
    return number if number is not None and lowest <= number <= last and (names or number != 0) else None


def _place(value: Any) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise wrong("no time zone; allowed: an IANA name such as Europe/Berlin") from error


_SHOWN: Final = WithJsonSchema({"type": "string"})
Minutes = Annotated[int, BeforeValidator(_minutes), _SHOWN]
Weekdays = Annotated[Range, BeforeValidator(_ranges(_DAYS, 0)), _SHOWN]
Months = Annotated[Range, BeforeValidator(_ranges(_MONTHS, 1)), WithJsonSchema({"type": ["string", "integer"]})]
Days = Annotated[Range, BeforeValidator(_ranges((), 1)), WithJsonSchema({"type": ["string", "integer"]})]


class TimeRange(Strict):
    """From ``start_time`` until just before ``end_time``."""

    start_time: Minutes
    end_time: Minutes


class TimeInterval(Strict):
    """All that is said must hold; what is not said holds always."""

    times: list[TimeRange] = Field(default_factory=list)
    weekdays: list[Weekdays] = Field(default_factory=list)
    days_of_month: list[Days] = Field(default_factory=list)
    months: list[Months] = Field(default_factory=list)
    location: Annotated[str, BeforeValidator(_place)] = "UTC"

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        here = moment.astimezone(ZoneInfo(self.location))
        minute = here.hour * 60 + here.minute
        return (
            (not self.times or any(span.start_time <= minute < span.end_time for span in self.times))
            and _within(here.weekday(), self.weekdays)
            and _within(here.month, self.months)
            and (not self.days_of_month or any(_on_day(here, days) for days in self.days_of_month))
        )

    def boundaries(self, moment: datetime) -> list[datetime]:
        """When it may begin or end on the day of the moment."""
        zone = ZoneInfo(self.location)
        day = moment.astimezone(zone).date()
        minutes = {0, *(each for span in self.times for each in (span.start_time, span.end_time))}
        midnight = datetime.combine(day, time(0), zone)
        return [(midnight + timedelta(minutes=each)).astimezone(UTC) for each in minutes]


def muted_until(intervals: list[TimeInterval], now: datetime) -> datetime | None:
    """When the first moment after ``now`` is outside of all of them; None where ``now`` is."""
    if not any(interval.holds(now) for interval in intervals):
        return None
    for offset in range(_LOOK_AHEAD):
        day = now + timedelta(days=offset)
        edges = sorted(at for interval in intervals for at in interval.boundaries(day) if at > now)
        for edge in edges:
            if not any(interval.holds(edge) for interval in intervals):
                return edge
    return now + timedelta(days=_LOOK_AHEAD)


def _within(number: int, ranges: list[Range]) -> bool:
    return not ranges or any(first <= number <= last for first, last in ranges)


def _on_day(here: datetime, days: Range) -> bool:
    length = calendar.monthrange(here.year, here.month)[1]
    first, last = (day if day > 0 else length + 1 + day for day in days)
    return first <= here.day <= last
