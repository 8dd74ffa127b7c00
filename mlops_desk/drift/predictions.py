"""Which columns of a table are answers, by what names, and what is derived of probabilities among them.

A reference names its answers: ``prediction`` in the data set that was logged, ``outputs`` in MLflow's evaluation
tables. In a log an answer without a name goes by the only name of the reference's that no other answer has. Of lists of
probabilities the confidence (the highest) and the likeliest class (its place) are columns of their own, of one column
for each class the confidence: what they are derived of is decided once, by the reference, and is in their names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.probabilities import class_of_column
from mlops_desk.drift.performance.rows import CLASSES_LIMIT
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.storage.request_log.writer import OUTPUT

# ruff: noqa: S608 - DuckDB binds no names; the columns are quoted identifiers


PREDICTION = "prediction"
OUTPUTS = "outputs"
"""What MLflow's evaluation calls the answers in its table, where nobody named them."""
NAMES = (PREDICTION, "predictions", OUTPUTS)
CONFIDENCE, LIKELIEST = "confidence of ", "likeliest of "
BY_CLASS = "prob_*"
ALL = "all answers"
"""Of these a confidence is derived too: columns named after their classes, and all of several answers."""
_FITTING = 0.99  # chosen: what are probabilities in all but one row of a hundred, are some
_SUM_TOLERANCE = 0.01  # as in a report on files


@dataclass(frozen=True, slots=True)
class AnswersFound:
    """A reference's table with what is derived of its answers: ``names`` are theirs, ``kinds`` what is decided."""

    table: OpenedTable
    names: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None

    def options(self, options: DriftOptions) -> DriftOptions:
        """Return how the table is read with them."""
        told = {name: kind for name, kind in (self.kinds or {}).items() if name not in options.kinds}
        predictions = tuple(dict.fromkeys((*options.predictions, *self.names)))
        return replace(options, predictions=predictions, kinds={**options.kinds, **told})


def answers_in(table: OpenedTable, options: DriftOptions, *, is_evaluation: bool = False) -> list[str]:
    """Return which columns of a reference are answers: those that are said to be, else those named so.

    What a model is asked for is none of them, and without a signature only an unmistakable name is one.
    """
    if options.predictions:
        return [name for name in options.predictions if name in table.columns]
    if options.columns:
        return []
    names = NAMES if is_evaluation else NAMES[:2]
    said = {*options.features, *options.targets, *options.ids, *options.ignored}
    chosen = [name for name in table.columns if name not in said]
    found = [name for name in chosen if name.lower() in names]
    by_class = [name for name in chosen if class_of_column(name) != name]
    return [*found, *(by_class if options.features or is_evaluation else [])]


def with_answers(connection: Any, table: OpenedTable, names: Sequence[str]) -> AnswersFound:
    """Derive what the answers of a reference give, and decide what they are. Raises duckdb.Error."""
    if not names:
        return AnswersFound(table)
    by_class = [name for name in names if class_of_column(name) != name]
    derived = [f"{CONFIDENCE}{name}" for name in names]
    derived += [f"{CONFIDENCE}{BY_CLASS}"] if len(by_class) > 1 else []
    derived += [f"{CONFIDENCE}{ALL}"] if len(names) > 1 and len(by_class) < 2 else []
    kept = [name for name in derived if _are_probabilities(connection, table, _list_of(name, table, names))]
    kept += [
        f"{LIKELIEST}{name.removeprefix(CONFIDENCE)}" for name in kept if name.removeprefix(CONFIDENCE) in table.columns
    ]
    kept = [name for name in kept if name not in table.columns]
    kinds = {name: str(ColumnKind.CATEGORICAL) for name in names if _are_classes(connection, table, name)}
    kinds |= {name: str(ColumnKind.CATEGORICAL) for name in kept if name.startswith(LIKELIEST)}
    kinds |= {name: str(ColumnKind.NUMERIC) for name in kept if name.startswith(CONFIDENCE)}
    return AnswersFound(_derived(table, kept, names), (*names, *kept), kinds)


