"""What the store needs of a database product; one file for each product says how it is done there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Engine


def _read(text: str | bytes) -> Any:
    """None where it cannot be read: whoever needs it says so, and who only shows it shows the rest."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return None


JSON_CODEC: Final[Mapping[str, Any]] = MappingProxyType(
    {"json_serializer": lambda value: msgspec.json.encode(value).decode(), "json_deserializer": _read}
)
"""How columns of JSON are written and read, for ``create_engine``."""
LATEST_FIRST: Final = True
"""Which connection of a pool is taken: the one used last has its pages and plans at hand, for the next turn too."""


class Rows(Protocol):
    """Plain statements without SQLAlchemy's care: the inbox is written a thousand times a second."""

    mark: str
    """What stands for a parameter."""
    near: bool
    """Whether it is a file of this machine."""

    def make_room(self) -> None:
        """Get ready for many writes."""

    def write(self, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """Run each with its rows, all in one transaction; return once it is on disk.

        Raises:
            StoreError: it is not; nothing was changed.
        """

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """All rows that the statement finds.

        Raises:
            StoreError: the database failed.
        """


class Backend(Protocol):
    """An open database that no other router uses."""

    @property
    def name(self) -> str:
        """For messages: without a password."""

    @property
    def engine(self) -> Engine:
        """Where transactions are made."""

    @property
    def inbox(self) -> Rows:
        """Where accepted alerts go first."""

    def append_only(self, table: str, above: str) -> Sequence[str]:
        """Statements after which rows of the table are neither changed nor taken out.

        ``above``: a scalar query; rows whose id is not above its result may be taken out, for they are too old to keep.
        """

    def close(self) -> None:
        """Give all connections back, and the database to the next router."""
