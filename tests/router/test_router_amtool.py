"""Routes mean what Alertmanager's do: for any tree and any labels our receivers are those that its own tool names."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus import program
from router_values import make_alert, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.routing import tiers
from llmtrace.router.routing.tree import route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAMES = st.sampled_from(["team", "service", "model"])
WORDS = st.sampled_from(["", "a", "b", "ab", "a.b", "a b", "A", "ä", 'a"b', "a\\b", "a\nb", "aa", "1"])
PATTERNS = st.sampled_from(
    ["a|b", "a.*", ".+", "", "a?", "[ab]+", "(?i)A", "a.b", "a\\.b", "^a", "a$", "b|", "[[:alpha:]]", "\\w+", "a{1,2}",
     "ä", "(a|ab)(b|)", "\\d", "a\\sb", "[^a]", "(?:a|b)b?", "a{,2}", "(?s)a.b", "\\pL+",
     "(?P<x>a)b"]
)  # fmt: skip
WRITTEN = st.one_of(
    st.tuples(NAMES, st.sampled_from(["=", "!="]), WORDS), st.tuples(NAMES, st.sampled_from(["=~", "!~"]), PATTERNS)
)
RAW = st.sampled_from(
    ["team=a", " team = a ", "team=", "team!=a", "team=~a|b", 'team="a\\"b"', "team=a\\nb", "team=a\\\\b", "team=a\\qb",
     'team="a b" ', "team=a\\", "team!~", "team=~.*", "team =~ a.", "model=ä", 'team=a"b', 'team="a', 'team=a"',
     "team=~(", "team=~a++", "team=~(?=a)", "team", "=a", "team==a", 'team="a"b"', 'team="\\"', 'team="']
)  # fmt: skip


def quoted(parts: tuple[str, str, str]) -> str:
    """With everything escaped that must be."""
    name, operator, value = parts
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}{operator}"{escaped}"'


ROUTES = st.recursive(
    st.just([]),
    lambda inner: st.lists(
        st.tuples(st.lists(WRITTEN.map(quoted) | RAW, max_size=2), st.booleans(), inner), max_size=3
    ),
    max_leaves=6,
)
LABELS = st.dictionaries(NAMES, WORDS.filter(bool), max_size=3)


class Numbered:
    """Trees in both forms; each route has a receiver of its own."""

    def __init__(self, routes: Sequence[Any]) -> None:
        self.receivers = ["root"]
        self.routes = [self._route(*each) for each in routes]

    def _route(self, matchers: list[str], goes_on: bool, below: Sequence[Any]) -> dict[str, Any]:
        name = f"r{len(self.receivers)}"
        self.receivers.append(name)
        children = [self._route(*each) for each in below]
        return {"matchers": matchers, "continue": goes_on, "receiver": name, "routes": children}

    def alertmanagers(self) -> str:
        """With a root that takes what no route takes."""
        receivers = [{"name": name} for name in self.receivers]
        return yaml.safe_dump({"route": {"receiver": "root", "routes": self.routes}, "receivers": receivers})

    def ours(self) -> str:
        """The routes as they are, and a last one in place of the root."""
        receivers = {name: {"console": {}} for name in self.receivers}
        return yaml.dump(
            {"version": 1, "receivers": receivers, "routes": [_ours(each) for each in self.routes]}, Dumper=Quoting
        )


class Quoting(yaml.SafeDumper):
    """Quotes every text, as matchers must be."""


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)  # fmt: skip


def _ours(theirs: Mapping[str, Any]) -> dict[str, Any]:
    same = {key: theirs[key] for key in ("matchers", "continue")}
    below = [_ours(each) for each in theirs["routes"]]
    return {**same, "receivers": [theirs["receiver"]], "tier": "channel", "routes": below}


def amtool(folder: Path, text: str, labels: Mapping[str, str]) -> list[str] | None:
    """The receivers that amtool names; None where it refuses the file."""
    file = folder / "alertmanager.yml"
    file.write_text(text)
    arguments = [quoted((name, "=", value)) for name, value in labels.items()]
    command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return ended.stdout.strip().split(",") if ended.returncode == 0 else None


def ours(folder: Path, text: str, labels: Mapping[str, str]) -> list[str] | None:
    """The receivers that our rules choose; None where they are refused."""
    try:
        config = make_config(folder, text)
    except ConfigurationError:
        return None
    alert = make_alert("error")
    object.__setattr__(alert, "labels", {"alertname": "x", "severity": "error", **labels})
    nodes = route(alert, config.routes)
    return [name for node in nodes for name in tiers.policy(node, alert.severity).receivers] or ["root"]


def agree(folder: Path, routes: Sequence[Any], labels: Mapping[str, str]) -> None:
    """Both say the same of these routes and labels."""
    both = Numbered(routes)
    assert ours(folder, both.ours(), labels) == amtool(folder, both.alertmanagers(), labels)


@settings(max_examples=settings().max_examples // 5)
@given(ROUTES, LABELS)
def test_our_receivers_are_those_that_amtool_names(tmp_path_factory, routes, labels):
    """Trees, continue, missing labels, quotes, escapes and RE2's patterns, the wrong ones refused by both."""
    agree(tmp_path_factory.getbasetemp(), routes, labels)


@pytest.mark.parametrize(
    "matcher", ["team=~a|b", "team=a\\nb", "team=a\\", 'team="a', "team=~a++", """team=~"a{,2}" """]
)
@pytest.mark.parametrize("label", ["a", "a\nb", "a\\", "a{,2}"])
def test_each_trap_of_the_syntax_is_read_as_amtool_reads_it(tmp_path, matcher, label):
    """Bare words, escapes without quotes, quotes that do not close, and patterns that Python reads otherwise."""
    agree(tmp_path, [([matcher], False, [])], {"team": label})
