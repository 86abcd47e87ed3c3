"""The reference page of alerts.yaml: its examples load, and no key, reason or state is missing from it."""

from __future__ import annotations

import re
from collections import defaultdict
from enum import StrEnum
from pathlib import Path

import pytest
from reference_tables import MODELS, written
from router_values import make_config

from llmtrace.router import model
from llmtrace.router.config import access, cases, enrich, phoenix, schema, times, watch
from llmtrace.router.config.cases import CaseFile
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.schema import RouterFile
from llmtrace.router.intake import body
from llmtrace.router.model import Annotation, Outcome, Reason, Tier
from llmtrace.router.notifiers import KINDS
from llmtrace.router.web import body as web_body

PAGE = (Path(__file__).parents[2] / "docs/reference/alerts-yaml.md").read_text()
EXAMPLES = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if not text.startswith("# mapping")]
MARKS = re.findall(r"<!-- keys of ([\w-]+) -->", PAGE)
ENVIRON = defaultdict(lambda: "https://example.org/hook", PAGER_SECRET="whsec_" + "A" * 32,
                      PAGERDUTY_KEY="k" * 32)  # fmt: skip


def keys() -> set[str]:
    """Every key of the file."""
    models = [
        schema.RouterFile,
        schema.Route,
        schema.TierOptions,
        schema.LinkOptions,
        schema.RetentionOptions,
        schema.EscalationStep,
        access.Auth,
        access.Signed,
    ]
    models += [access.IntakeOptions, access.NamedOptions, access.WebOptions, AlertMapping]
    models += [kind.settings for kind in KINDS.values()]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def test_its_tables_are_those_of_the_schemas():
    """Every key, its meaning and its default; `python tests/router/reference_tables.py` writes them afresh."""
    assert written(PAGE) == PAGE
    assert sorted(MARKS) == sorted(MODELS)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_key_has_its_meaning(name):
    """In the schema, where editors show it too."""
    assert [key for key, field in MODELS[name].model_fields.items() if not field.description] == []


def test_every_mapping_of_the_file_has_a_table():
    """What can stand in the file, or in a file of tests, at any depth."""
    reachable = set(RouterFile.model_json_schema()["$defs"]) | set(CaseFile.model_json_schema()["$defs"])
    mappings = {name for name in reachable if not issubclass(named(name), StrEnum)}
    assert {name for name in mappings if not any(covers(known, name) for known in MODELS.values())} == set()
    assert mappings


def named(name: str) -> type:
    """The class behind a definition of the schema."""
    return next(
        found
        for module in (schema, access, times, watch, enrich, phoenix, cases, model)
        if (found := getattr(module, name, None))
    )


def covers(known: type, name: str) -> bool:
    """Whether a table shows all keys of it."""
    return set(named(name).model_fields) <= set(known.model_fields)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_is_a_file_that_works(tmp_path, number):
    """What a reader copies is accepted as it stands."""
    environ = {name: ENVIRON[name] for name in re.findall(r"\$\{(\w+)\}", EXAMPLES[number])}
    assert make_config(tmp_path, EXAMPLES[number], environ).route_count > 0


def test_one_example_shows_every_notifier():
    """With what it must have, so that a reader finds all in one place, and editors check all of them."""
    shown = [set(re.findall(r"^ +(?:changes: {)?(\w+): {", text, re.MULTILINE)) for text in EXAMPLES]
    assert any(set(KINDS) <= each for each in shown)


@pytest.mark.parametrize("word", sorted({*keys(), *KINDS, *Reason, *Tier, *(set(Outcome) - {Outcome.RETRY})}))
def test_every_word_is_explained(word):
    """Keys, notifiers, reasons, tiers and states all stand on the page."""
    assert re.search(rf"[`.]{re.escape(word)}\b|\b{re.escape(word)}: ", PAGE)


def test_annotations_and_bounds_are_those_of_the_code():
    """The page's numbers and names are the real ones."""
    for annotation in set(Annotation) - {Annotation.THRESHOLD}:
        assert f"`{annotation}`" in PAGE
    assert f"{web_body.LARGEST_BODY // 2**20} MiB ({body.LARGEST_DECOMPRESSED // 2**20} MiB" in PAGE
    assert f"{body.MOST_ALERTS:,} alerts" in PAGE
