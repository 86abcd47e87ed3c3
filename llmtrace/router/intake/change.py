"""Changes as somebody posts them: a JSON object, or a list of them."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmtrace.router.intake.body import bounded, read_json
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.texts import clean
from llmtrace.router.model import Change

LONGEST: int = 1_024

Text = Annotated[str, Field(max_length=LONGEST)]


class GivenChange(BaseModel):
    """Only ``kind`` must be there."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)

    kind: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="`deploy`, `config`, `prompt`, ...")
    title: Text = Field(default="", description="what was changed, in words")
    service: Text = Field(default="", description="whose; without it everybody's")
    environment: Text = Field(default="", description="where; without it everywhere")
    version: Text = Field(default="", description="which one it is now")
    by: Text = Field(default="", description="who did it")
    url: Text = Field(default="", description="where it can be seen")
    at: datetime | None = Field(default=None, description="when; without it now")


def read(body: bytes, now: datetime) -> list[Change]:
    """The changes of a body.

    Raises:
        RefusedError: 400 or 413.
    """
    data = read_json(body)
    return [_change(item, index, now) for index, item in enumerate(bounded(data if isinstance(data, list) else [data]))]


def made(kind: str, at: datetime, now: datetime, **said: str) -> Change:
    """A change without secrets, and none of the future."""
    moment = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return Change(at=min(moment, now), **clean([("kind", kind), *said.items()], LONGEST))


def _change(item: object, index: int, now: datetime) -> Change:
    try:
        given = GivenChange.model_validate(item)
    except (ValidationError, RecursionError) as error:
        where = ""
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            where = f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"changes[{index}]: {where or 'no change'}") from error
    return made(given.kind, given.at or now, now, **given.model_dump(exclude={"kind", "at"}))
