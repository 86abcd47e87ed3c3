"""The end of a delivery, and its hurry: whether there is still something to hope for from the backend."""

from __future__ import annotations

from llmtrace.exporters.circuit import Circuit


class Ending:
    """Looked at and changed under the stock's `changed`."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.hurries = False
        """Whether somebody waits: nothing gathers, and no pause of ours is kept."""
        self.has_begun = False
        """Whether `close` was called."""
        self.is_over = False
        """Whether nothing is sent or written any more."""
        self.undelivered = 0
        """Spans that were left behind."""
        self._attempts = 0

    def begin(self) -> None:
        """From now on attempts are counted."""
        self.has_begun = True
        self._attempts = 0

    def attempted(self, *, failed: bool) -> None:
        """A batch was sent, or could not be: after a failure pauses are kept again."""
        self._attempts += 1
        if failed:
            self.hurries = False

    def calm_down(self) -> None:
        """Nobody waits any more, but for the end."""
        self.hurries = self.has_begun

    def is_hopeless(self, deadline: float) -> bool:
        """Whether waiting is in vain: asked since the end began, or asked to wait, by a backend that is away."""
        asked = self._attempts > 0 or self._circuit.asked_to_wait
        return asked and self._circuit.is_hopeless(deadline)