def as_reference(table: OpenedTable, told: Sequence[str]) -> OpenedTable:
    """Give the answers of a log the names that the reference has for its own (``told``), and derive what it derives."""
    derived = [name for name in told if name.startswith((CONFIDENCE, LIKELIEST)) and name not in table.columns]
    wanted = [name for name in told if name not in derived]
    columns = dict(table.columns)
    lacking = [name for name in wanted if name not in columns]
    answers = [name for name, (column, _) in columns.items() if column.startswith(f'"{OUTPUT}')]
    others = [name for name in answers if name not in wanted]
    unnamed = next((name for name in others if columns[name][0] == f'"{OUTPUT}"'), None)
    source = unnamed if unnamed is not None else (others[0] if len(answers) == len(wanted) == 1 and others else None)
    if len(lacking) == 1 and source is not None:
        columns[lacking[0]] = columns.pop(source)
    return _derived(replace(table, columns=columns), derived, wanted)


def free_name(taken: Collection[str]) -> str:
    """Return what an answer without a name is called beside some columns."""
    return next((name for name in (*NAMES[:2], "answer") if name not in taken), f"{OUTPUT} of the model")


def _derived(table: OpenedTable, names: Sequence[str], answers: Sequence[str]) -> OpenedTable:
    columns = dict(table.columns)
    for name in names:
        listed = _list_of(name, table, answers)
        if listed is None:
            continue
        is_class = name.startswith(LIKELIEST)
        told = (
            f"CAST(list_position({listed}, list_max({listed})) - 1 AS VARCHAR)" if is_class else f"list_max({listed})"
        )
        expression = f"(CASE WHEN {_fits(listed)} THEN {told} END)"
        columns[name] = expression, "VARCHAR" if is_class else "DOUBLE"
    return replace(table, columns=columns)


def _list_of(name: str, table: OpenedTable, answers: Sequence[str]) -> str | None:
    """Return the expression of the probabilities that a derived column is of; None where the table lacks some."""
    whose = name.removeprefix(CONFIDENCE).removeprefix(LIKELIEST)
    if whose in answers:
        return f"TRY_CAST({table.columns[whose][0]} AS DOUBLE[])" if whose in table.columns else None
    parts = [one for one in answers if whose == ALL or class_of_column(one) != one]
    if len(parts) < 2 or any(one not in table.columns for one in parts):
        return None
    return f"[{', '.join(f'TRY_CAST({table.columns[one][0]} AS DOUBLE)' for one in parts)}]"


def _fits(listed: str) -> str:
    """Return the condition that a list is of probabilities of at least two classes."""
    is_whole = f"abs(list_sum({listed}) - 1) <= {_SUM_TOLERANCE}"
    return f"len({listed}) >= 2 AND list_min({listed}) >= 0 AND {is_whole}"


def _are_probabilities(connection: Any, table: OpenedTable, listed: str | None) -> bool:
    if listed is None:
        return False
    n, n_fitting = connection.execute(
        f"SELECT count({listed}), count(*) FILTER ({_fits(listed)}) FROM {table.relation}"
    ).fetchall()[0]
    return bool(n) and n_fitting >= _FITTING * n


def _are_classes(connection: Any, table: OpenedTable, name: str) -> bool:
    """Tell whether an answer is one of a few whole numbers, which are then names of classes."""
    column, database_type = table.columns[name]
    if database_type == "BOOLEAN":
        return False
    number = f"TRY_CAST({column} AS DOUBLE)"
    n, n_whole, n_distinct = connection.execute(
        f"SELECT count({column}), count(*) FILTER (isfinite({number}) AND {number} = floor({number})), "
        f"count(DISTINCT {number}) FROM {table.relation}"
    ).fetchall()[0]
    return bool(n) and n_whole == n and n_distinct <= CLASSES_LIMIT
