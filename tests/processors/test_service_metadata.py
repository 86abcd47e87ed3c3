"""Service name, version and environment in the metadata."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.resources import Resource
from records import record

from llmtrace.processors.adding import adding
from llmtrace.processors.service_metadata import service_metadata

FULL = {"service.name": "bot", "service.version": "1.2", "deployment.environment.name": "production"}


def metadata(resource: dict, present: object = None) -> object:
    """The metadata after the step."""
    attributes = {} if present is None else {"metadata": present}
    return adding(service_metadata(Resource(resource)))(record(attributes)).attributes["metadata"]


def test_what_the_resource_says_of_the_service_is_in_the_metadata():
    """Phoenix drops resource attributes, so the three are copied where it keeps them, and no other."""
    assert json.loads(metadata({**FULL, "host.name": "secret-host"})) == FULL


def test_the_older_name_of_the_environment_is_understood():
    """deployment.environment counts where the newer key is not set."""
    assert json.loads(metadata({"deployment.environment": "old"})) == {"deployment.environment.name": "old"}
    both = {"deployment.environment": "old", "deployment.environment.name": "new"}
    assert json.loads(metadata(both)) == {"deployment.environment.name": "new"}


def test_the_users_metadata_is_joined_and_wins():
    """Keys of the user's stay, and the same key as ours is the user's."""
    joined = json.loads(metadata(FULL, '{"tenant": "acme", "service.name": "mine"}'))
    assert joined == {**FULL, "tenant": "acme", "service.name": "mine"}


@pytest.mark.parametrize("present", ["no JSON", "[1]", "7", "[" * 100_000, 7, True])
def test_metadata_that_is_no_json_object_stays_as_it_is(present):
    """What cannot be joined is not destroyed."""
    assert metadata(FULL, present) == present
