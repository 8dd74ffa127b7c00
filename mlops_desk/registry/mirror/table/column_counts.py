"""Which columns some runs have, with how many of them have a value, how many different ones, and their range."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.table.runs import Mask, NumberColumn, RunTable, TextColumn
from mlops_desk.registry.records.run_window import RunColumn

_MOST_COLUMNS = 2000  # chosen: of a store with more, columns beyond are told with how many runs have them and no more


def columns_of(table: RunTable, passing: Mask) -> list[RunColumn]:
    """Return the metrics, then the parameters, then the tags that these rows have, each by name."""
    return list(_columns(table, passing))


def _columns(table: RunTable, passing: Mask) -> Iterable[RunColumn]:
    is_whole = len(table.metrics) + len(table.params) + len(table.tags) <= _MOST_COLUMNS
    for name, numbers in sorted(table.metrics.items()):
        among = passing[numbers.rows]
        if among.any():
            yield _number_column(f"metrics.{name}", numbers, among, is_whole=is_whole)
    for kind, columns in (("params", table.params), ("tags", table.tags)):
        for name, texts in sorted(columns.items()):
            among = passing[texts.rows]
            if among.any():
                yield _text_column(f"{kind}.{name}", texts, among, is_whole=is_whole)


def _number_column(name: str, column: NumberColumn, among: Mask, *, is_whole: bool) -> RunColumn:
    values = column.values[among]
    least, largest = _range(values)
    different = len(np.unique(values)) if is_whole else None
    return RunColumn(name, len(values), different, True, least, largest)


def _text_column(name: str, column: TextColumn, among: Mask, *, is_whole: bool) -> RunColumn:
    codes = column.codes[among]
    if not is_whole:
        return RunColumn(name, len(codes))
    used = np.unique(codes)
    numbers, is_number = column.numbers()
    if not is_number[used].all():
        return RunColumn(name, len(codes), len(used))
    least, largest = _range(numbers[used])
    return RunColumn(name, len(codes), len(used), True, least, largest)


def _range(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
