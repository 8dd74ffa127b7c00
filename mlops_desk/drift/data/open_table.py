"""Opened data, whatever they came from: a relation of DuckDB's, its columns, and what is wrong with some lines."""

# ruff: noqa: S608 - the relation's names and paths are quoted by who opened it

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

_ROW_GROUP = 122_880  # rows that DuckDB writes and reads as one


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """Opened data: ``columns`` maps a name to (SQL identifier, type); texts of a file of text may be anything.

    ``tells_empty``: the file has a word for nothing, so that "" is a value. ``numbered`` is the relation with each
    row's number in its file as ``file_row_number``, None where a column has that name; ``lengths`` are the files' rows.
    """

    relation: str
    columns: Mapping[str, tuple[str, str]]
    n_rows: int
    is_text: bool = False
    tells_empty: bool = True
    n_rejected: int = 0
    notes: tuple[str, ...] = ()
    numbered: str | None = None
    lengths: tuple[int, ...] = ()

    def parts(self, rows: int) -> Iterator["OpenedTable"]:
        """Cut the table into parts of about ``rows`` rows, none of them empty; DuckDB reads no more than each needs.

        Of several files a part has rows of each, and of very many more than ``rows``: no less than a row group of each.
        """
        if self.numbered is None or self.n_rows <= rows:
            yield self
            return
        step = max(_ROW_GROUP, rows // len(self.lengths))
        for first in range(0, max(self.lengths), step):
            chosen = f"WHERE file_row_number >= {first} AND file_row_number < {first + step}"
            yield replace(
                self, relation=f"(SELECT * FROM {self.numbered} {chosen})", n_rows=self._n_between(first, step)
            )

    def _n_between(self, first: int, step: int) -> int:
        return sum(min(step, max(0, n - first)) for n in self.lengths)
