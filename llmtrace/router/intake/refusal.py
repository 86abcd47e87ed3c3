"""A request that is not taken: its HTTP status, and what is wrong and what is allowed in words."""

from __future__ import annotations

from http import HTTPStatus


class RefusedError(Exception):
    """A request cannot be taken. ``status`` is the HTTP status, the message says what is wrong and what is allowed."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
