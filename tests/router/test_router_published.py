"""The published JSON Schemas: they are schemas, the documentation's examples fit them, and a typo does not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from llmtrace.cli import main

PAGE = (Path(__file__).parents[2] / "docs/reference/alerts-yaml.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def published(capsys, what: str):
    """What the command prints."""
    assert main(["router", "schema", what]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_fit_their_schema(capsys, number):
    """An editor that knows the schema has nothing against what the documentation shows."""
    what = "mapping" if EXAMPLES[number].startswith("# mapping") else "config"
    jsonschema.validate(yaml.safe_load(EXAMPLES[number]), published(capsys, what))


def test_a_typo_does_not_fit(capsys):
    """Unknown keys are marked, in routes and in notifiers too."""
    schema = published(capsys, "config")
    for wrong in ({"recievers": {}}, {"routes": [{"teir": "page"}]}, {"receivers": {"a": {"webhook": {"urll": ""}}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"version": 1, "receivers": {"a": {"console": {}}}} | wrong, schema)


def test_a_generic_alert_fits_its_schema(capsys):
    """A name is enough; fields that the schema does not know are allowed."""
    schema = published(capsys, "alert")
    jsonschema.validate({"name": "a", "severity": "critical", "value": 1.5, "mine": True}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"severity": "critical"}, schema)
