"""Runs in MLflow's order, in groups, and what columns they have: on plain lists of runs."""

import math
from collections.abc import Iterable, Sequence

from mlops_desk.records.model import Run
from mlops_desk.records.registry.run_window import MetricSpread, RunColumn, RunGroup, RunRow
from mlops_desk.registry.mirror.column import ColumnKey, Sorting
from mlops_desk.registry.mirror.filter.numbers import number_of
from mlops_desk.registry.mirror.plain.values import PARENT, value_of

LONGEST_TEXT = 500  # chosen: a cell of a table shows less
MOST_IDS = 1000  # chosen: more runs of one group nobody overlays

_START = ColumnKey("attributes", "start_time")
_MISSING, _NAN, _THERE = 2, 1, 0  # the order in which MLflow puts them


def in_order(runs: Iterable[Run], sortings: Sequence[Sorting]) -> list[Run]:
    """Return runs in MLflow's order: by the keys, then the newest first, then by id; what has no value is last."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    keys = [*sortings, *([] if any(one.column == _START for one in sortings) else [Sorting(_START, True)])]
    for one in reversed(keys):
        ordered = _by(ordered, one)
    return ordered


def _by(runs: list[Run], sorting: Sorting) -> list[Run]:
    def rank(run: Run) -> int:
        value = value_of(run, sorting.column)
        if value is None:
            return _MISSING
        return _NAN if isinstance(value, float) and math.isnan(value) else _THERE

    def value(run: Run) -> float | str:
        found = value_of(run, sorting.column)
        return 0.0 if found is None else found

    there = sorted((run for run in runs if rank(run) == _THERE), key=value, reverse=sorting.is_descending)
    return there + sorted((run for run in runs if rank(run) != _THERE), key=rank)


def nested(runs: Sequence[Run]) -> list[Run]:
    """Return runs with those that each has started directly below it; whose parent is not here stands as it did."""
    ids = {run.run_id for run in runs}
    below: dict[str | None, list[Run]] = {}
    for run in runs:
        parent = run.tags.get(PARENT)
        below.setdefault(parent if parent in ids and parent != run.run_id else None, []).append(run)
    ordered: list[Run] = []
    stack = below.pop(None, [])[::-1]
    while stack:
        ordered.append(stack.pop())
        stack += below.pop(ordered[-1].run_id, [])[::-1]
    # Runs that name each other as parents hang on nothing; they are there all the same.
    return ordered + [run for rest in below.values() for run in rest]


def row(run: Run, columns: Sequence[ColumnKey]) -> RunRow:
    values = (value_of(run, column) for column in columns)
    cut = tuple(value[:LONGEST_TEXT] if isinstance(value, str) else value for value in values)
    parent = run.tags.get(PARENT)
    return RunRow(run.run_id, run.name, run.status, run.start_time, run.experiment_id or "", parent, cut)


def columns_of(runs: Sequence[Run]) -> list[RunColumn]:
    """Return the columns that runs have: metrics, parameters and tags, each by name."""
    numbers: dict[str, list[float]] = {}
    texts: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for name, value in run.metrics.items():
            numbers.setdefault(name, []).append(value)
        for kind, pairs in (("params", run.params), ("tags", run.tags)):
            for name, text in pairs.items():
                texts.setdefault((kind, name), []).append(text)
    found = [_number_column(f"metrics.{name}", values) for name, values in sorted(numbers.items())]
    return found + [_text_column(f"{kind}.{name}", values) for (kind, name), values in sorted(texts.items())]


def _number_column(name: str, values: Sequence[float], *, is_number: bool = True) -> RunColumn:
    finite = [value for value in values if math.isfinite(value)]
    different = len({"nan" if math.isnan(value) else value for value in values})
    least, largest = (min(finite), max(finite)) if finite and is_number else (None, None)
    return RunColumn(name, len(values), different, is_number, least, largest)


def _text_column(name: str, values: Sequence[str]) -> RunColumn:
    numbers = [number for text in values if (number := number_of(text)) is not None]
    finite = [value for value in numbers if math.isfinite(value)]
    is_number = len(numbers) == len(values)
    least, largest = (min(finite), max(finite)) if finite and is_number else (None, None)
    return RunColumn(name, len(values), len(set(values)), is_number, least, largest)


def grouped(runs: Sequence[Run], by: Sequence[ColumnKey], metrics: Sequence[ColumnKey]) -> list[RunGroup]:
    """Return runs by what they have in common, the largest groups first, then by their values."""
    groups: dict[tuple[str | None, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(_told(value_of(run, column)) for column in by), []).append(run)
    made = [
        RunGroup(
            values,
            len(members),
            tuple(run.run_id for run in members[:MOST_IDS]),
            tuple(
                spread(key.spoken, [run.metrics[key.key] for run in members if key.key in run.metrics])
                for key in metrics
            ),
        )
        for values, members in groups.items()
    ]
    return sorted(made, key=lambda group: (-group.n_runs, [(value is None, value or "") for value in group.values]))


def _told(value: float | str | None) -> str | None:
    return value[:LONGEST_TEXT] if isinstance(value, str) else None if value is None else f"{value:.10g}"


def spread(name: str, values: Iterable[float]) -> MetricSpread:
    """Return how the finite ones of these values lie; no deviation where it is beyond what a float holds."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return MetricSpread(name, 0)
    least, largest = min(finite), max(finite)
    mean = min(max(sum(value / len(finite) for value in finite), least), largest)
    squares = sum((value - mean) * (value - mean) for value in finite)
    deviation = math.sqrt(squares / (len(finite) - 1)) if len(finite) > 1 and math.isfinite(squares) else None
    return MetricSpread(name, len(finite), mean, least, largest, deviation)
