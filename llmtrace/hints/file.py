"""Hint rules from a file: TOML or JSON with what Python brings; YAML where PyYAML is installed.

[[rules]]
name = "slow-answers"
when = "slow"
over = "10s"
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from llmtrace.exceptions import ConfigurationError
from llmtrace.hints import DEFAULTS, FIELDS, HintRule

_KEYS: Final = ("defaults", "rules")


def load(path: Path, setting: str = "hints") -> tuple[HintRule, ...]:
    """The rules of a file; with ``defaults = true`` after llmtrace's own.

    Args:
        path: the file.
        setting: what named it, for messages.

    Raises:
        ConfigurationError: where the file cannot be read or a rule cannot be: the file, the rule, the key, its value,
            and what is allowed.
    """
    document = _parse(path, setting)
    if not isinstance(document, Mapping):
        raise ConfigurationError(
            f"{path}: the file holds a {type(document).__name__}; allowed: the keys {', '.join(_KEYS)}"
        )
    _refuse_unknown(str(path), document, _KEYS)
    defaults, rules = document.get("defaults", False), document.get("rules", [])
    if not isinstance(defaults, bool):
        raise ConfigurationError(f"{path}: defaults={defaults!r:.80}; allowed: true, false")
    if not isinstance(rules, list):
        raise ConfigurationError(f"{path}: rules={rules!r:.80}; allowed: a list of rules")
    made = [_rule(f"{path}: rules[{place}]", rule) for place, rule in enumerate(rules)]
    return distinct((*(DEFAULTS if defaults else ()), *made))


def distinct(rules: Sequence[HintRule]) -> tuple[HintRule, ...]:
    """The rules, none of which has the name of another.

    Raises:
        ConfigurationError: where two have the same name.
    """
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise ConfigurationError(f"hint rule name={rule.name!r} is there twice; allowed: each name once")
        seen.add(rule.name)
    return tuple(rules)


def _rule(place: str, found: object) -> HintRule:
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{place}={found!r:.80}; allowed: a rule with the keys {', '.join(FIELDS)}")
    _refuse_unknown(place, found, FIELDS)
    for key in ("name", "when"):
        if key not in found:
            raise ConfigurationError(f"{place}: {key} is missing")
    try:
        return HintRule(**found)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error}") from None


def _refuse_unknown(place: str, found: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            raise ConfigurationError(f"{place}: {key!r:.80} is no key; allowed: {', '.join(known)}")


def _parse(path: Path, setting: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        ".toml": _toml,
        ".json": json.loads,
        ".yaml": _yaml,
        ".yml": _yaml,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(f"{setting}={str(path)!r:.200}; allowed: a file named *.toml, *.json, *.yaml or *.yml")
    try:
        return reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"{setting}={str(path)!r:.200} cannot be read ({error.strerror}); allowed: a file"
        ) from None
    except (ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: this is no {path.suffix[1:].upper()} ({told:.200})") from None


def _toml(text: str) -> Any:
    import tomllib  # noqa: PLC0415 - few services have such a file

    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    try:
        import yaml  # noqa: PLC0415 - no part of the base install
    except ImportError:
        raise ConfigurationError(
            "hints in YAML need PyYAML, which the base install leaves out; allowed: TOML, JSON, or `pip install pyyaml`"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
