"""When a digest is due: cron's five fields in a place's own time.

Where clocks are set forward, what would fall into the hour that is left out comes right after it; where they are set
back, it comes once: as in Debian's cron.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, WithJsonSchema

from llmtrace.router.config.strict import wrong

_FIELDS: Final = 5
_MOST_OFTEN: Final = timedelta(hours=1)
_LOOKED_AT: Final = 50
"""Times; what comes too often does so early."""
_EXAMPLES: Final = "'0 8 * * *' (each day at 8:00) or '0 8 * * 1' (each Monday)"


def _schedule(value: Any) -> str:
    text = " ".join(str(value).split())
    times = _first_times(text)
    if not times:
        raise wrong(f"no schedule; allowed: minute, hour, day of the month, month and weekday as in cron: {_EXAMPLES}")
    if any(later - earlier < _MOST_OFTEN for earlier, later in pairwise(times)):
        raise wrong(f"more often than once an hour; allowed: a digest an hour at most, such as {_EXAMPLES}")
    return text


def _first_times(schedule: str) -> list[datetime]:
    """Some times at which it is due; empty where it cannot be read, or never comes."""
    try:
        every = CronSim(schedule, datetime(2026, 1, 1, tzinfo=UTC))
        return list(islice(every, _LOOKED_AT)) if len(schedule.split()) == _FIELDS else []
    except (CronSimError, UnicodeError, ValueError):
        return []


def _timezone(value: Any) -> str:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise wrong("no time zone; allowed: a name of the IANA database such as Europe/Berlin, or UTC") from error
    return str(value)


Schedule = Annotated[str, BeforeValidator(_schedule), WithJsonSchema({"type": "string", "description": "five fields"})]
Timezone = Annotated[str, BeforeValidator(_timezone), WithJsonSchema({"type": "string", "description": "IANA name"})]


def next_after(schedule: str, timezone: str, moment: datetime) -> datetime:
    """The first time that it is due after this one."""
    return next(CronSim(schedule, moment.astimezone(ZoneInfo(timezone)))).astimezone(UTC)


def last_until(schedule: str, timezone: str, moment: datetime) -> datetime:
    """The last time that it was due, this one included."""
    late = next_after(schedule, timezone, moment).astimezone(ZoneInfo(timezone))
    return next(CronSim(schedule, late, reverse=True)).astimezone(UTC)
