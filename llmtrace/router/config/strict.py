"""What every mapping of ``alerts.yaml`` shares: unknown keys are refused, and errors say what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from llmtrace.router.config import durations

_LATER_IN_FILE: Final = frozenset({"monitors", "metrics"})


def wrong(problem: str, key: str | None = None) -> PydanticCustomError:
    """What a validator raises: a whole sentence that says what is allowed; ``key`` is the one below that it means."""
    context = {"problem": problem} | ({"key": key} if key is not None else {})
    return PydanticCustomError("llmtrace", "{problem}", context)


class Strict(BaseModel):
    """A mapping of the file: no key that it does not know, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)

    empty_allowed: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        if data is None and cls.empty_allowed:
            return {}
        if not isinstance(data, dict):
            raise wrong(f"not a mapping; allowed keys: {', '.join(known) or 'none'}")
        for key in data:
            if key not in known:
                raise wrong(_unknown(key, known), key=str(key))
        return data


def _unknown(key: Any, known: list[str]) -> str:
    if key in _LATER_IN_FILE:
        return "this key is not available in this version of llmtrace: take it out"
    return f"no such key; allowed: {', '.join(sorted(known)) or 'none'}"


def _duration(value: Any) -> timedelta:
    try:
        return durations.parse(str(value))
    except ValueError as error:
        raise wrong(str(error)) from error


Duration = Annotated[
    timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "description": durations.ALLOWED})
]
