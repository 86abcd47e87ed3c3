"""The reference page of alerts.yaml: its examples load, and no key, reason or state is missing from it."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from router_values import make_config

from llmtrace.router.config import access, schema
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.intake import body
from llmtrace.router.model import Annotation, Outcome, Reason, Tier
from llmtrace.router.notifiers import KINDS
from llmtrace.router.web import body as web_body

PAGE = (Path(__file__).parents[2] / "docs/reference/alerts-yaml.md").read_text()
EXAMPLES = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if not text.startswith("# mapping")]
ENVIRON = defaultdict(lambda: "https://example.org/hook", PAGER_SECRET="whsec_" + "A" * 32)


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


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_is_a_file_that_works(tmp_path, number):
    """What a reader copies is accepted as it stands."""
    environ = {name: ENVIRON[name] for name in re.findall(r"\$\{(\w+)\}", EXAMPLES[number])}
    assert make_config(tmp_path, EXAMPLES[number], environ).route_count > 0


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
