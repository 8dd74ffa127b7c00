"""What kind a column of the reference is: by what the caller says, by its type in the file, or by its values.

This is the one place where a kind is decided; ``records.drift.columns`` tells how the answer is frozen and kept. Where
the reference has no value at all, the current data's are looked at, for some kind the column needs.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

import re
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data import spelling
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.records.drift import DriftOptions
from mlops_desk.records.drift.columns import WORDS, ColumnKind, ColumnRole, FrozenColumn

FITTING_SHARE = 0.9
"""A column of texts is of numbers or of moments when at least this share of what the reference has in it is."""
DISTINCT_IDENTIFIER = 0.95  # chosen: an identifier repeats only where rows do
DISTINCT_TEXT = 0.5  # chosen: what people write themselves hardly repeats, and what they choose does
SEVERAL_WORDS = 2.0  # of the median value; an identifier is one
LEAST_ROWS = 50  # chosen: among fewer values hardly any repeats, whatever they are
_AN_ID = re.compile(r"(?i:id|uuid|guid|index|row|unnamed: ?\d+)|.*[_ .-](?i:id|uuid|guid)|.*[a-z]I[dD]")
"""Names of identifiers; of whole numbers that are all distinct nothing else tells them from measured ones."""
_ARRAYS = "Arrays, objects and bytes have no one value to compare."
_WHY_ID = "Nearly all values are distinct: an identifier."
_NOTHING = '"NULL"'  # the type of a column in which nobody ever wrote a value
_WORD = r"\s+"


def freeze(connection: Any, reference: OpenedTable, current: OpenedTable, options: DriftOptions) -> list[FrozenColumn]:
    """Decide what each column of the reference is; what is frozen stays so. Raises Invalid, duckdb.Error."""
    known = {column.name: column for column in options.frozen}
    return [known.get(name) or _decided(connection, reference, current, name, options) for name in reference.columns]


def _decided(
    connection: Any, reference: OpenedTable, current: OpenedTable, name: str, options: DriftOptions
) -> FrozenColumn:
    said = options.kinds.get(name)
    if said is not None and said != WORDS:
        if said not in set(ColumnKind):
            raise Invalid(
                f"Column {plain(name)!r} can't be of the kind {plain(said)!r}.", f"Kinds: {', '.join(ColumnKind)}."
            )
        return FrozenColumn(name, ColumnKind(said))
    found: FrozenColumn | None = None
    for source in (reference, current):
        if name in source.columns:
            found = _looked_at(connection, source, name, as_words=said == WORDS)
            if found is not None:
                return found
    kind = _kind_of_type(reference.columns[name][1])
    return FrozenColumn(name, kind, why_not=None if kind else _ARRAYS)


def _looked_at(connection: Any, source: OpenedTable, name: str, *, as_words: bool) -> FrozenColumn | None:
    """Decide by one side's values; None where it has none."""
    column, database_type = source.columns[name]
    if database_type.startswith("ENUM"):
        return FrozenColumn(name, ColumnKind.CATEGORICAL)
    if spelling.is_words(database_type):
        return _of_texts(connection, source, name, as_words=as_words or not source.is_text)
    if spelling.is_numeric(database_type) and "INT" in database_type:
        query = f"SELECT count({column}), min({column}), max({column}) FROM {source.relation}"
        n_values, least, most = connection.execute(query).fetchall()[0]
        values = f"(SELECT {column} AS t FROM {source.relation})"
        return _of_integers(connection, values, name, n_values, (least, most)) if n_values else None
    kind, is_duration = _kind_of_type(database_type), spelling.is_duration(database_type)
    if not connection.execute(f"SELECT count({column}) FROM {source.relation}").fetchall()[0][0]:
        return None
    return FrozenColumn(name, kind, why_not=None if kind else _ARRAYS, is_duration=is_duration)


def _of_integers(connection: Any, values: str, name: str, n_values: int, ends: tuple[float, float]) -> FrozenColumn:
    if n_values >= LEAST_ROWS and _AN_ID.fullmatch(name) and _n_distinct(connection, values) == n_values:
        return FrozenColumn(name, ColumnKind.IDENTIFIER, ColumnRole.ID, _WHY_ID)
    return FrozenColumn(name, ColumnKind.NUMERIC, is_binary=ends[0] >= 0 and ends[1] <= 1)


def _n_distinct(connection: Any, values: str) -> int:
    """Count the distinct values: with millions of them no short work, so only where it decides something."""
    return int(connection.execute(f"SELECT count(DISTINCT t) FROM {values}").fetchall()[0][0])


@dataclass(frozen=True, slots=True)
class _Tally:
    """Of the values of a column of texts: how many there are, and how many can be read as what."""

    n: int
    n_true: int
    n_false: int
    n_binary: int
    n_numbers: int
    n_whole: int
    n_nested: int
    least: float | None
    most: float | None


