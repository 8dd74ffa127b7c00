"""What the readers ask of a database, whichever it is. Each connection is used by one thread."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from mlops_desk.registry.store.schema import StoreLayout

Row = tuple[Any, ...]

_ONE_NAME = 3  # values in a row whose owner has one name: it, key and value


class StoreDatabase(Protocol):
    """An open store. Everything raises DeskErrors."""

    dialect: str
    sorts_itself: bool
    """Whether texts may stand in another order than that of their code points: see ``in_order``."""
    shown: str
    """The address for messages: without a password."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query; a question mark stands for a value."""
        ...

    def part(self, sql: str, parameters: Sequence[Any], *, limited: bool) -> list[Row]:
        """Return all rows of a query. Raises TooLong where it is ``limited`` and a writer might have waited."""
        ...

    def table(self, columns: str, table: str, condition: str) -> Iterator[Row]:
        """Yield rows of a table in the order in which they were written, read a part at a time."""
        ...

    def listed(self, run_ids: Sequence[str]) -> Any:
        """Return the value that stands for a list of runs (see statements.Statements.ids)."""
        ...

    def in_order(self, texts: Sequence[str]) -> Sequence[str]:
        """Return texts as the database sorts them."""
        ...

    def layout(self) -> tuple[StoreLayout, Sequence[str]]:
        """Return what its catalogue tells of its tables, and the revisions that it names."""
        ...

    def close(self) -> None: ...


def by_name(pairs: Iterator[Row]) -> Mapping[Any, dict[str, str]]:
    """Gather rows of (whose, key, value) into a mapping for each owner."""
    found: dict[Any, dict[str, str]] = {}
    for row in pairs:
        owner = row[0] if len(row) == _ONE_NAME else row[:-2]
        found.setdefault(owner, {})[row[-2]] = row[-1] or ""
    return found
