"""User, session, tags, metadata and prompt template, carried along the call to every span below.

The values travel in OpenTelemetry's context under the keys that OpenInference's own ``using_*`` helpers use, so that
spans of third-party OpenInference instrumentors carry them too, and ours carry what those helpers set.
"""

from __future__ import annotations

import functools
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry.context import Context

from llmtrace import _scope
from llmtrace._guard import guarded
from llmtrace._values.serialize import to_json, to_text
from llmtrace._values.spending import BUDGET, spending
from llmtrace.semconv import trace as keys

P = ParamSpec("P")
R = TypeVar("R")

CARRIED: Final = frozenset(
    {
        keys.SESSION_ID,
        keys.USER_ID,
        keys.METADATA,
        keys.TAGS,
        keys.PROMPT_TEMPLATE,
        keys.PROMPT_VERSION,
        keys.PROMPT_VARIABLES,
    }
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The template that a prompt was made from: Phoenix shows it beside the filled-in messages.

    Attributes:
        template: the text with its placeholders.
        version: whatever names the version: "v7", a git revision.
        variables: placeholder name -> value. Content: left out where content is not captured.
    """

    template: str | None = None
    version: str | None = None
    variables: Mapping[str, Any] | None = None


def carried(context: Context) -> dict[str, Any]:
    """The attributes that `context` hands to a span that starts in it."""
    return {key: value for key, value in context.items() if key in CARRIED and value is not None}


def with_values(
    context: Context,
    *,
    user_id: str | None = None,
    session_id: str | None = None,
    tags: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    prompt: Prompt | None = None,
) -> Context:
    """`context` with the given values added; metadata and tags join those that are there already."""
    values: dict[str, Any] = {}
    spending.left = BUDGET
    if session_id is not None:
        values[keys.SESSION_ID] = to_text(session_id)
    if user_id is not None:
        values[keys.USER_ID] = to_text(user_id)
    if tags is not None:
        with guarded("carrying tags"):
            values[keys.TAGS] = _joined_tags(context, tags)
    if metadata is not None:
        with guarded("carrying metadata"):
            values[keys.METADATA] = _joined_metadata(context, metadata)
    if prompt is not None:
        with guarded("carrying a prompt"):
            values |= prompt_values(prompt)
    spending.left = None
    return Context({**context, **values})


_TAGS: Final = 8_192
"""Characters of all tags of one `using`."""


def _joined_tags(context: Context, tags: Sequence[str]) -> list[str]:
    present = context.get(keys.TAGS)
    given = json.loads(to_json(tags, limit=_TAGS))
    added = given if isinstance(given, list) else [given]
    return list(dict.fromkeys([*(present if isinstance(present, list) else ()), *map(to_text, added)]))


def _joined_metadata(context: Context, metadata: Mapping[str, Any]) -> str:
    present = context.get(keys.METADATA)
    joined: dict[str, Any] = {}
    if isinstance(present, str):
        with guarded("joining metadata"):
            parsed = json.loads(present)
            joined = parsed if isinstance(parsed, dict) else {}
    added = _plain(metadata)
    return to_json({**joined, **added} if isinstance(added, dict) else joined)


def _plain(value: object) -> Any:
    """A value of the user's as plain lists and dicts. Rendered first: its own iteration may never end."""
    return json.loads(to_json(value))


def prompt_values(prompt: Prompt) -> dict[str, Any]:
    """A prompt's attributes."""
    values: dict[str, Any] = {}
    if prompt.template is not None:
        values[keys.PROMPT_TEMPLATE] = to_text(prompt.template)
    if prompt.version is not None:
        values[keys.PROMPT_VERSION] = to_text(prompt.version)
    if prompt.variables is not None:
        values[keys.PROMPT_VARIABLES] = to_json(prompt.variables)
    return values


class using:  # noqa: N801 - used as a statement: `with using(user_id="u-1"):`
    """Put user, session, tags, metadata and prompt on every span that starts inside, third-party ones too.

    Nested uses add up: the inner value wins, tags and metadata are joined.

    Args:
        user_id: who asked; ``user.id``.
        session_id: the conversation; ``session.id``. Phoenix keeps session ids for the whole server, not per project.
        tags: free words for the traces; ``tag.tags``.
        metadata: any values to filter by; ``metadata``, as JSON.
        prompt: the template that the prompt was made from.
    """

    __slots__ = ("_entered", "_values")

    def __init__(
        self,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        self._values: dict[str, Any] = {
            "user_id": user_id,
            "session_id": session_id,
            "tags": tags,
            "metadata": metadata,
            "prompt": prompt,
        }
        self._entered: list[tuple[None, Context, _scope.Entered]] = []

    def __enter__(self) -> None:
        outside = _scope.here()
        context = with_values(outside, **self._values)
        entered = _scope.enter(sys._getframe(1), outside, context)  # noqa: SLF001 - is it a generator?
        self._entered.append((None, context, entered))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._entered:
            _, _, entered = _scope.take(self._entered)
            _scope.leave(entered)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Bind a function to the tracing context of here and now, for a thread or executor that knows nothing of it.

        executor.submit(llmtrace.context.carry(search), query)
        threading.Thread(target=llmtrace.context.carry(work)).start()

    The current span becomes the parent of what the function records, and the values of `using` reach it. Tasks,
    ``asyncio.to_thread`` and ``anyio.to_thread`` need no help. May be called often, and from many threads at once.

    Returns:
        a function (a coroutine function where `function` is one) with the same signature, that runs in that context.
    """
    context = _scope.here()
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def carried_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await _scope.Steps(context).wait(function, *args, **kwargs)

        return cast("Callable[P, R]", carried_coroutine)

    @functools.wraps(function)
    def carried_function(*args: P.args, **kwargs: P.kwargs) -> R:
        return cast("R", _scope.Steps(context).run(function, *args, **kwargs))

    return carried_function
