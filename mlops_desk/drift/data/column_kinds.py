"""What kind a column of the reference is: by what the caller says, by its type in the file, or by its values.

This is the one place where a kind is decided; ``records.drift.columns`` tells how the answer is frozen and kept. Where
the reference has no value at all, the current data's are looked at, for some kind the column needs.
"""

# ruff: noqa: S608 - DuckDB binds no names; ``spelling`` makes expressions of quoted identifiers

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.dates import WrittenDates, dates_of
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.records.columns import WORDS, ColumnKind, ColumnRole, FrozenColumn
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

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
_AMBIGUOUS = (
    "Dates like 01/02/2024 have the day or the month first, and no value tells which: say --dayfirst or --monthfirst."
)
REDACTED = "The desk's own rule takes it out of the log (data redact)."
"""Why a column is not compared of which the log has no values as they were sent."""
_LOOKED_AT_ROWS = 10_000  # chosen: a hundredth of a second
_FEW_DISTINCT = 0.1  # chosen: at a tenth counting first and looking once take as long (measured: 0.1 and 0.4 s)
_NOTHING = '"NULL"'  # the type of a column in which nobody ever wrote a value
_WORD = r"\s+"


def _nobody(_text: str) -> None:
    """Tell nobody."""


def freeze(
    connection: Any,
    reference: OpenedTable,
    current: OpenedTable,
    options: DriftOptions,
    say: Callable[[str], None] = _nobody,
) -> list[FrozenColumn]:
    """Decide what each column of the reference is; what is frozen stays so. Raises Invalid, duckdb.Error.

    ``say`` is told of each: of a thousand columns that takes a minute.
    """
    known = {column.name: column for column in options.frozen}
    found = []
    for at, name in enumerate(reference.columns):
        say(f"kinds of {at} of {len(reference.columns)} columns: {plain(name, 60)}")  # chosen: a line of a terminal
        column = known.get(name) or _decided(connection, reference, current, name, options)
        real = options.real_values.get(name)
        found.append(column if real is None else replace(column, real_values=real))
    return found


def _decided(
    connection: Any, reference: OpenedTable, current: OpenedTable, name: str, options: DriftOptions
) -> FrozenColumn:
    said = options.kinds.get(name)
    if said is not None and said != WORDS:
        if said not in set(ColumnKind):
            raise Invalid(
                f"Column {plain(name)!r} can't be of the kind {plain(said)!r}.", f"Kinds: {', '.join(ColumnKind)}."
            )
        return _with_order(connection, reference, FrozenColumn(name, ColumnKind(said), day_first=options.day_first))
    found: FrozenColumn | None = None
    for source in (reference, current):
        if name in source.columns:
            found = _looked_at(connection, source, name, options, as_words=said == WORDS)
            if found is not None:
                return found
    kind = _kind_of_type(reference.columns[name][1])
    return FrozenColumn(name, kind, why_not=None if kind else _ARRAYS)


def _with_order(connection: Any, reference: OpenedTable, column: FrozenColumn) -> FrozenColumn:
    """Tell of a column that is said to be of times whether its dates have the day first, by the reference's values."""
    dates = _dates_in(connection, reference, column)
    return column if dates is None or dates.day_first is None else replace(column, day_first=dates.day_first)


def readable(connection: Any, table: OpenedTable, column: FrozenColumn, options: DriftOptions) -> FrozenColumn:
    """Say why a column of times is not compared where one side has dates that nobody can read. Raises duckdb.Error."""
    if column.why_not is not None or column.kind is not ColumnKind.TIME or column.day_first is not None:
        return column
    if options.day_first is not None:
        return replace(column, day_first=options.day_first)
    dates = _dates_in(connection, table, column)
    if dates is None or not dates.n or dates.day_first is not None or dates.is_same:
        return column
    return replace(column, why_not=_AMBIGUOUS)


def _dates_in(connection: Any, table: OpenedTable, column: FrozenColumn) -> WrittenDates | None:
    name, database_type = table.columns.get(column.name, ("", ""))
    if column.kind is not ColumnKind.TIME or not value_parsers.is_words(database_type):
        return None
    return dates_of(connection, _counted_texts(connection, table, f"CAST({name} AS VARCHAR)", column.real_values))


def _looked_at(
    connection: Any, source: OpenedTable, name: str, options: DriftOptions, *, as_words: bool
) -> FrozenColumn | None:
    """Decide by one side's values; None where it has none."""
    column, database_type = source.columns[name]
    if database_type.startswith("ENUM"):
        return FrozenColumn(name, ColumnKind.CATEGORICAL)
    if value_parsers.is_words(database_type):
        return _of_texts(connection, source, name, options, as_words=as_words or not source.is_text)
    if value_parsers.is_numeric(database_type) and "INT" in database_type:
        query = f"SELECT count({column}), min({column}), max({column}) FROM {source.relation}"
        n_values, least, most = connection.execute(query).fetchall()[0]
        values = f"(SELECT {column} AS t FROM {source.relation})"
        return _of_integers(connection, values, name, n_values, (least, most)) if n_values else None
    kind, is_duration = _kind_of_type(database_type), value_parsers.is_duration(database_type)
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


