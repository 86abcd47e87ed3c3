"""What the tests of the examples share: the scripted model server as a real process."""

from __future__ import annotations

import os

import pytest
from rich.console import Console

from examples.support_bot.processes import Children
from examples.support_bot.progress import Progress
from examples.support_bot.stack import clean_environment, start_uvicorn, wait_for_uvicorn


@pytest.fixture(scope="session")
def model_server(tmp_path_factory):
    """The base URL of a running scripted model server, as the openai SDK wants it."""
    folder = tmp_path_factory.mktemp("model")
    with Children(folder, clean_environment(os.environ, folder)) as children:
        child = start_uvicorn(children, "model", "scripted_model")
        yield wait_for_uvicorn(child, Progress(Console(quiet=True))) + "/v1"
