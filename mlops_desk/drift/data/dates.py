"""Whether dates like 01/02/2024 have the day or the month first: told by the whole column, never by one value.

A first or a second number above 12 can be no month, so one such value settles all. Where values speak for both the more
numerous win, and the others are of the wrong type. Where none speaks, and the two readings are not the same, nobody can
tell: then somebody has to say so.
"""

# ruff: noqa: S608 - the expressions are made by ``spelling``, of our own column t

from dataclasses import dataclass
from typing import Any

from mlops_desk.drift.data import value_parsers


@dataclass(frozen=True, slots=True)
class WrittenDates:
    """How many texts are such dates (``n``), and which number is the day: None where no value tells.

    ``is_same``: it makes no difference, for each is the same moment either way.
    """

    n: int
    day_first: bool | None
    is_same: bool = False


def dates_of(connection: Any, values: str) -> WrittenDates:
    """Look at a relation of texts ``t``, each there ``n`` times. Raises duckdb.Error."""
    day, month = (value_parsers.slashed("t", day_first=first) for first in (True, False))
    n, n_day, n_month, n_apart = connection.execute(f"""
        SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (d NOTNULL), 0), coalesce(sum(n) FILTER (m NOTNULL), 0),
            coalesce(sum(n) FILTER (d <> m), 0)
        FROM (SELECT n, {day} AS d, {month} AS m FROM {values}) WHERE d NOTNULL OR m NOTNULL""").fetchall()[0]
    if n_day == n_month:
        return WrittenDates(int(n), day_first=None, is_same=not n_apart)
    return WrittenDates(int(n), day_first=bool(n_day > n_month))
