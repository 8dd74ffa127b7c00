"""What checks ask of a database, whichever it is: rows, whole, with a deadline for each question."""

from collections.abc import Iterator
from typing import Any, Protocol


class Rows(Protocol):
    """A store's database, read only. Values are named ``:name``. Everything raises DeskErrors."""

    @property
    def dialect(self) -> str:
        """Which it is: sqlite or postgresql."""
        ...

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]: ...

    def value(self, query: str, **values: Any) -> Any: ...

    def pieces(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``… WHERE key > :after ORDER BY key LIMIT :n``, the key being the first column, a text."""
        ...

    def indexed(self, table: str, index: str) -> str:
        """Name a table in a query, with the index that is to be used, where that is there and can be said."""
        ...

    def has(self, table: str, column: str | None = None) -> bool: ...