def _of_texts(
    connection: Any, source: OpenedTable, name: str, options: DriftOptions, *, as_words: bool
) -> FrozenColumn | None:
    """Decide by texts: true and false, numbers, moments, durations, and else by how many words and how distinct."""
    real = options.real_values.get(name, ())
    values = _counted_texts(connection, source, f"CAST({source.columns[name][0]} AS VARCHAR)", real)
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
    written = _otherwise_written(connection, values, name, share * found.n, options, as_words=as_words)
    return written or _of_words(connection, values, name, found.n)


def _counted_texts(connection: Any, source: OpenedTable, column: str, real: Sequence[str]) -> str:
    """Return the relation of texts ``t`` that stand for something, with how often each is there (``n``).

    Where the first rows repeat the same few values, equal ones are counted and then looked at once: four times as fast
    for categories. Of distinct ones counting would be the longest part.
    """
    distinct, rows = connection.execute(f"""
        SELECT count(DISTINCT t), count(*)
        FROM (SELECT {column} AS t FROM {source.relation} LIMIT {_LOOKED_AT_ROWS})""").fetchall()[0]
    repeats = rows == _LOOKED_AT_ROWS and distinct <= rows * _FEW_DISTINCT
    count, group = ("count(*)", "GROUP BY t") if repeats else ("1", "")
    texts = f"(SELECT {column} AS t FROM {source.relation})"
    return f"(SELECT t, {count} AS n FROM {texts} WHERE NOT {value_parsers.missing('t', real)} {group})"


def _tally(connection: Any, values: str) -> _Tally:
    number, word = value_parsers.number("t"), value_parsers.boolean("t")
    counts = ", ".join(
        f"coalesce(sum(n) FILTER ({condition}), 0)"
        for condition in (
            "true", word, f"NOT {word}", "x IN (0, 1)", "x NOTNULL", "isfinite(x) AND x = floor(x)",
            "t[1] IN ('[', '{') AND json_valid(t)",
        )
    )  # fmt: skip
    found = connection.execute(f"SELECT {counts}, min(x), max(x) FROM (SELECT t, n, {number} AS x FROM {values})")
    return _Tally(*found.fetchall()[0])


def _otherwise_written(
    connection: Any, values: str, name: str, enough: float, options: DriftOptions, *, as_words: bool
) -> FrozenColumn | None:
    """Tell of texts whether ``enough`` are moments, durations, or have a decimal comma; None where they are words."""
    commas = f"{value_parsers.has_comma('t')} AND {value_parsers.number('t', comma=True)} NOTNULL"
    moments, n_commas, numbers, durations = connection.execute(f"""
        SELECT coalesce(sum(n) FILTER ({value_parsers.moment("t")} NOTNULL), 0), coalesce(sum(n) FILTER ({commas}), 0),
            coalesce(sum(n) FILTER ({value_parsers.number("t", comma=True)} NOTNULL), 0),
            coalesce(sum(n) FILTER ({value_parsers.duration("t")} NOTNULL), 0)
        FROM {values}""").fetchall()[0]
    if moments >= enough:
        return FrozenColumn(name, ColumnKind.TIME)
    if durations >= enough:
        return FrozenColumn(name, ColumnKind.NUMERIC, is_duration=True)
    if n_commas and numbers >= enough and not as_words:
        return FrozenColumn(name, ColumnKind.NUMERIC)
    dates = dates_of(connection, values)
    if not dates.n or moments + dates.n < enough:
        return None
    first = options.day_first if dates.day_first is None else dates.day_first
    if first is None and not dates.is_same:
        return FrozenColumn(name, None, why_not=_AMBIGUOUS)
    return FrozenColumn(name, ColumnKind.TIME, day_first=first)


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
    if column.name.casefold() in options.redacted:
        return replace(column, role=ColumnRole.IGNORED, why_not=REDACTED)
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
    if value_parsers.is_numeric(database_type) or value_parsers.is_duration(database_type):
        return ColumnKind.NUMERIC
    if value_parsers.is_moment(database_type):
        return ColumnKind.TIME
    if database_type == "BOOLEAN":
        return ColumnKind.BOOLEAN
    return ColumnKind.CATEGORICAL if value_parsers.is_words(database_type) or database_type == _NOTHING else None
