"""The edge between telemetry and the app."""

from __future__ import annotations

import logging

import pytest

from llmtrace import _guard
from llmtrace._guard import guarded, say_once, set_strict, swallowed

pytest_plugins = ("core_fixtures",)

SECRET = "s3cr3t-c4n4ry"


def fail(error: BaseException) -> None:
    """Raise inside a guarded block."""
    with guarded("testing"):
        raise error


def test_an_error_of_ours_is_swallowed_counted_and_said_once(lenient, counts, caplog):
    """The app goes on; one log line a place and type, however often it happens; each time is counted."""
    for _ in range(3):
        fail(ValueError(SECRET))
    fail(KeyError(SECRET))
    assert counts() == {"lost.internal_error": 4}
    assert [entry.getMessage() for entry in caplog.records] == [
        "llmtrace: testing failed with ValueError; your call is not affected",
        "llmtrace: testing failed with KeyError; your call is not affected",
    ]
    assert {entry.name for entry in caplog.records} == {"llmtrace"}


def test_the_text_of_an_error_is_not_logged(lenient, caplog):
    """It may hold content: only its type is said."""
    caplog.set_level(logging.DEBUG)
    fail(ValueError(SECRET))
    assert SECRET not in caplog.text
    assert not any(entry.exc_info for entry in caplog.records)


def test_what_ends_the_process_passes(lenient, counts):
    """Ctrl-C is not ours to keep."""
    with pytest.raises(KeyboardInterrupt):
        fail(KeyboardInterrupt())
    assert counts() == {}


def test_a_system_exit_is_an_error_like_any_other(lenient, counts):
    """In our own code it can only come from a value that the app gave us: it ends nothing."""
    fail(SystemExit(1))
    assert counts() == {"lost.internal_error": 1}


def test_in_our_own_tests_nothing_is_swallowed(strict):
    """Strict mode raises the error itself."""
    boom = ValueError("boom")
    with pytest.raises(ValueError, match="boom") as caught:
        fail(boom)
    assert caught.value is boom
    with pytest.raises(ValueError, match="boom"):
        swallowed("testing", boom)


def test_strict_mode_can_be_left(lenient):
    """set_strict(False) swallows again."""
    set_strict(True)
    set_strict(False)
    fail(ValueError())


def test_what_was_said_once_can_be_said_again_in_a_new_life(lenient, caplog):
    """forget_said begins anew; another key is another line."""
    say_once("a", "line %d", 1)
    say_once("a", "line %d", 2)
    say_once("b", "line %d", 3)
    _guard.forget_said()
    say_once("a", "line %d", 4)
    assert [entry.getMessage() for entry in caplog.records] == ["line 1", "line 3", "line 4"]


def test_nothing_happens_where_nothing_fails(strict, counts):
    """A block that works costs no count."""
    with guarded("testing"):
        pass
    assert counts() == {}