def _of_texts(connection: Any, source: OpenedTable, name: str, *, as_words: bool) -> FrozenColumn | None:
    """Decide by texts: true and false, numbers, moments, durations, and else by how many words and how distinct."""
    column = f"CAST({source.columns[name][0]} AS VARCHAR)"
    values = f"(SELECT {column} AS t FROM {source.relation} WHERE NOT {spelling.missing(column)})"
    found = _tally(connection, values)
    if not found.n:
        return None
    if found.n_nested == found.n:
        return FrozenColumn(name, None, why_not=_ARRAYS)
    are_words = found.n_true + found.n_false == found.n and found.n_binary < found.n
    if are_words and found.n_true and found.n_false:
        return FrozenColumn(name, ColumnKind.BOOLEAN)
    if not as_words and found.n_numbers >= FITTING_SHARE * found.n:
        if found.n_whole == found.n and found.least is not None and found.most is not None:
            return _of_integers(connection, values, name, found.n, (found.least, found.most))
        return FrozenColumn(name, ColumnKind.NUMERIC)
    share = 1.0 if as_words else FITTING_SHARE
    return _otherwise_written(connection, values, name, found.n, share) or _of_words(connection, values, name, found.n)


def _tally(connection: Any, values: str) -> _Tally:
    number, word = spelling.number("t"), spelling.boolean("t")
    return _Tally(
        *connection.execute(f"""
        SELECT count(*), count(*) FILTER ({word}), count(*) FILTER (NOT {word}),
            count(*) FILTER (x IN (0, 1)), count(x), count(*) FILTER (isfinite(x) AND x = floor(x)),
            count(*) FILTER (t[1] IN ('[', '{{') AND json_valid(t)), min(x), max(x)
        FROM (SELECT t, {number} AS x FROM {values})""").fetchall()[0]
    )


def _otherwise_written(connection: Any, values: str, name: str, n: int, share: float) -> FrozenColumn | None:
    """Tell of texts whether they are moments, durations, or numbers with a decimal comma; None where they are words."""
    is_number = f"{spelling.has_comma('t')} OR TRY_CAST(t AS DOUBLE) NOTNULL"
    moments, commas, durations = connection.execute(f"""
        SELECT count({spelling.moment("t")}), count(*) FILTER ({is_number}), count({spelling.duration("t")})
        FROM {values}""").fetchall()[0]
    if moments >= share * n:
        return FrozenColumn(name, ColumnKind.TIME)
    if durations >= share * n:
        return FrozenColumn(name, ColumnKind.NUMERIC, is_duration=True)
    return FrozenColumn(name, ColumnKind.NUMERIC) if commas >= share * n and share < 1 else None


def _of_words(connection: Any, values: str, name: str, n: int) -> FrozenColumn:
    distinct = _n_distinct(connection, values) / n if n >= LEAST_ROWS else 0.0
    if distinct < DISTINCT_TEXT:
        return FrozenColumn(name, ColumnKind.CATEGORICAL)
    query = f"SELECT median(len(regexp_split_to_array(trim(t), '{_WORD}'))) FROM {values}"
    words = float(connection.execute(query).fetchall()[0][0])
    if words >= SEVERAL_WORDS:
        return FrozenColumn(name, ColumnKind.TEXT)
    if distinct >= DISTINCT_IDENTIFIER:
        return FrozenColumn(name, ColumnKind.IDENTIFIER, ColumnRole.ID, _WHY_ID)
    return FrozenColumn(name, ColumnKind.CATEGORICAL)


def chosen(column: FrozenColumn, options: DriftOptions) -> FrozenColumn:
    """Give a column the role that the caller chose, and say why it is left out where that leaves it out."""
    is_named = column.name in options.columns
    if column.name in options.ignored:
        return replace(column, role=ColumnRole.IGNORED, why_not="It is ignored.")
    if options.columns and not is_named:
        return replace(column, why_not="It is not among the chosen columns.")
    if column.name in options.predictions:
        column = replace(column, role=ColumnRole.PREDICTION)
    elif column.name in options.ids:
        column = replace(column, role=ColumnRole.ID, why_not="It is an identifier.")
    elif column.name in options.targets or (options.features and column.name not in options.features):
        column = replace(column, role=ColumnRole.TARGET)
    if is_named and column.kind is not None:
        return replace(column, why_not=None)
    return column


def _kind_of_type(database_type: str) -> ColumnKind | None:
    """Return the kind of a column by its type in DuckDB's words; None is neither (lists, structures, bytes)."""
    if spelling.is_numeric(database_type) or spelling.is_duration(database_type):
        return ColumnKind.NUMERIC
    if spelling.is_moment(database_type):
        return ColumnKind.TIME
    if database_type == "BOOLEAN":
        return ColumnKind.BOOLEAN
    return ColumnKind.CATEGORICAL if spelling.is_words(database_type) or database_type == _NOTHING else None
