"""The watchdog's keys of ``alerts.yaml``: heartbeats out, sources that promised theirs, and what is too late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from llmtrace.router.config.strict import Duration, Strict, wrong

HEARTBEAT: Final = "router-heartbeat"
PHOENIX: Final = "phoenix"
"""Stands for a path: Phoenix is asked, and is heard when it answers."""
OURSELVES: Final = "llmtrace"
"""The source of alerts that the router raises itself."""

_SHORTEST: Final = timedelta(seconds=1)


class HeartbeatOptions(Strict):
    """Word that the router lives, sent on the way that alerts take, to whoever raises the alarm when it stays away."""

    every: Duration = Field(default=timedelta(minutes=1), description="how often")
    receivers: Annotated[list[str], Field(min_length=1)] = Field(description="the dead man's switch")

    @model_validator(mode="after")
    def _not_too_often(self) -> Self:
        if self.every < _SHORTEST:
            raise wrong("too often; allowed: 1s and more", key="every")
        return self


class WatchdogOptions(Strict):
    """Who notices that nothing happens."""

    heartbeat: HeartbeatOptions | None = Field(
        default=None, description="word that the router lives; without it none is sent"
    )
    sources: dict[str, Duration] = Field(
        default_factory=dict,
        description="source -> how long it may be silent before the alert `source-silent` is raised; any request that "
        "is taken counts",
    )
    late: Duration = Field(
        default=timedelta(minutes=5), description="how long a notification may be due before `/healthz` fails"
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched. ``sources``: the paths of a source -> how long it may be silent."""

    late: timedelta
    every: timedelta | None = None
    sources: Mapping[str, timedelta] = field(default_factory=dict)
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
