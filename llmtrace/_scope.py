"""Making a context current and leaving it again, without a log line where leaving is no longer possible.

OpenTelemetry's own ``detach`` logs "Failed to detach context" when a generator is closed from another task. That is a
fact of Python's generators, not an error of the app, so here it is only reported to the caller.
"""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context

attach = otel_context.attach
current = otel_context.get_current


def detach(token: Token[Context]) -> bool:
    """Leave the context that `token` stands for; False where it was entered in another execution context."""
    try:
        otel_context._RUNTIME_CONTEXT.detach(token)  # noqa: SLF001 - the public detach logs the failure that we expect
    except (ValueError, RuntimeError):
        return False
    return True
