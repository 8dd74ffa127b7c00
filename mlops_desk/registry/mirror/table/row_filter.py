"""Which rows pass a filter. What is asked of texts is asked once for each different text, numbers all at once."""

import difflib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.mirror.filter.grammar import HAS, LARGEST, Clause, Filter, Of, refused, text_test
from mlops_desk.registry.mirror.table.runs import HEAD_BYTES, Mask, Rows, RunTable, TextColumn
from mlops_desk.registry.readers.batch import NO_TIME
from mlops_desk.registry.records.model import DatasetInput

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_NAME_TAG = "mlflow.runName"
Datasets = Callable[[Sequence[str]], Mapping[str, Sequence[DatasetInput]]]


class Matching:
    """``datasets`` is asked for the datasets of runs, where a filter is about them."""

    def __init__(self, table: RunTable, datasets: Datasets) -> None:
        self._table = table
        self._datasets = datasets

    def passing(self, among: Mask, conditions: Filter) -> Mask:
        """Return which of the rows ``among`` pass. Raises Invalid for a name that no run has, with the place."""
        found = among
        # Datasets last: they are asked of the source, and only for what is left.
        for clause in sorted(conditions, key=lambda one: one.of is Of.DATASET):
            found = found & self._passing(clause, found)
        return found

    def _passing(self, clause: Clause, among: Mask) -> Mask:
        tests: Mapping[Of, Callable[[], Mask]] = {
            Of.METRIC: lambda: self._metric(clause),
            Of.PARAM: lambda: self._text(self._table.params.get(clause.key), clause),
            Of.TAG: lambda: self._text(self._table.tags.get(clause.key), clause),
            Of.ATTRIBUTE: lambda: self._attribute(clause),
            Of.DATASET: lambda: self._dataset(clause, among),
            Of.NAMED: lambda: self._named(clause),
            Of.WORD: lambda: self._word(str(clause.value)),
        }
        return tests[clause.of]()

    def _mask(self, rows: Rows) -> Mask:
        mask = np.zeros(len(self._table), np.bool_)
        mask[rows] = True
        return mask

    def _metric(self, clause: Clause) -> Mask:
        column = self._table.metrics.get(clause.key)
        if column is None:
            return self._mask(np.empty(0, np.int32))
        values = column.values
        if isinstance(clause.value, float) and abs(clause.value) >= LARGEST:
            values = np.clip(values, -LARGEST, LARGEST)
        return self._mask(column.rows[_numbers_pass(values, clause)])

    def _text(self, column: TextColumn | None, clause: Clause) -> Mask:
        if column is None:
            return np.full(len(self._table), clause.comparator == "IS NULL")
        if clause.comparator in {"IS NULL", "IS NOT NULL"}:
            there = self._mask(column.rows)
            return there if clause.comparator == "IS NOT NULL" else ~there
        if clause.comparator in {"=", "!="}:
            is_it = column.codes == column.code(str(clause.value))
            return self._mask(column.rows[is_it if clause.comparator == "=" else ~is_it])
        return self._mask(column.rows[_texts_pass(column, clause)])

    def _attribute(self, clause: Clause) -> Mask:
        table = self._table
        if clause.key in {"start_time", "end_time"}:
            times = table.starts if clause.key == "start_time" else table.ends
            passes: Mask = _numbers_pass(times, clause) & (times != NO_TIME)
            return passes
        if clause.key == "duration":
            seconds = table.durations()
            return _numbers_pass(seconds, clause) & ~np.isnan(seconds)
        if clause.key == "run_id":
            return self._run_id(clause)
        # MLflow has the name of a run in a tag, and looks there.
        column = table.tags.get(_NAME_TAG) if clause.key == "run_name" else table.attributes[clause.key]
        return self._text(column, clause)

    def _run_id(self, clause: Clause) -> Mask:
        if clause.comparator in {"=", "!=", "IN", "NOT IN"}:
            wanted = clause.value if isinstance(clause.value, tuple) else (str(clause.value),)
            rows = [row for one in wanted if (row := self._table.row_of(one)) is not None]
            found = self._mask(np.asarray(rows, np.int32))
            return found if clause.comparator in {"=", "IN"} else ~found
        test = text_test(clause.comparator, clause.value)
        return np.fromiter(map(test, self._table.run_ids), np.bool_, len(self._table))

    def _dataset(self, clause: Clause, among: Mask) -> Mask:
        rows = np.flatnonzero(among)
        ids = [self._table.run_ids[row] for row in rows]
        given, test = self._datasets(ids), text_test(clause.comparator, clause.value)
        found = ([getattr(one, clause.key) for one in given.get(run_id, ())] for run_id in ids)
        passes = [any(value is not None and test(value) for value in values) for values in found]
        return self._mask(rows[np.asarray(passes, np.bool_)].astype(np.int32))

    def _named(self, clause: Clause) -> Mask:
        """Compare each run by what it has of that name: a metric, else a parameter, else a tag."""
        table = self._table
        metric = table.metrics.get(clause.key)
        texts = [column for columns in (table.params, table.tags) if (column := columns.get(clause.key)) is not None]
        if metric is None and not texts:
            raise self._unknown(clause)
        is_number = isinstance(clause.value, float)
        if metric is not None and not is_number and not texts:
            text = f"{plain(clause.key)} is a metric, and {plain(str(clause.value))!r} is no number."
            raise refused(text, clause.place)
        decided = np.zeros(len(table), np.bool_)
        passing = np.zeros(len(table), np.bool_)
        if metric is not None and is_number:
            _decide(decided, passing, metric.rows, _numbers_pass(metric.values, clause))
        for column in texts:
            _decide(decided, passing, column.rows, _named_text_pass(column, clause))
        return passing

    def _word(self, word: str) -> Mask:
        table, lowered = self._table, word.lower()
        names = table.attributes["run_name"]
        found = self._mask(names.rows[names.has(word)])
        head = lowered.encode("utf-8", "replace")
        if not head:
            return found
        starts = np.strings.startswith(table.heads, head[:HEAD_BYTES])
        if len(head) <= HEAD_BYTES:
            return found | starts
        rows = [row for row in np.flatnonzero(starts) if table.run_ids[row].startswith(lowered)]
        return found | self._mask(np.asarray(rows, np.int32))

    def _unknown(self, clause: Clause) -> Invalid:
        table = self._table
        close = difflib.get_close_matches(clause.key, [*table.metrics, *table.params, *table.tags], 1)
        listing = Hint("mlops-desk runs columns", after=" lists what there is.")
        hint = f"Did you mean {plain(close[0])}?" if close else listing
        return refused(f"no run has a metric, parameter or tag {plain(clause.key)!r}.", clause.place, hint)


