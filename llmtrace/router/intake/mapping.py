"""From another tool's JSON to generic alerts, by a mapping that is data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from llmtrace.router.config.mapping import FIELDS, AlertMapping, Path
from llmtrace.router.intake.body import bounded
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.severities import state_of

_ABSENT: Final = object()


def apply(mapping: AlertMapping, data: Any) -> list[dict[str, Any]]:
    """The alerts of a body, as objects of the generic format.

    Raises:
        RefusedError: 400, where the mapping's list is none.
    """
    items = data if mapping.alerts is None else _at(data, mapping.alerts)
    if mapping.alerts is None and not isinstance(data, list):
        items = [data]
    if not isinstance(items, list):
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{_text(mapping.alerts or ())}: no list of alerts in the body")
    return [_named(mapping, _map(mapping, item), index) for index, item in enumerate(bounded(items))]


def _named(mapping: AlertMapping, alert: dict[str, Any], index: int) -> dict[str, Any]:
    if alert.get("name") in (None, ""):
        places = " nor at ".join(_text(path) for path in mapping.fields.get("name", ()))
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, f"alerts[{index}]: name: nothing at {places}, where the mapping looks"
        )
    return alert


def _text(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _map(mapping: AlertMapping, item: Any) -> dict[str, Any]:
    used = {path[0] for paths in mapping.fields.values() for path in paths}
    unknown = {name: value for name, value in item.items() if name not in used} if isinstance(item, dict) else {}
    found = {field: _meaning(mapping, field, item, paths) for field, paths in mapping.fields.items()}
    # What a tool calls `status` or `value` too is no field of ours unless the mapping says so.
    namesakes = {name: [(name,)] for name in unknown if name in FIELDS}
    return {
        **{name: value for name, value in unknown.items() if name not in _RESERVED},
        **mapping.defaults,
        **{field: value for field, value in found.items() if value is not _ABSENT},
        "labels": _scalars(mapping.labels, item),
        "annotations": _scalars(namesakes, item) | _scalars(mapping.annotations, item),
    }


_RESERVED: Final = frozenset({"labels", "annotations", *FIELDS})


def _meaning(mapping: AlertMapping, field: str, item: Any, paths: Sequence[Path]) -> Any:
    # A name that is none, the next place may have.
    value = _first(item, [path for path in paths if field != "name" or _is_word(_at(item, path))])
    if value is _ABSENT:
        return value
    words = {word.lower(): meaning for word, meaning in mapping.values.get(field, {}).items()}
    return words.get(str(value).lower(), state_of(value).value if field == "status" else value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _first(item: Any, paths: Sequence[Path]) -> Any:
    return next((value for path in paths if (value := _at(item, path)) not in (_ABSENT, None, "")), _ABSENT)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else _ABSENT
        else:
            data = data.get(step, _ABSENT) if isinstance(data, dict) else _ABSENT
        if data is _ABSENT:
            return _ABSENT
    return data


def _scalars(wanted: Mapping[str, Sequence[Path]], item: Any) -> dict[str, str]:
    found = ((name, _first(item, paths)) for name, paths in wanted.items())
    return {name: str(value) for name, value in found if isinstance(value, str | int | float | bool)}
