"""Time intervals in Alertmanager's words: times of day, weekdays, days of the month, months, in a place's own time."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from llmtrace.router.config.strict import Strict, wrong

_DAYS: Final = tuple(name.lower() for name in calendar.day_name)
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name)[1:]
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")
_LOOK_AHEAD: Final = 400
"""Days; an interval that never ends is looked at again then."""
_DAY_MINUTES: Final = 24 * 60
_LONGEST_MONTH: Final = 31

Range = tuple[int, int]


def _minutes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAY_MINUTES:
        return value  # YAML reads 09:00 as 540
    found = _CLOCK.fullmatch(str(value))
    if found is None:
        raise wrong("no time of day; allowed: '00:00' to '24:00', in quotes")
    return _DAY_MINUTES if found[1] is None else int(found[1]) * 60 + int(found[2])


def _weekdays(value: Any) -> Range:
    """By name; ``friday:monday`` goes over the end of the week, and ``sunday:saturday`` is all of it."""
    first, last = _ends(value, lambda text: _DAYS.index(text) if text in _DAYS else None, "monday:friday")
    return first, last


def _months(value: Any) -> Range:
    def month(text: str) -> int | None:
        return _MONTHS.index(text) + 1 if text in _MONTHS else _within_bounds(text, 1, 12)

    return _rising(*_ends(value, month, "january:march, or 1:3"), "january:march, or 1:3")


def _years(value: Any) -> Range:
    return _rising(*_ends(value, lambda text: _within_bounds(text, 1, 9_999), "2026:2028"), "2026:2028")


def _month_days(value: Any) -> Range:
    """Counted from the end where negative: ``-1`` is the last day, ``1:-1`` the whole month."""
    allowed = "1:31, or -1 for the last day"
    first, last = _ends(value, lambda text: _within_bounds(text, -31, 31) or None, allowed)
    if first < 0 < last:
        raise wrong(f"a range from the end of the month to its beginning; allowed: {allowed}")
    _rising(_from_start(first), _from_start(last), allowed)
    return first, last


def _from_start(day: int) -> int:
    return day if day > 0 else _LONGEST_MONTH + 1 + day


def _ends(value: Any, read: Callable[[str], int | None], allowed: str) -> Range:
    start, _, end = str(value).lower().partition(":")
    first, last = read(start.strip()), read((end or start).strip())
    if first is None or last is None:
        raise wrong(f"no range; allowed: one or FROM:TO, such as {allowed}")
    return first, last


def _rising(first: int, last: int, allowed: str) -> Range:
    if first > last:
        raise wrong(f"a range that ends before it begins; allowed: one or FROM:TO, such as {allowed}")
    return first, last


def _within_bounds(text: str, lowest: int, highest: int) -> int | None:
    number = int(text) if re.fullmatch(r"-?\d{1,4}", text, re.ASCII) else None
    return number if number is not None and lowest <= number <= highest else None


def _place(value: Any) -> str:
    try:
        return ZoneInfo(str(value)).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise wrong("no time zone; allowed: an IANA name such as Europe/Berlin") from error


_TEXT: Final = WithJsonSchema({"type": "string"})
_TEXT_OR_NUMBER: Final = WithJsonSchema({"type": ["string", "integer"]})
Minutes = Annotated[int, BeforeValidator(_minutes), _TEXT]
Weekdays = Annotated[Range, BeforeValidator(_weekdays), _TEXT]
Months = Annotated[Range, BeforeValidator(_months), _TEXT_OR_NUMBER]
Days = Annotated[Range, BeforeValidator(_month_days), _TEXT_OR_NUMBER]
Years = Annotated[Range, BeforeValidator(_years), _TEXT_OR_NUMBER]


class TimeRange(Strict):
    """From ``start_time`` until just before ``end_time``."""

    start_time: Minutes = Field(description="from, such as `'09:00'`")
    end_time: Minutes = Field(description="until just before, such as `'17:30'` or `'24:00'`; never before the start")

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.start_time >= self.end_time:
            raise wrong("ends before it begins; allowed: two spans where it goes over midnight", key="end_time")
        return self


class TimeInterval(Strict):
    """All that is said must hold; what is not said holds always."""

    times: list[TimeRange] = Field(default_factory=list, description="times of day")
    weekdays: list[Weekdays] = Field(
        default_factory=list, description="`monday:friday`; may go over the end of the week"
    )
    days_of_month: list[Days] = Field(default_factory=list, description="`1:7`; `-1` is the last day")
    months: list[Months] = Field(default_factory=list, description="`march`, or `1:3`")
    years: list[Years] = Field(default_factory=list, description="`2026:2028`")
    location: Annotated[str, BeforeValidator(_place)] = Field(
        default="UTC", description="whose time it is, an IANA name"
    )

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        here = moment.astimezone(ZoneInfo(self.location))
        minute = here.hour * 60 + here.minute
        return (
            (not self.times or any(span.start_time <= minute < span.end_time for span in self.times))
            and _within(here.weekday(), self.weekdays)
            and _within(here.month, self.months)
            and _within(here.year, self.years)
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
    return not ranges or any(
        first <= number <= last if first <= last else number >= first or number <= last for first, last in ranges
    )


def _on_day(here: datetime, days: Range) -> bool:
    length = calendar.monthrange(here.year, here.month)[1]
    first, last = (day if day > 0 else length + 1 + day for day in days)
    return first <= here.day <= last