def _decide(decided: Mask, passing: Mask, rows: Rows, passes: Mask) -> None:
    """Note what a column says of rows that none has said anything of before."""
    new = ~decided[rows]
    passing[rows[new]] = passes[new]
    decided[rows] = True


def _numbers_pass(values: NDArray[Any], clause: Clause) -> Mask:
    wanted = clause.value
    if not isinstance(wanted, (int, float)):
        return np.zeros(len(values), np.bool_)
    if isinstance(wanted, float) and math.isnan(wanted):
        is_nan: Mask = np.isnan(values)
        return is_nan if clause.comparator == "=" else ~is_nan
    passes: Mask = _COMPARE[clause.comparator](values, wanted)
    return passes


def _texts_pass(column: TextColumn, clause: Clause) -> Mask:
    if clause.comparator == HAS:
        return column.has(str(clause.value))
    return column.where(text_test(clause.comparator, clause.value))


def _named_text_pass(column: TextColumn, clause: Clause) -> Mask:
    """Compare texts as numbers where the filter has one; a text that is no number is only different from it."""
    if not isinstance(clause.value, float):
        return _texts_pass(column, clause)
    numbers, is_number = column.numbers()
    passes = _numbers_pass(numbers, clause) & is_number
    if clause.comparator == "!=":
        passes = passes | ~is_number
    return passes[column.codes]
