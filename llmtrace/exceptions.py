"""Every exception that llmtrace raises on purpose.

    LlmtraceError
     +-- ConfigurationError      a setting is wrong: which one, its value, and what is allowed (also a ValueError)

They are raised at start only, by ``init_tracing`` and by the commands. At run time telemetry never raises into the app.
"""

from __future__ import annotations


class LlmtraceError(Exception):
    """The root of all of llmtrace's own exceptions."""


class ConfigurationError(LlmtraceError, ValueError):
    """A setting is wrong. The message is one line: the key, the value, and what is allowed."""
